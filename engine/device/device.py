"""A device at work: three streams, and every use of an array ordered with every other by events."""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from threading import RLock
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...errors import BackendError
from .array import DeviceArray, Event
from .runtime import Runtime
from .transfers import Download, Staging, put_in

_log = logging.getLogger(__name__)


class Device:
    """The streams of a device, its memory, and the way in and out; usable while it is entered.

    Several threads may use it, of which one at a time works with an array that it writes. Nothing here waits
    for the device but ``Download.wait``, a fourth upload while three of its size and lane are under way, and
    leaving.

    Args:
        runtime: Of the device.

    Attributes:
        compute: The stream of the networks.
        arriving, leaving: The streams of uploads and downloads.
        is_open: Whether it is entered.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.compute = self.arriving = self.leaving = 0
        self._open = ExitStack()
        self.is_open = False
        self._events: list[int] = []  # all of them
        self._spare: list[int] = []  # those that nobody waits for
        self._arrays: weakref.WeakSet[DeviceArray] = weakref.WeakSet()
        self._lost: list[int] = []  # memory of which it is not known when it is free
        self._failure: BackendError | None = None
        # Who records an event is also the next to write down that it is the last use of an array. Whoever has
        # the lock may come back to it, since arrays are forgotten anywhere.
        self._lock = RLock()
        self.staging = Staging(self)

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            streams: list[int] = []
            for _ in range(3):
                streams.append(self.runtime.make_stream())
                opening.callback(self.runtime.destroy_stream, streams[-1])
            self.compute, self.arriving, self.leaving = streams
            opening.callback(self._destroy_events)
            self._open = opening.pop_all()
        self.is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all three streams and give everything back; arrays that are still held are of no use."""
        self.is_open = False
        failure, self._failure = self._failure, None
        try:
            self._close()
        except BackendError as told:
            failure = failure or told
        if failure is not None and error is None:
            raise failure
        if failure is not None:
            _log.debug("The device failed while it was closed, too: %s", failure)

    def empty(self, shape: Sequence[int], dtype: DTypeLike, *, stream: int | None = None) -> DeviceArray:
        """Return an array that nothing has been written to.

        Args:
            shape, dtype: As NumPy's.
            stream: That which writes it first; None: the networks'.

        Raises:
            OutOfMemoryError: The device has no room for it.
        """
        self.check()
        stream = self.compute if stream is None else stream
        kind: np.dtype[Any] = np.dtype(dtype)
        # One byte at least: an array without elements has an address too.
        pointer = self.runtime.allocate(max(math.prod(shape) * kind.itemsize, 1), stream)
        array = DeviceArray(self, pointer, shape, kind, stream=stream)
        self._arrays.add(array)
        return array

    @contextmanager
    def work(
        self, stream: int, *, reads: Iterable[DeviceArray] = (), writes: Iterable[DeviceArray] = ()
    ) -> Generator[int]:
        """Let the ``with`` block put work into a stream that reads and writes arrays.

        The stream first waits until what it reads is written, and what it writes is used by no other. The
        arrays may be forgotten right after the block.

        Raises:
            BackendError: Something that was put into a stream before has failed, too.
        """
        self.check()
        reads, writes = tuple(reads), tuple(writes)
        if any(array.pointer == 0 for array in (*reads, *writes)):
            raise BackendError("An array of a device that was closed is used.", "Please report this.")
        awaited = [self._beginning(array, stream) for array in (*reads, *writes)] + [
            event for array in writes for event in list(array.uses.values())
        ]
        for handle in {event.handle for event in awaited if event and event.stream != stream}:
            self.runtime.wait(stream, handle)
        try:
            yield stream
        finally:
            # After an error as well, since a part of the work may be in the stream.
            with self._lock:
                self._used(stream, reads, writes)

    def upload(self, pixels: NDArray[Any], dtype: DTypeLike | None = None, *, lane: int = 0) -> DeviceArray:
        """Return a copy of an array on the device, which arrives in time for whoever ``work``s with it.

        Args:
            pixels: May be changed as soon as this returns.
            dtype: What it is converted to; None: as it is.
            lane: Which one it is of several of one size that belong together, from 0.

        Raises:
            OutOfMemoryError: The device, or the machine, has no room for it.
        """
        return put_in(self, pixels, np.dtype(dtype or pixels.dtype), lane)

    def download(self, array: DeviceArray) -> Download:
        """Begin to copy an array to the machine's memory; its value now, whatever is written to it later."""
        return Download(self, array)

    def room(self) -> int:
        """Return how many bytes of the device's memory may be taken: four fifths of what is free."""
        self.check()
        free, _ = self.runtime.memory()
        return free * 4 // 5

    def record(self, stream: int) -> Event:
        """Return the moment when all that is in a stream so far is done."""
        try:
            handle = self._spare.pop()
        except IndexError:
            handle = self.runtime.make_event()
            self._events.append(handle)
        event = Event(handle, stream, self._spare)
        self.runtime.record(handle, stream)
        return event

    def check(self) -> None:
        """Raise what has gone wrong unseen, or that the device is not open."""
        if not self.is_open:
            raise BackendError("A device is used that is not open.", "Please report this.")
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def forget(self, array: DeviceArray) -> None:
        """Give an array's memory back once everything that uses it is done."""
        pointer, array.pointer = array.pointer, 0
        if not pointer:
            return
        stream = next(reversed(array.uses))
        try:
            for other, event in array.uses.items():
                if other != stream and event is not None:
                    self.runtime.wait(stream, event.handle)
            self.runtime.free(pointer, stream)
        except BackendError as error:  # to be raised where somebody can act on it
            self._lost.append(pointer)
            self._failure = self._failure or error

    def _close(self) -> None:
        """Wait for all that is under way and give everything back, whatever of it fails."""
        with self._open as closing:
            closing.callback(self.staging.close)
            for array in list(self._arrays):
                self._lose(array)
            for pointer in self._lost:
                closing.callback(self.runtime.free, pointer, self.compute)
            self._lost = []
            for stream in (self.compute, self.arriving, self.leaving):
                closing.callback(self._drain, stream)

    def _beginning(self, array: DeviceArray, stream: int) -> Event | None:
        """Return when an array has been written, or where it never was, when its memory is there."""
        if array.ready is not None:
            return array.ready
        home = next((other for other, event in list(array.uses.items()) if event is None), stream)
        if home != stream:
            array.used(self.record(home))
        return array.uses.get(home)

    def _lose(self, array: DeviceArray) -> None:
        """Keep an array's memory until the device is closed, since it is not known when it is free."""
        if array.pointer:
            self._lost.append(array.pointer)
        array.pointer = 0

    def _used(self, stream: int, reads: tuple[DeviceArray, ...], writes: tuple[DeviceArray, ...]) -> None:
        try:
            event = self.record(stream)
        except BackendError:
            for array in (*reads, *writes):
                self._lose(array)
            raise
        for array in reads:
            array.used(event)
        for array in writes:
            array.used(event, written=True)

    def _drain(self, stream: int) -> None:
        """Wait for a stream; what it tells may be of something earlier, and the wait is still to be done."""
        try:
            self.runtime.synchronise(self.record(stream).handle)
        except BackendError:
            self.runtime.synchronise(self.record(stream).handle)
            raise

    def _destroy_events(self) -> None:
        with ExitStack() as closing:
            for handle in self._events:
                closing.callback(self.runtime.destroy_event, handle)
        self._events, self._spare = [], []  # a new list: events that are forgotten later come to the old one
