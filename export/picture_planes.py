"""The graphs between the planes of a film and RGB.

They compute what ``engine/pixels/colour.py`` does, in its order of operations, so that float32 gives the
same to the last bit. Only operators on single values and moves of them: a GPU may compute products of
matrices, and convolutions, with fewer digits. A sample of two bytes is put together, and taken apart, in
float32, which holds 24 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..models.pictures import FROM_RGB, TO_RGB, Planes, emit, ingest
from .picture_nodes import END, Nodes

if TYPE_CHECKING:
    import onnx

_ROW, _COLUMN = 2, 3  # axes


def ingest_model(planes: Planes, precision: str) -> onnx.ModelProto:
    """Return the graph from planes to RGB (see ``models.pictures.ingest``)."""
    nodes = Nodes(ingest(planes), precision)
    number = _numbers(nodes, TO_RGB)
    if planes.sampling == "rgb":
        scaled = [nodes.add("Div", _codes(nodes, name, planes), number("top")) for name in "rgb"]
        nodes.write(nodes.joined(1, *scaled), "pixels")
        return nodes.model()
    luma = nodes.add("Sub", _codes(nodes, "y", planes), number("black"))
    luma = nodes.add("Div", luma, number("luma_span"))
    if planes.sampling == "grey":
        luma = nodes.unit(luma)
        nodes.write(nodes.joined(1, luma, luma, luma), "pixels")
        return nodes.model()
    u, v = (
        nodes.add("Div", nodes.add("Sub", codes, number("neutral")), number("chroma_span"))
        for codes in _chroma(nodes, planes)
    )
    u, v = (_enlarged(nodes, plane, planes, like=luma) for plane in (u, v))
    red = nodes.add("Add", luma, nodes.add("Mul", v, number("red_of_v")))
    green = nodes.add("Sub", luma, nodes.add("Mul", u, number("green_of_u")))
    green = nodes.add("Sub", green, nodes.add("Mul", v, number("green_of_v")))
    blue = nodes.add("Add", luma, nodes.add("Mul", u, number("blue_of_u")))
    nodes.write(nodes.unit(nodes.joined(1, red, green, blue)), "pixels")
    return nodes.model()


def emit_model(planes: Planes, precision: str) -> onnx.ModelProto:
    """Return the graph from RGB to planes (see ``models.pictures.emit``)."""
    nodes = Nodes(emit(planes), precision)
    number = _numbers(nodes, FROM_RGB)
    pixels = nodes.unit(nodes.read("pixels"))
    red, green, blue = (nodes.sliced(pixels, 1, channel, channel + 1) for channel in range(3))
    if planes.sampling == "rgb":
        for name, channel in (("r", red), ("g", green), ("b", blue)):
            _write(nodes, nodes.add("Mul", channel, number("top")), name, planes, number)
        return nodes.model()
    luma = nodes.add("Mul", red, number("red"))
    luma = nodes.add("Add", luma, nodes.add("Mul", green, number("green")))
    luma = nodes.add("Add", luma, nodes.add("Mul", blue, number("blue")))
    scaled = nodes.add("Add", nodes.add("Mul", luma, number("luma_span")), number("black"))
    _write(nodes, scaled, "y", planes, number)
    if planes.sampling == "grey":
        return nodes.model()
    for name, channel, scale in (("u", blue, "u_of_blue"), ("v", red, "v_of_red")):
        chroma = nodes.add("Mul", nodes.add("Sub", channel, luma), number(scale))
        chroma = nodes.add("Add", _reduced(nodes, chroma, planes, number), number("neutral"))
        _write(nodes, chroma, name, planes, number)
    return nodes.model()


def _numbers(nodes: Nodes, names: tuple[str, ...]) -> Callable[[str], str]:
    """Return what gives each of the numbers by its name."""
    found: dict[str, str] = {}

    def number(name: str) -> str:
        if name not in found:
            place = names.index(name)
            found[name] = nodes.sliced("numbers", 0, place, place + 1)
        return found[name]

    return number


def _codes(nodes: Nodes, name: str, planes: Planes) -> str:
    """Return the samples of a plane as float32, [1, 1, rows, columns]."""
    codes = nodes.cast(name, "float32")
    if not planes.deep:
        return codes
    low, high = _pair(nodes, codes, -1)
    return nodes.add("Add", nodes.add("Mul", high, nodes.constant(256.0)), low)


def _chroma(nodes: Nodes, planes: Planes) -> tuple[str, str]:
    if planes.joined:
        return _pair(nodes, _codes(nodes, "uv", planes), -1)
    return _codes(nodes, "u", planes), _codes(nodes, "v", planes)


def _pair(nodes: Nodes, both: str, axis: int) -> tuple[str, str]:
    """Return what is first and what is second along an axis of two."""
    first, second = (nodes.add("Gather", both, nodes.constant(place, "int64"), axis=axis) for place in (0, 1))
    return first, second


def _write(nodes: Nodes, values: str, name: str, planes: Planes, number: Callable[[str], str]) -> None:
    """Make a plane of the output of values that are not yet whole numbers."""
    codes = nodes.clipped(nodes.add("Round", values), nodes.constant(0.0), number("top"))
    if planes.deep:
        high = nodes.add("Floor", nodes.add("Mul", codes, nodes.constant(1 / 256)))
        low = nodes.add("Sub", codes, nodes.add("Mul", high, nodes.constant(256.0)))
        codes = _paired(nodes, low, high)
    nodes.write(codes, name)


def _enlarged(nodes: Nodes, plane: str, planes: Planes, *, like: str) -> str:
    """Return chroma with as many rows and columns as ``like``."""
    if planes.half_height:
        plane = nodes.add("Transpose", plane, perm=[0, 1, 3, 2])
        plane = nodes.add("Transpose", _doubled_between(nodes, plane), perm=[0, 1, 3, 2])
        plane = _shortened(nodes, plane, _ROW, like)
    if planes.half_width:
        plane = (_doubled_between if planes.between else _doubled_on_even)(nodes, plane)
        plane = _shortened(nodes, plane, _COLUMN, like)
    return plane


def _shortened(nodes: Nodes, plane: str, axis: int, like: str) -> str:
    """Return a plane that is as long as another, of whose odd length one too many was made."""
    length = nodes.sliced(nodes.add("Shape", like), 0, axis, axis + 1)
    first, along = nodes.constant([0], "int64"), nodes.constant([axis], "int64")
    return nodes.add("Slice", plane, first, length, along)


def _reduced(nodes: Nodes, plane: str, planes: Planes, number: Callable[[str], str]) -> str:
    if planes.half_width:
        if planes.between:
            plane = _halved_between(nodes, plane, "columns", number("single_column"))
        else:
            plane = _halved_on_even(nodes, plane, "columns")
    if planes.half_height:
        plane = nodes.add("Transpose", plane, perm=[0, 1, 3, 2])
        plane = _halved_between(nodes, plane, "rows", number("single_row"))
        plane = nodes.add("Transpose", plane, perm=[0, 1, 3, 2])
    return plane


def _taking_turns(nodes: Nodes, even: str, odd: str) -> str:
    """Return the columns of two planes in turns."""
    return nodes.add("Reshape", _paired(nodes, even, odd), nodes.constant([0, 0, 0, -1], "int64"))


def _paired(nodes: Nodes, first: str, second: str) -> str:
    """Return two planes as one with a fifth axis of two."""
    axis = nodes.constant([4], "int64")
    return nodes.joined(4, nodes.add("Unsqueeze", first, axis), nodes.add("Unsqueeze", second, axis))


def _doubled_on_even(nodes: Nodes, plane: str) -> str:
    left, right = nodes.sliced(plane, _COLUMN, 0, -1), nodes.sliced(plane, _COLUMN, 1)
    between = nodes.add("Mul", nodes.add("Add", left, right), nodes.constant(0.5))
    return _taking_turns(nodes, plane, nodes.joined(_COLUMN, between, nodes.sliced(plane, _COLUMN, -1)))


def _doubled_between(nodes: Nodes, plane: str) -> str:
    near = nodes.add("Mul", plane, nodes.constant(0.75))
    far = nodes.add("Mul", plane, nodes.constant(0.25))
    even = nodes.add("Add", nodes.sliced(near, _COLUMN, 1), nodes.sliced(far, _COLUMN, 0, -1))
    odd = nodes.add("Add", nodes.sliced(near, _COLUMN, 0, -1), nodes.sliced(far, _COLUMN, 1))
    first, last = nodes.sliced(plane, _COLUMN, 0, 1), nodes.sliced(plane, _COLUMN, -1)
    return _taking_turns(nodes, nodes.joined(_COLUMN, first, even), nodes.joined(_COLUMN, odd, last))


def _even_and_odd(nodes: Nodes, plane: str, seconds: str) -> tuple[str, str]:
    """Return the even and the odd columns, as many of these; where one is missing the last comes again."""
    return nodes.sliced(plane, _COLUMN, 0, step=2), nodes.add("Gather", plane, seconds, axis=_COLUMN)


def _before(nodes: Nodes, plane: str, first: str) -> str:
    """Return for each column the one before it, and ``first`` for the first."""
    return nodes.joined(_COLUMN, nodes.sliced(first, _COLUMN, 0, 1), nodes.sliced(plane, _COLUMN, 0, -1))


def _after(nodes: Nodes, plane: str, last: str) -> str:
    """Return for each column the one after it, and ``last`` for the last."""
    return nodes.joined(_COLUMN, nodes.sliced(plane, _COLUMN, 1), nodes.sliced(last, _COLUMN, -1))


def _halved_on_even(nodes: Nodes, plane: str, seconds: str) -> str:
    even, odd = _even_and_odd(nodes, plane, seconds)
    step = nodes.add("Sub", _after(nodes, even, even), even)
    missed = nodes.add("Sub", nodes.add("Sub", odd, even), nodes.add("Mul", step, nodes.constant(0.5)))
    missed = nodes.add("Mul", missed, nodes.constant(0.25))
    return nodes.add("Add", nodes.add("Add", even, missed), _before(nodes, missed, missed))


def _halved_between(nodes: Nodes, plane: str, seconds: str, single: str) -> str:
    even, odd = _even_and_odd(nodes, plane, seconds)
    quarter = nodes.constant(0.25)
    both = nodes.add("Mul", nodes.add("Add", even, odd), nodes.constant(0.75))
    before = nodes.add("Mul", _before(nodes, odd, even), quarter)
    after = nodes.add("Mul", _after(nodes, even, odd), quarter)
    halved = nodes.add("Sub", nodes.add("Sub", both, before), after)
    # The first column has no other before it: as on the CPU, what takes its place is subtracted last.
    other_way = nodes.add("Sub", nodes.add("Sub", both, after), before)
    halved = nodes.joined(
        _COLUMN, nodes.sliced(other_way, _COLUMN, 0, 1), nodes.sliced(halved, _COLUMN, 1, END)
    )
    # A last sample that stands alone: solve for it what the enlargement did.
    rest = nodes.add("Sub", even, nodes.add("Mul", _before(nodes, halved, halved), quarter))
    alone = nodes.add("Mul", rest, nodes.constant(4 / 3))
    last = nodes.add(
        "Where",
        nodes.add("Greater", single, nodes.constant(0.5)),
        nodes.sliced(alone, _COLUMN, -1),
        nodes.sliced(halved, _COLUMN, -1),
    )
    return nodes.joined(_COLUMN, nodes.sliced(halved, _COLUMN, 0, -1), last)
