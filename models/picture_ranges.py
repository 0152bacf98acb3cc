"""For which sizes the graphs for pictures are built, where a backend must be told before it runs them."""

from __future__ import annotations

from .frame_range import FrameRange, InputRange
from .pictures import (
    DIFFERENCE,
    EMIT,
    FINISH,
    INGEST,
    LOOK,
    MERGE,
    PLACE,
    RESIZE,
    SAME,
    THUMBNAIL,
    Planes,
    emit,
    ingest,
)
from .spec import Graph

_PLANES = (Planes("420"), Planes("420", deep=True))
_EVERY_RUN = (PLACE, FINISH, SAME, LOOK, MERGE, RESIZE, THUMBNAIL, DIFFERENCE)

USUAL: tuple[Graph, ...] = (
    *(ingest(planes) for planes in _PLANES),
    *(emit(planes) for planes in _PLANES),
    *_EVERY_RUN,
)
"""What nearly every film needs. Others are rare, and would take long to build for nothing."""

_LEAST = 8  # pixels a side
_SQUARES = (16, 512, 1024)  # that DeOldify looks at: render factors from 1 to 64, and PaddleGAN's


def picture_ranges(graph: Graph, frames: FrameRange, *, scale: int = 1) -> tuple[InputRange, ...]:
    """Return the shapes of all inputs of a graph, in their order.

    The three shapes of each belong together, so that the graph runs on the first of all, on the second, and
    on the third.

    Args:
        graph: One of ``models.pictures.PICTURES``.
        frames: Of the film.
        scale: How many times larger pictures become, as by an upscaler; they may be of any size up to that.
    """
    most = (frames.most[0] * scale, frames.most[1] * scale)
    sizes = ((_LEAST, _LEAST), frames.usual, most)
    chroma = graph.name.startswith((INGEST, EMIT))
    sides = [
        {
            "H": height,
            "W": width,
            "h": -(-height // 2) if chroma else height,
            "w": -(-width // 2) if chroma else width,
            "s": square,
        }
        for (height, width), square in zip(sizes, _SQUARES, strict=True)
    ]
    ranges: list[InputRange] = []
    for tensor in graph.inputs:
        least, usual, largest = (
            tuple(side if isinstance(side, int) else lengths[side] for side in tensor.shape)
            for lengths in sides
        )
        ranges.append(InputRange(tensor.name, least, usual, largest))
    return tuple(ranges)
