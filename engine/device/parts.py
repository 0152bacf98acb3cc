"""Parts of arrays, wherever these are: slices in the machine's memory, copies of blocks on a device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from ...errors import BackendError
from .array import DeviceArray, Pixels, Value
from .runtime import Block

Place = tuple[slice, ...]
"""A slice for each axis, without steps, ends counted from the beginning or left out."""


def part_of(value: Value, place: Place) -> Value:
    """Return a part of an array, C-contiguous, where the array is; the array itself where it is all of it."""
    if not isinstance(value, DeviceArray):
        return np.ascontiguousarray(value[place])
    extents = _extents(value.shape, place)
    if extents == [(0, length) for length in value.shape]:
        return value
    part = value.device.empty([end - begin for begin, end in extents], value.dtype)
    _copy(value, [begin for begin, _ in extents], part, [0] * len(extents), part.shape)
    return part


def empty_beside(value: Value, shape: Sequence[int]) -> Value:
    """Return an array for other parts of the like, of its type, where it is."""
    if not isinstance(value, DeviceArray):
        return np.empty(shape, value.dtype)
    return value.device.empty(shape, value.dtype)


def put_part(value: Value, here: Place, whole: Value, there: Place) -> None:
    """Put a part of one array to its place in another; both are in the same memory."""
    if not isinstance(whole, DeviceArray):
        whole[there] = cast(Pixels, value)[here]
        return
    part = cast(DeviceArray, value)
    source, target = _extents(part.shape, here), _extents(whole.shape, there)
    lengths = [end - begin for begin, end in source]
    if lengths != [end - begin for begin, end in target]:
        raise ValueError(f"a part of shape {lengths} does not fit {there} of {whole}")
    _copy(part, [begin for begin, _ in source], whole, [begin for begin, _ in target], lengths)


def _extents(shape: Sequence[int], place: Place) -> list[tuple[int, int]]:
    return [piece.indices(length)[:2] for piece, length in zip(place, shape, strict=True)]


def _copy(
    source: DeviceArray,
    first: Sequence[int],
    target: DeviceArray,
    to: Sequence[int],
    lengths: Sequence[int],
) -> None:
    """Put a copy of a box into the networks' stream: whole but along one axis, or two that are neighbours.

    Raises:
        BackendError: It is a box of another kind.
    """
    if not math.prod(lengths):
        return
    cut = [
        axis
        for axis, length in enumerate(lengths)
        if length != source.shape[axis] or length != target.shape[axis]
    ]
    column = cut[-1] if cut else len(lengths) - 1
    row = column - 1
    if cut and cut[0] < row:
        raise BackendError(
            f"A part of {list(source.shape)} cannot be copied to {list(target.shape)} at once.",
            "Please report this.",
        )
    inner = source.dtype.itemsize * math.prod(lengths[column + 1 :])
    pitches = [array.shape[column] * inner for array in (source, target)]
    planes = [array.shape[row] if row >= 0 else 1 for array in (source, target)]
    starts = [
        at[column] * inner + (at[row] * pitch if row >= 0 else 0)
        for at, pitch in zip((first, to), pitches, strict=True)
    ]
    block = Block(
        target=target.pointer + starts[1],
        target_pitch=pitches[1],
        target_plane=planes[1],
        source=source.pointer + starts[0],
        source_pitch=pitches[0],
        source_plane=planes[0],
        width=lengths[column] * inner,
        height=lengths[row] if row >= 0 else 1,
        depth=math.prod(lengths[: max(row, 0)]),
    )
    device = source.device
    with device.work(device.compute, reads=[source], writes=[target]) as stream:
        device.runtime.copy_block(block, stream)
