"""What is done to pictures between the networks, as graphs that every backend runs.

Ingest and emit (planes of samples to RGB and back), padding, cropping, clipping, comparing, resizing, and
what DeOldify needs around its network. None has weights; what depends on the film, such as its matrix and
range, is an input. Samples of more than 8 bits come as their bytes, the lower first, since TensorRT has no
16-bit integers, and 8-bit ones only at the inputs and outputs of a graph (onnx-tensorrt, docs/operators.md
of 10.6).

RGB is [1, 3, H, W] in [0, 1]: float32, or float16 in the graphs of that precision, which compute in float32
all the same. Products of matrices lose that where a GPU is let use TF32, so only resizing has any.
"""

from __future__ import annotations

from dataclasses import dataclass

from .spec import Graph, Tensor

NAME = "pictures"
"""What the store calls these graphs."""

INGEST, EMIT = "ingest", "emit"
"""What the names of graphs from planes, and of graphs to planes, begin with."""

TO_RGB = (
    "black",
    "luma_span",
    "neutral",
    "chroma_span",
    "red_of_v",
    "green_of_u",
    "green_of_v",
    "blue_of_u",
    "top",
)
"""What the numbers are that say how planes become RGB; the first four and the last are code values."""

FROM_RGB = (
    "red",
    "green",
    "blue",
    "u_of_blue",
    "v_of_red",
    "luma_span",
    "black",
    "neutral",
    "top",
    "single_column",
    "single_row",
)
"""What the numbers are that say how RGB becomes planes: weights of luma, of chroma, code values, and whether
the last column or row of luma has no neighbour to share its chroma with (1 or 0)."""

_MEMORY = 80  # bytes for each pixel: all that is between input and output, were none of it reused


@dataclass(frozen=True, slots=True)
class Typed(Tensor):
    """A tensor that is of one type in the graphs of every precision."""

    kind: str = "float32"

    def dtype(self, precision: str) -> str:
        """Return what NumPy calls its type, whatever the precision."""
        return self.kind


@dataclass(frozen=True, slots=True)
class Planes:
    """How the planes of a film lie in memory, as far as graphs differ by it.

    Attributes:
        sampling: "420", "422", "440" or "444" (Y, U, V), "grey" (Y), "rgb" (R, G, B).
        between: Whether a chroma column lies between two of luma and not on the even ones; where there are
            half as many.
        deep: Whether a sample is two bytes, the lower first, and not one.
        joined: Whether the samples of U and V take turns in one plane, as hardware decoders have them.
    """

    sampling: str
    between: bool = False
    deep: bool = False
    joined: bool = False

    @property
    def name(self) -> str:
        """What the names of its graphs end with."""
        said = {"between": self.between, "deep": self.deep, "joined": self.joined}
        return "-".join([self.sampling, *(word for word, true in said.items() if true)])

    @property
    def half_width(self) -> bool:
        return self.sampling in ("420", "422")

    @property
    def half_height(self) -> bool:
        return self.sampling in ("420", "440")

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The planes, uint8, [1, 1, rows, columns], and 2 for U and V, and 2 for the bytes of a sample.

        h and w are half of H and W, rounded up.
        """
        bytes_ = (2,) if self.deep else ()
        if self.sampling == "rgb":
            return tuple(Typed(name, (1, 1, "H", "W", *bytes_), kind="uint8") for name in "rgb")
        luma = Typed("y", (1, 1, "H", "W", *bytes_), kind="uint8")
        if self.sampling == "grey":
            return (luma,)
        size = ("h" if self.half_height else "H", "w" if self.half_width else "W")
        if self.joined:
            return luma, Typed("uv", (1, 1, *size, 2, *bytes_), kind="uint8")
        return luma, *(Typed(name, (1, 1, *size, *bytes_), kind="uint8") for name in "uv")


def _every_layout() -> tuple[Planes, ...]:
    layouts: list[Planes] = []
    for sampling in ("420", "422", "440", "444", "grey", "rgb"):
        for between in (False, True) if sampling in ("420", "422") else (False,):
            layouts += [Planes(sampling, between, deep) for deep in (False, True)]
    return tuple(layouts)


WRITTEN = _every_layout()
"""The layouts that RGB is turned into."""

READ = (
    *WRITTEN,
    *(Planes("420", between, deep, joined=True) for between in (False, True) for deep in (False, True)),
)
"""The layouts that are turned into RGB."""


def ingest(planes: Planes) -> Graph:
    """Return the graph from the planes of a picture to RGB, clipped."""
    return Graph(
        f"{INGEST}-{planes.name}",
        (*planes.tensors, Typed("numbers", (len(TO_RGB),))),
        (Tensor("pixels", (1, 3, "H", "W")),),
        _MEMORY,
    )


def emit(planes: Planes) -> Graph:
    """Return the graph from RGB, which it clips, to the planes of a picture, rounded half to even.

    Where chroma is halved, the graph is given which row or column of luma is the second of the two that share
    a sample, the last one again where it has none.
    """
    seconds = (
        *([Typed("rows", ("h",), kind="int32")] if planes.half_height else []),
        *([Typed("columns", ("w",), kind="int32")] if planes.half_width else []),
    )
    return Graph(
        f"{EMIT}-{planes.name}",
        (Tensor("pixels", (1, 3, "H", "W")), Typed("numbers", (len(FROM_RGB),)), *seconds),
        planes.tensors,
        _MEMORY,
    )


_PIXELS = Tensor("pixels", (1, 3, "H", "W"))
_ROWS, _COLUMNS = Typed("rows", ("h",), kind="int32"), Typed("columns", ("w",), kind="int32")
_PART = Tensor("part", (1, 3, "h", "w"))

PLACE = Graph("place", (_PIXELS, _ROWS, _COLUMNS), (_PART,), _MEMORY)
"""The rows and columns of a picture that are named, in that order, as often as they are named: to pad it by
its edges, to crop it, to mirror it. Places and not widths, since the ``pads`` of ONNX's Pad would have to lie
in the machine's memory: TensorRT must know them before it runs."""

