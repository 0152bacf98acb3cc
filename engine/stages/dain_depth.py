"""How the graphs of the paper's DAIN make the frame between two, in parts where memory is short.

Its context has 196 maps of each frame, and a pixel between the frames may read it anywhere. Where both
frames' contexts, whole, are more than fits, that of a part of a frame is computed whenever the motion of a
part of the result points into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...models.spec import Graph, Tiling
from ..device.array import Value, pixels_of
from ..device.parts import empty_beside, part_of, put_part
from ..networks.backend import LoadedNetwork
from ..networks.tiles import Span, Tile, spans
from ..pixels.frame import Pixels
from .dain import Known, asked_for, named

_CONTEXT = 4 * 196  # bytes of the context of one pixel
_PART = 1 << 16  # pixels warped at once; more would only take memory
_BEFORE, _AFTER = 1, 2  # pixels that a kernel reads before and after the one that the motion points at


@dataclass(frozen=True, slots=True)
class DainDepth:
    """The paper's DAIN (see ``engine.stages.dain.Interpolator``)."""

    network: LoadedNetwork

    def alone(self, frame: Value) -> Known:
        (half,) = self.network.run("shallow", frame=frame)
        (below,) = self.network.run("deep", half=half)
        known = {"frame": frame} | named(self.network, "depth", frame=frame, below=below)
        if self._keeps_contexts(*frame.shape[2:]):
            known |= named(self.network, "context", frame=frame, depth=known["depth"])
        return known | named(self.network, "features", frame=frame)

    def pair(self, a: Known, b: Known) -> Known:
        known = {
            f"{side}_{name}": value for side, seen in (("a", a), ("b", b)) for name, value in seen.items()
        }
        known |= {"a": a["frame"], "b": b["frame"]}
        for name in ("flow", "kernels"):
            known |= named(self.network, name, **asked_for(self._graph(name), known))
        return {name: value for name, value in known.items() if "level" not in name}

    def between(self, pair: Known, t: float) -> Value:
        known = dict(pair) | {"t": np.array([t], np.float32)}
        known |= named(self.network, "motion", **asked_for(self._graph("motion"), known))
        height, width = known["a"].shape[2:]
        if not self._keeps_contexts(height, width):
            return self._in_parts(known)
        for side in "ab":
            given = (known[f"{side}_{name}"] for name in ("context", "motion", "kernel"))
            known[f"{side}_warped"] = self._warped_whole(*given)
        return self.network.run("rectify", **asked_for(self._graph("rectify"), known))[0]

    def _graph(self, name: str) -> Graph:
        return self.network.network.graph(name)

    def _keeps_contexts(self, height: int, width: int) -> bool:
        """Tell whether the contexts of both frames are kept, which is quicker."""
        # Beside them there are, in the end, both warped ones and a part in the making.
        part = max(self._graph("warp").memory, self._graph("rectify").memory) * min(_PART, height * width)
        each = self.network.network.spare + 2 * _CONTEXT + part // (height * width)
        return self.network.has_room(each, height, width)

    def _warped_whole(self, context: Value, motion: Value, kernel: Value) -> Value:
        """Return the whole context of one frame where the motion takes it from, [1, 196, H, W]."""
        height, width = motion.shape[2:]
        warped: Value | None = None
        for rows in spans(height, -(-height * width // _PART), Tiling(0, 1)):
            band = (slice(None), slice(None), slice(rows.begin, rows.end), slice(None))
            given = {"motion": part_of(motion, band), "kernel": part_of(kernel, band)}
            place = np.array([width, height, 0, rows.begin, 0, 0], np.float32)
            (found,) = self.network.run("warp", context=context, **given, place=place)
            if warped is None:
                warped = empty_beside(found, (1, context.shape[2], height, width))
            put_part(found, (slice(None),) * 4, warped, band)
        if warped is None:
            raise ValueError("a frame has no rows")
        return warped

    def _in_parts(self, known: Known) -> Pixels:
        """Return the frame between as ``between`` does, with the contexts of parts of the frames."""
        # Which parts of the frames are needed is told by motions, so all come to the machine's memory.
        here = {name: pixels_of(value) for name, value in known.items()}
        height, width = here["a"].shape[2:]
        # The warped context of one frame, and that of the other in the making from up to two pixels of its
        # own for each.
        rectify = self._graph("rectify")
        each = max(self._graph("warp").memory + 2 * _CONTEXT, rectify.memory)
        tiling = rectify.tiling or Tiling(0, 8)
        result = np.empty((1, 3, height, width), np.float32)
        for tile in self.network.tiles(tiling, each, height, width):
            part = {
                name: _read(here[name], tile) for name in ("a_motion", "b_motion", "a_kernel", "b_kernel")
            }
            for side in "ab":
                part[f"{side}_warped"] = self._warped(here, part, side, tile)
            between = pixels_of(self.network.run("rectify", **part, t=here["t"])[0])
            rows, columns = tile.rows, tile.columns
            result[:, :, rows.begin : rows.end, columns.begin : columns.end] = between[
                :, :, rows.begin - rows.first : rows.end - rows.first,
                columns.begin - columns.first : columns.end - columns.first,
            ]  # fmt: skip
        return result

    def _warped(
        self, known: Mapping[str, Pixels], part: Mapping[str, Pixels], side: str, tile: Tile
    ) -> Pixels:
        """Return the context of one frame where the motion of a tile takes it from, [1, 196, h, w]."""
        frame, depth = known[side], known[f"{side}_depth"]
        height, width = frame.shape[2:]
        motion, kernel = part[f"{side}_motion"], part[f"{side}_kernel"]
        pointed = corners(motion, tile, height, width)
        warped: Pixels | None = None
        for source in _sources(pointed, height, width, self._graph("context").tiling, 2 * tile.read):
            rows, columns = source.rows, source.columns
            inside = _within(pointed, source)
            if not inside.any():
                continue
            there = (
                slice(None),
                slice(None),
                slice(rows.first, rows.last),
                slice(columns.first, columns.last),
            )
            given = {"frame": frame[there], "depth": depth[there]}
            given = {name: np.ascontiguousarray(value) for name, value in given.items()}
            (context,) = self.network.run("context", **given)
            place = [width, height, tile.columns.first, tile.rows.first, columns.first, rows.first]
            (found,) = self.network.run(
                "warp", context=context, motion=motion, kernel=kernel, place=np.array(place, np.float32)
            )
            found = pixels_of(found)
            del context
            warped = found if warped is None or inside.all() else np.where(inside, found, warped)
        if warped is None:
            raise ValueError("no pixel of a tile points anywhere")
        return warped


def corners(motion: Pixels, tile: Tile, height: int, width: int) -> NDArray[np.int64]:
    """Return column and row of the pixel that each pixel of a tile reads around, [2, h, w].

    The same arithmetic, in float32, as in the graph: where the motion leaves the frame, or is half of it or
    more, a pixel reads itself.
    """
    across = np.arange(tile.columns.first, tile.columns.last, dtype=np.float32)
    down = np.arange(tile.rows.first, tile.rows.last, dtype=np.float32)
    own = np.stack(np.meshgrid(across, down))
    extent = np.array([width, height], np.float32).reshape(2, 1, 1)
    place = own + motion[0]
    valid = ((place >= 0) & (place <= extent - 1) & (np.abs(motion[0]) < extent / 2)).all(axis=0)
    return np.floor(np.where(valid, place, own)).astype(np.int64)


def _sources(
    pointed: NDArray[np.int64], height: int, width: int, tiling: Tiling | None, pixels: int
) -> Iterator[Tile]:
    """Yield parts of a frame that together hold all pixels pointed at, none of them much above ``pixels``."""
    overlap = tiling.overlap if tiling else 0
    (left, top), (right, bottom) = pointed.min(axis=(1, 2)), pointed.max(axis=(1, 2)) + 1
    longest = max(int(pixels**0.5), 1)
    tall, wide = int(bottom - top), int(right - left)
    down, across = (1, 1) if tall * wide <= pixels else (-(-tall // longest), -(-wide // longest))
    for rows in spans(tall, down, Tiling(0, 1)):
        for columns in spans(wide, across, Tiling(0, 1)):
            yield Tile(
                _around(rows.begin + int(top), rows.end + int(top), overlap, height),
                _around(columns.begin + int(left), columns.end + int(left), overlap, width),
            )


def _around(begin: int, end: int, overlap: int, length: int) -> Span:
    return Span(begin, end, max(begin - _BEFORE - overlap, 0), min(end + _AFTER + overlap, length))


def _within(pointed: NDArray[np.int64], source: Tile) -> NDArray[np.bool_]:
    x, y = pointed
    rows, columns = source.rows, source.columns
    return (rows.begin <= y) & (y < rows.end) & (columns.begin <= x) & (x < columns.end)


def _read(value: Pixels, tile: Tile) -> Pixels:
    rows, columns = tile.rows, tile.columns
    return np.ascontiguousarray(value[:, :, rows.first : rows.last, columns.first : columns.last])
