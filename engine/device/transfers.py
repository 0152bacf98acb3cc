"""The way into a device's memory and out of it: through pinned memory, which is used again and again."""

from __future__ import annotations

import ctypes
import math
from collections import deque
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError
from .array import DeviceArray, DType, Event

if TYPE_CHECKING:
    from .device import Device

UNDER_WAY = 3
"""Copies of one size that may be under way: one is copied, one waits, one is being filled."""

_PAGE = 4096

Item = TypeVar("Item")


class Pinned:
    """Memory of the machine that the device copies from and to by itself.

    Attributes:
        pointer, size: Where it lies, and its bytes.
        lane: See ``Staging.take``.
        busy: The end of the copy that uses it; None: there is none.
    """

    __slots__ = ("busy", "lane", "pointer", "size")

    def __init__(self, pointer: int, size: int, lane: int) -> None:
        self.pointer = pointer
        self.size = size
        self.lane = lane
        self.busy: Event | None = None

    def array(self, shape: tuple[int, ...], dtype: DType) -> NDArray[Any]:
        """Return an array that lies in it, from its beginning."""
        memory: Any = (ctypes.c_char * self.size).from_address(self.pointer)
        return np.frombuffer(memory, dtype, math.prod(shape)).reshape(shape)


class Staging:
    """Pinned memory by its size. To pin it takes long, so it is kept until the device is closed."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._all: list[Pinned] = []
        self._idle: dict[tuple[int, int], list[Pinned]] = {}
        self._lock = RLock()

    def take(self, size: int, lane: int = 0) -> Pinned:
        """Return pinned memory that no copy uses any more, waiting for one where ``UNDER_WAY`` do.

        Args:
            size: Bytes.
            lane: Of several copies of one size that belong together each has its own, to wait for none.

        Raises:
            OutOfMemoryError: The machine has no memory left that can be pinned.
        """
        with self._lock:
            return self._taken(-(-max(size, 1) // _PAGE) * _PAGE, lane)

    def put_back(self, pinned: Pinned, busy: Event | None) -> None:
        """Keep pinned memory for another copy, which waits for the end of this one."""
        pinned.busy = busy
        idle = self._idle.get((pinned.size, pinned.lane))
        if idle is not None:  # not after it was closed
            idle.append(pinned)

    def close(self) -> None:
        """Give all of it back; no copy may be under way any more."""
        pieces, self._all = self._all, []
        self._idle.clear()
        with ExitStack() as closing:
            for pinned in pieces:
                closing.callback(self._device.runtime.free_pinned, pinned.pointer)

    def _taken(self, size: int, lane: int) -> Pinned:
        idle = self._idle.setdefault((size, lane), [])
        for pinned in idle:
            if pinned.busy is None or self._device.runtime.has_happened(pinned.busy.handle):
                break
        else:
            if len(idle) < UNDER_WAY:
                self._all.append(Pinned(self._device.runtime.allocate_pinned(size), size, lane))
                return self._all[-1]
            pinned = idle[0]  # the one whose copy was the first
            assert pinned.busy is not None
            self._device.runtime.synchronise(pinned.busy.handle)
        pinned.busy = None
        idle.remove(pinned)
        return pinned


def put_in(device: Device, pixels: NDArray[Any], dtype: DType, lane: int) -> DeviceArray:
    """Begin to copy an array to a device (see ``Device.upload``)."""
    array = device.empty(pixels.shape, dtype, stream=device.arriving)
    # Should anything fail from here on, the pinned memory is not used again until the device is closed.
    pinned = device.staging.take(array.nbytes, lane)
    np.copyto(pinned.array(array.shape, dtype), pixels, casting="same_kind")
    with device.work(device.arriving, writes=[array]) as stream:
        device.runtime.copy_in(array.pointer, pinned.pointer, array.nbytes, stream)
    device.staging.put_back(pinned, array.ready)
    return array


class Download:
    """An array on its way from a device (see ``Device.download``)."""

    def __init__(self, device: Device, array: DeviceArray) -> None:
        self._device = device
        self._shape, self._dtype = array.shape, array.dtype
        self._pinned: Pinned | None = None
        device.check()
        pinned = device.staging.take(array.nbytes)
        with device.work(device.leaving, reads=[array]) as stream:
            device.runtime.copy_out(pinned.pointer, array.pointer, array.nbytes, stream)
        self._done = array.uses[device.leaving]
        self._pinned = pinned

    def wait(self) -> NDArray[Any]:
        """Return the array when it is there; a second call is an error.

        Raises:
            BackendError: The copy, or whatever was to be done before it, has failed.
        """
        pinned, self._pinned = self._pinned, None
        if pinned is None or self._done is None or not self._device.is_open:
            raise BackendError(
                "What was downloaded from a device is not there any more.", "Please report this."
            )
        self._device.runtime.synchronise(self._done.handle)
        value = pinned.array(self._shape, self._dtype).copy()
        self._device.staging.put_back(pinned, None)
        return value

    def __del__(self) -> None:
        if self._pinned is not None:
            self._device.staging.put_back(self._pinned, self._done)


def in_flight(downloads: Iterable[Download], most: int = UNDER_WAY - 1) -> Generator[NDArray[Any]]:
    """Give what downloads bring, each once so many more are begun, so that the device is not kept waiting.

    While one is waited for here, the device has the next to compute and those after that to take in.
    """
    return (download.wait() for download in held_back(downloads, most))


def held_back(items: Iterable[Item], most: int) -> Generator[Item]:
    """Give items, each once so many more were made; an error comes after all that were made before it."""
    coming: deque[Item] = deque()
    making, failure = iter(items), None
    while True:
        try:
            coming.append(next(making))
        except StopIteration:
            break
        except Exception as error:
            failure = error
            break
        if len(coming) > most:
            yield coming.popleft()
    while coming:
        yield coming.popleft()
    if failure is not None:
        raise failure