FINISH = Graph("finish", (_PIXELS, _ROWS, _COLUMNS), (_PART,), _MEMORY)
"""The same, clipped to [0, 1]: a picture without its padding, as a network gave it."""

SAME = Graph(
    "same", (_PIXELS, Tensor("other", (1, 3, "H", "W"))), (Typed("same", (1,), kind="uint8"),), _MEMORY
)
"""Whether two pictures of one size are equal to the last bit, 1 or 0."""

LOOK = Graph(
    "look",
    (_PIXELS, Typed("vertical", ("s", "H")), Typed("horizontal", ("W", "s"))),
    (Tensor("picture", (1, 3, "s", "s")),),
    _MEMORY,
)
"""What DeOldify looks at: the luma of a picture, resized to a square by two matrices, and normalised."""

MERGE = Graph(
    "merge",
    (
        _PIXELS,
        Tensor("coloured", (1, 3, "s", "s")),
        Typed("vertical", ("H", "s")),
        Typed("horizontal", ("s", "W")),
    ),
    (Tensor("merged", (1, 3, "H", "W")),),
    _MEMORY,
)
"""The luma of a picture with the chroma of what DeOldify gave, resized back by two matrices; clipped."""

RESIZE = Graph(
    "resize",
    (_PIXELS, Typed("vertical", ("h", "H")), Typed("horizontal", ("W", "w"))),
    (Tensor("resized", (1, 3, "h", "w")),),
    _MEMORY,
)
"""A picture in another size, by two matrices; clipped."""


TRANSPOSE = Graph("transpose", (_PIXELS,), (Tensor("part", (1, 3, "W", "H")),), _MEMORY)
"""A picture whose rows are the columns of another: with ``PLACE``, which mirrors, it sets one upright."""

THUMBNAIL = Graph(
    "thumbnail",
    (_PIXELS, Typed("vertical", ("h", "H")), Typed("horizontal", ("W", "w"))),
    (Typed("thumbnail", ("h", "w")),),
    _MEMORY,
)
"""The luma of a picture, averaged down by two matrices: what cuts are told from."""

BLOCK = 8
"""Pixels a side of what ``DIFFERENCE`` averages over."""

DIFFERENCE = Graph(
    "difference",
    (_PIXELS, Tensor("other", (1, 3, "H", "W"))),
    (Typed("difference", (1,)),),
    _MEMORY,
)
"""By how much the blocks of two pictures differ at most, each on average: what held frames are told from.
Pictures have a whole block at least."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Graphs that are kept as those of a network are, without being one."""

    name: str
    graphs: tuple[Graph, ...]

    def graph(self, name: str) -> Graph:
        """Return the graph of that name; KeyError where there is none."""
        for graph in self.graphs:
            if graph.name == name:
                return graph
        raise KeyError(name)


PICTURES = Pictures(
    NAME,
    (
        *(ingest(planes) for planes in READ),
        *(emit(planes) for planes in WRITTEN),
        *(PLACE, FINISH, SAME, LOOK, MERGE, RESIZE, TRANSPOSE, THUMBNAIL, DIFFERENCE),
    ),
)
