"""Which frames an engine takes: from ``--size`` to the shapes of every input of a graph.

An engine is built for one size of frames, and takes all smaller ones: the film's own frames run at the size
that its kernels were chosen for, and parts of frames, where memory is short, run too. Several sizes are
several engines, and not several profiles in one: a size can be added without building the others anew, and
a run loads only the one that it uses. What an engine takes of memory follows from the frames that it is
given, not from the largest that it would take (see ``engine.backends.tensorrt``), so a wide range costs
none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .spec import Graph, Kind, Network, Tensor

Size = tuple[int, int]
"""Height and width, pixels."""

_LEAST = 8  # pixels a side; parts of large frames can be as narrow
# Without --size: most old film is scanned for television or less. At 1920x1088 the largest map of EDVR has
# 64 x 4352 x 7680 values, just below the 2**31 that many of TensorRT's kernels can count.
_USUAL: Size = (480, 640)
_MOST: Size = (1088, 1920)
# DeOldify looks at a square, whatever the film: render factors up to 64, built for PaddleGAN's 32.
_SQUARE, _LARGEST_SQUARE = 512, 1024


@dataclass(frozen=True, slots=True)
class FrameRange:
    """Frames as a network takes them: the size that an engine is built for, and the largest sides."""

    usual: Size
    most: Size


@dataclass(frozen=True, slots=True)
class InputRange:
    """Shapes of one input: the smallest, the one that an engine is built for, and the largest."""

    name: str
    least: tuple[int, ...]
    usual: tuple[int, ...]
    most: tuple[int, ...]

    def covers(self, shape: Sequence[int]) -> bool:
        """Tell whether a shape lies between the smallest and the largest."""
        sides = zip(self.least, shape, self.most, strict=True)
        return len(shape) == len(self.least) and all(least <= side <= most for least, side, most in sides)


def frame_ranges(network: Network, sizes: Iterable[Size] = ()) -> tuple[FrameRange, ...]:
    """Return what engines of a network are built for, one of each for every size of a film.

    Args:
        sizes: (height, width) of films; none: one range that most films fit into.
    """
    if network.kind is Kind.COLOURISE:
        return (FrameRange((_SQUARE, _SQUARE), (_LARGEST_SQUARE, _LARGEST_SQUARE)),)
    wanted = [(size, size) for size in dict.fromkeys(sizes)] or [(_USUAL, _MOST)]
    found = (
        FrameRange(_padded(network, usual), _as_paddlegan(network, _padded(network, most)))
        for usual, most in wanted
    )
    return tuple(dict.fromkeys(found))


def _padded(network: Network, size: Size) -> Size:
    height, width = (side + -side % network.multiple for side in size)
    return height, width


def _as_paddlegan(network: Network, size: Size) -> Size:
    """Return the size with the padding that ``--parity ppgan`` has: to 128, and 32 at both ends if it is."""
    if network.kind is not Kind.INTERPOLATE:
        return size
    height, width = (side + (-side % 128 or 64) for side in size)
    return height, width


def input_ranges(network: Network, graph: Graph, frames: FrameRange) -> tuple[InputRange, ...]:
    """Return the shapes of all inputs of a graph for a range of frames, in their order."""
    multiple = _multiple(network, graph)
    least = [min(_LEAST + -_LEAST % multiple, side) for side in frames.usual]
    return tuple(
        InputRange(
            tensor.name,
            shape_at(tensor, *least),
            shape_at(tensor, *frames.usual),
            shape_at(tensor, *frames.most),
        )
        for tensor in graph.inputs
    )


def _multiple(network: Network, graph: Graph) -> int:
    """Return what the sides of the smallest frames must be multiples of, for the graph to make sense."""
    sides = [side for tensor in graph.inputs for side in tensor.shape if isinstance(side, str)]
    if any(_symbol(side).islower() for side in sides):
        whole = 1  # sizes of its own: its stage gives it parts of any height
    else:
        whole = network.multiple if graph.tiling is None else graph.tiling.multiple
    return math.lcm(whole, *(_scale(side)[1] for side in sides))


def shape_at(tensor: Tensor, height: int, width: int) -> tuple[int, ...]:
    """Return the shape of a tensor for frames of this size; a count of frames (``N``) is one.

    Raises:
        ValueError: A side of it is none of this vocabulary, or does not come out whole.
    """
    sides = {"H": height, "W": width, "N": 1}
    shape: list[int] = []
    for side in tensor.shape:
        if isinstance(side, int):
            shape.append(side)
            continue
        times, over = _scale(side)
        letter = _letter(side)
        if letter not in sides or sides[letter] * times % over:
            raise ValueError(f"{tensor.name} has a side {side}, which {height}x{width} does not give.")
        shape.append(sides[letter] * times // over)
    return tuple(shape)


def frame_of(graph: Graph, shapes: Mapping[str, Sequence[int]]) -> Size | None:
    """Return the largest frames that inputs of these shapes may be of; None where they do not say."""
    found: dict[str, int] = {}
    for tensor in graph.inputs:
        for side, length in zip(tensor.shape, shapes.get(tensor.name, tensor.shape), strict=True):
            if isinstance(side, str) and isinstance(length, int):
                times, over = _scale(side)
                found[_letter(side)] = max(found.get(_letter(side), 0), length * over // times)
    return (found["H"], found["W"]) if {"H", "W"} <= found.keys() else None


def _symbol(side: str) -> str:
    return side.split("*")[-1].split("/")[0]


def _letter(side: str) -> str:
    # Two sizes that need not be the same, H and h, are taken for one: each may be as large.
    return _symbol(side).upper()


def _scale(side: str) -> tuple[int, int]:
    """Return the numerator and the denominator of a side such as ``"H/4"`` or ``"4*H"``."""
    times = int(side.split("*")[0]) if "*" in side else 1
    return times, int(side.split("/")[1]) if "/" in side else 1
