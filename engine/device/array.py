"""Arrays in a device's memory, and the moments in its streams by which their users wait for each other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .device import Device

DType = np.dtype[Any]
Pixels = NDArray[np.float32]


class Event:
    """A moment in a stream, shared by all who wait for it; its handle is used again when the last forgets it.

    Attributes:
        handle: The runtime's.
        stream: Where it was recorded.
    """

    __slots__ = ("_spare", "handle", "stream")

    def __init__(self, handle: int, stream: int, spare: list[int]) -> None:
        self.handle = handle
        self.stream = stream
        self._spare = spare

    def __del__(self) -> None:
        # Streams that were told to wait for it wait for the moment that it was recorded at then.
        self._spare.append(self.handle)


class DeviceArray:
    """An array in the memory of a device, C-contiguous; made by ``Device.empty`` and ``Device.upload``.

    It is written and read by what is put into streams within ``Device.work``, which has each wait for the
    others. When the last reference goes, its memory is given back to the device as soon as everything that
    uses it is done; nobody waits for that.

    Attributes:
        device: Whose memory it lies in.
        pointer: Address of its first byte; 0 after the device was closed.
        shape, dtype: As NumPy's.
        ready: When it has been written; None: nothing that writes it has been put into a stream.
    """

    __slots__ = ("__weakref__", "device", "dtype", "pointer", "ready", "shape", "uses")

    def __init__(
        self, device: Device, pointer: int, shape: Iterable[int], dtype: DType, *, stream: int
    ) -> None:
        self.device = device
        self.pointer = pointer
        self.shape = tuple(shape)
        self.dtype = dtype
        self.ready: Event | None = None
        # By stream, the end of its last use there; the latest last. None: it was allocated there.
        self.uses: dict[int, Event | None] = {stream: None}

    @property
    def size(self) -> int:
        """Count of its elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def used(self, event: Event, *, written: bool = False) -> None:
        """Remember that what its stream was given up to this moment uses the array."""
        self.uses.pop(event.stream, None)
        self.uses[event.stream] = event
        if written:
            self.ready = event

    def __repr__(self) -> str:
        return f"DeviceArray({self.shape}, {self.dtype})"

    def __del__(self) -> None:
        self.device.forget(self)


Value = Pixels | DeviceArray
"""What a graph is given and gives: in the machine's memory, or in that of the device that it runs on."""


def pixels_of(value: Value) -> Pixels:
    """Return a value in the machine's memory, in float32: itself, or a copy that is waited for.

    Raises:
        BackendError: What was to be done before it on the device has failed.
    """
    if not isinstance(value, DeviceArray):
        return value
    return value.device.download(value).wait().astype(np.float32, copy=False)
