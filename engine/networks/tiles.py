"""Frames in parts: what a graph takes of memory bounds the part of a frame that it is given at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import cast

import numpy as np

from ...models.spec import Graph, Tensor, Tiling
from ..device.array import Pixels, Value, pixels_of
from ..device.parts import empty_beside, part_of, put_part

_LEAST = 32  # pixels: parts that give less than this each way would be nearly all overlap

Run = Callable[..., tuple[Value, ...]]
"""``run(input=array, ...)`` runs one graph and returns its outputs in order."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one side of a frame: what is given, and what is read for it, in pixels of the frame."""

    begin: int
    end: int
    first: int
    last: int

    @property
    def read(self) -> int:
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a frame."""

    rows: Span
    columns: Span

    @property
    def read(self) -> int:
        """How many pixels are read."""
        return self.rows.read * self.columns.read


def spans(length: int, count: int, tiling: Tiling) -> tuple[Span, ...]:
    """Cut a side into parts as equal as the multiple allows, each with the overlap around it."""
    units = -(-length // tiling.multiple)
    overlap = -(-tiling.overlap // tiling.multiple) * tiling.multiple
    edges = [min(units * i // count * tiling.multiple, length) for i in range(count + 1)]
    return tuple(
        Span(begin, end, max(begin - overlap, 0), min(end + overlap, length))
        for begin, end in pairwise(edges)
    )


@lru_cache(maxsize=64)
def tiles(height: int, width: int, tiling: Tiling, pixels: int) -> tuple[Tile, ...]:
    """Cut a frame into parts of which none reads more than ``pixels``, in the cheapest way.

    The whole frame is one part where it fits. Where even the smallest parts read more, they are given
    nevertheless; ``Tile.read`` tells.
    """
    if height * width <= pixels:
        return (Tile(*(Span(0, side, 0, side) for side in (height, width))),)
    choices: list[tuple[bool, int, tuple[Span, ...], tuple[Span, ...]]] = []
    for down in range(1, max(height // _LEAST, 1) + 1):
        rows = spans(height, down, tiling)
        tallest = max(row.read for row in rows)
        for across in range(1, max(width // _LEAST, 1) + 1):
            columns = spans(width, across, tiling)
            largest = tallest * max(column.read for column in columns)
            if largest <= pixels:
                cost = sum(row.read for row in rows) * sum(column.read for column in columns)
                choices.append((True, cost, rows, columns))
                break  # more parts across would only cost more
            choices.append((False, largest, rows, columns))
    fitting = [choice for choice in choices if choice[0]]
    _, _, rows, columns = min(fitting or choices, key=lambda choice: choice[1])
    return tuple(Tile(row, column) for row in rows for column in columns)


def in_tiles(
    run: Run, graph: Graph, inputs: Mapping[str, Value], parts: tuple[Tile, ...]
) -> tuple[Value, ...]:
    """Run a graph on one part of its inputs after the other, and return its outputs as of the whole.
    An output without height and width says something of the whole, of which the largest counts; it comes
    to the machine's memory.
    """
    if len(parts) == 1:
        return run(**inputs)
    ends = parts[-1].rows.end, parts[-1].columns.end
    whole = Tile(*(Span(0, end, 0, end) for end in ends))
    tensors = {tensor.name: tensor for tensor in graph.inputs}
    outputs: list[Value] = []
    for tile in parts:
        given = {name: _read(tensors[name], value, tile) for name, value in inputs.items()}
        results = run(**given)
        if not outputs:
            outputs = [
                np.full(shape_of(tensor, whole), -np.inf, np.float32)
                if _is_figure(tensor)
                else empty_beside(result, shape_of(tensor, whole))
                for tensor, result in zip(graph.outputs, results, strict=True)
            ]
        for tensor, value, output in zip(graph.outputs, results, outputs, strict=True):
            _put(tensor, value, output, tile)
    return tuple(outputs)


def size_of(graph: Graph, inputs: Mapping[str, Value]) -> tuple[int, int] | None:
    """Return height and width of the frame that a graph's inputs are of; None where they do not say."""
    for tensor in graph.inputs:
        found: dict[str, int] = {}
        for side, length in zip(tensor.shape, inputs[tensor.name].shape, strict=True):
            if isinstance(side, str) and (letter := letter_of(side)) in "HW":
                times, over = scale_of(side)
                found[letter] = length * over // times
        if len(found) == 2:
            return found["H"], found["W"]
    return None


def letter_of(side: str) -> str:
    """Return the symbol in a symbolic side such as ``"H/4"`` or ``"4*H"``."""
    return side.removeprefix("4*")[0]


def scale_of(side: str) -> tuple[int, int]:
    """Return the numerator and the denominator of a symbolic side such as ``"H/4"`` or ``"4*H"``."""
    if "*" in side:
        return int(side.split("*")[0]), 1
    return 1, int(side.split("/")[1]) if "/" in side else 1


def _sides(tensor: Tensor, tile: Tile) -> Iterator[tuple[Span, int, int] | None]:
    """Yield, for each axis of a tensor, the tile's span along it and its scale, or None."""
    for side in tensor.shape:
        if isinstance(side, int):
            yield None
        else:
            yield tile.rows if letter_of(side) == "H" else tile.columns, *scale_of(side)


def _read(tensor: Tensor, value: Value, tile: Tile) -> Value:
    """Return the part of an input that a tile reads."""
    place = tuple(
        slice(None)
        if side is None
        else slice(side[0].first * side[1] // side[2], side[0].last * side[1] // side[2])
        for side in _sides(tensor, tile)
    )
    return part_of(value, place)


def shape_of(tensor: Tensor, tile: Tile) -> tuple[int, ...]:
    """Return the shape of a tensor for what is given of a tile."""
    shape: list[int] = []
    for length, side in zip(tensor.shape, _sides(tensor, tile), strict=True):
        if side is not None:
            span, times, over = side
            length = (span.end - span.begin) * times // over
        shape.append(int(length))
    return tuple(shape)


def _put(tensor: Tensor, value: Value, output: Value, tile: Tile) -> None:
    """Put what a tile gave to its place."""
    if _is_figure(tensor):
        figure = cast(Pixels, output)
        np.maximum(figure, pixels_of(value), out=figure)
        return
    there: list[slice] = []
    here: list[slice] = []
    for side in _sides(tensor, tile):
        if side is None:
            there.append(slice(None))
            here.append(slice(None))
        else:
            span, times, over = side
            begin, end, first = (x * times // over for x in (span.begin, span.end, span.first))
            there.append(slice(begin, end))
            here.append(slice(begin - first, end - first))
    put_part(value, tuple(here), output, tuple(there))


def _is_figure(tensor: Tensor) -> bool:
    return all(isinstance(side, int) for side in tensor.shape)
