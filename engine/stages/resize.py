"""The last stage: every frame brought to the size that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..device.array import Value
from ..pixels.frame import Frame
from ..pixels.operations import HostOperations, Operations


class Resize:
    """Resize every frame by itself; one that is the same array as the one before it only once.

    Args:
        height, width: Pixels.
        operations: What it is done with; None: in NumPy.
    """

    def __init__(self, *, height: int, width: int, operations: Operations | None = None) -> None:
        self._height = height
        self._width = width
        self._operations = operations or HostOperations()

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        last: tuple[Value, Value] | None = None
        for frame in frames:
            if last is None or frame.rgb is not last[0]:
                last = frame.rgb, self._operations.resized(frame.rgb, self._height, self._width)
            yield replace(frame, pixels=last[1])
