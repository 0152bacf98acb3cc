"""A device that is none: it runs what is put into its streams as late as it may, and finds misuse.

Memory is real, so that a network's arithmetic can be done in it. Every access is compared with all earlier
ones to the same memory: it must be ordered after those that it could disturb or be disturbed by, through its
own stream, an event that its stream waits for, or the host that has waited. Otherwise it is a hazard, on any
device and in any timing, though the bytes may happen to be right.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from reel.engine.device.runtime import Block
from reel.errors import BackendError

HOST = 0  # the actor that is no stream
# What waits, or may, which ends a capture.
_NOT_WHILE_CAPTURED = ("synchronise", "has_happened", "allocate_pinned", "free_pinned", "destroy_stream")
POISON = 0xA5

Clock = dict[int, int]
"""By actor, how many of its operations are known to be done."""


class HazardError(AssertionError):
    """Something that goes wrong on a real device, sooner or later."""


@dataclass
class Operation:
    """What was put into a stream.

    Attributes:
        name, stream, place: What it is, where, and which one there, from 1.
        clock: What is done before it begins, itself included.
        begin, end: In made-up time.
        after: Operations of other streams to run first, by stream and place.
    """

    name: str
    stream: int
    place: int
    clock: Clock
    begin: float
    end: float
    after: list[tuple[int, int]]
    run: Callable[[], None]


@dataclass
class Region:
    """Memory of the device or, pinned, of the machine."""

    base: int
    memory: np.ndarray
    pinned: bool
    made: tuple[int, int] | None  # actor and place of what allocated it; None: the host
    written: tuple[int, int] | None = None
    read: list[tuple[int, int]] = field(default_factory=list)
    freed: bool = False

    def holds(self, pointer: int, size: int) -> bool:
        return self.base <= pointer and pointer + size <= self.base + self.memory.size


@dataclass
class Moment:
    """What an event was recorded at."""

    stream: int
    place: int
    clock: Clock
    time: float


@dataclass
class Stream:
    """What was put into a stream, how much of it has run, and what the next one waits for."""

    operations: list[Operation] = field(default_factory=list)
    done: int = 0
    clock: Clock = field(default_factory=dict)
    time: float = 0.0
    after: list[tuple[int, int]] = field(default_factory=list)


class FakeRuntime:
    """See ``reel.engine.device.runtime.Runtime``.

    Args:
        fail_at: The call, counted from 1, that fails.
        room: Bytes that the device has.
        lasts: How long each kind of operation takes, in made-up time.

    Attributes:
        calls: Names of all calls, in order.
        copied: Kind and bytes of each copy in or out, in order.
        ran: What ran, in order.
        now: Made-up time of the host, which takes none but to wait.
        fail_next: Name of the call that fails when it is made next.
    """

    def __init__(
        self, *, fail_at: int | None = None, room: int = 1 << 40, lasts: dict[str, float] | None = None
    ) -> None:
        self.calls: list[str] = []
        self.copied: list[tuple[str, int]] = []
        self.ran: list[Operation] = []
        self.hazards: list[str] = []
        self.now = 0.0
        self.fail_next: str | None = None
        self._fail_at = fail_at
        self._room = room
        self._lasts = lasts or {}
        self._host: Clock = {HOST: 0}
        self._streams: dict[int, Stream] = {}
        self._events: dict[int, Moment | None] = {}
        self._regions: list[Region] = []
        self._captures: dict[int, list[tuple[object, ...]] | None] = {}  # by stream; None: it failed
        self._graphs: dict[int, list[tuple[object, ...]]] = {}
        self._executables: dict[int, tuple[list[tuple[object, ...]], tuple[int, int] | None]] = {}
        self._refused: set[int] = set()  # what could not be given back because that call was made to fail
        self._number = 100

    # What reel calls

    def make_stream(self) -> int:
        self._called("make_stream")
        self._number += 1
        self._streams[self._number] = Stream()
        return self._number

    def destroy_stream(self, stream: int) -> None:
        self._called("destroy_stream", stream)
        self._stream(stream)
        self._captures.pop(stream, None)
        self._run_until(stream, len(self._streams[stream].operations))
        del self._streams[stream]

    def make_event(self) -> int:
        self._called("make_event")
        self._number += 1
        self._events[self._number] = None
        return self._number

    def destroy_event(self, event: int) -> None:
        self._called("destroy_event", event)
        self._event(event)
        del self._events[event]

    def record(self, event: int, stream: int) -> None:
        self._called("record")
        self._event(event)
        operation = self._put("record", stream, lambda: None)
        self._events[event] = Moment(stream, operation.place, operation.clock, operation.end)

    def wait(self, stream: int, event: int) -> None:
        self._called("wait")
        moment = self._event(event)
        found = self._stream(stream)
        if moment is None:
            self._hazard("a stream waits for an event that was never recorded")
        _join(found.clock, moment.clock)
        found.time = max(found.time, moment.time)
        found.after.append((moment.stream, moment.place))

    def synchronise(self, event: int) -> None:
        self._called("synchronise")
        moment = self._event(event)
        if moment is None:
            self._hazard("the host waits for an event that was never recorded")
        self._happen(moment)
        self.now = max(self.now, moment.time)

    def has_happened(self, event: int) -> bool:
        self._called("has_happened")
        moment = self._event(event)
        if moment is not None and moment.time > self.now:
            return False
        if moment is not None:
            self._happen(moment)
        return True

    def allocate(self, size: int, stream: int) -> int:
        self._called("allocate")
        self._stream(stream)
        used = sum(region.memory.size for region in self._regions if not (region.freed or region.pinned))
        if used + size > self._room:
            from reel.errors import OutOfMemoryError

            raise OutOfMemoryError("CUDA failed: out of memory.", "Take less.")
        region = self._region(size, pinned=False)
        operation = self._put("allocate", stream, lambda: None)
        region.made = operation.stream, operation.place
        return region.base

    def free(self, pointer: int, stream: int) -> None:
        self._called("free", pointer)
        region = self._found(pointer, 1, pinned=False)
        if region.base != pointer:
            self._hazard("an address inside of memory is freed")

        def poison() -> None:
            region.memory[:] = POISON

        operation = self._put("free", stream, poison)
        self._ordered(operation, [region.made, region.written, *region.read], "is freed")
        region.freed = True

    def allocate_pinned(self, size: int) -> int:
        self._called("allocate_pinned")
        return self._region(size, pinned=True).base

    def free_pinned(self, pointer: int) -> None:
        self._called("free_pinned", pointer)
        region = self._found(pointer, 1, pinned=True)
        for use in (region.written, *region.read):
            if use is not None and self._host.get(use[0], 0) < use[1]:
                self._hazard("pinned memory is freed before a copy that uses it is done")
        region.freed = True

    def copy_in(self, target: int, pinned: int, size: int, stream: int) -> None:
        self._called("copy_in")
        self.copied.append(("copy_in", size))
        self._found(pinned, size, pinned=True)
        self._found(target, size, pinned=False)
        self.kernel(
            stream, "copy_in", [], [(target, size)], lambda: ctypes.memmove(target, pinned, size), host=pinned
        )

    def copy_out(self, pinned: int, source: int, size: int, stream: int) -> None:
        self._called("copy_out")
        self.copied.append(("copy_out", size))
        self._found(pinned, size, pinned=True)
        self._found(source, size, pinned=False)
        self.kernel(
            stream,
            "copy_out",
            [(source, size)],
            [(pinned, size)],
            lambda: ctypes.memmove(pinned, source, size),
        )

    def copy_block(self, block: Block, stream: int) -> None:
        self._called("copy_block")

        def places(pointer: int, pitch: int, plane: int) -> list[int]:
            lines = [(z, y) for z in range(block.depth) for y in range(block.height)]
            return [pointer + (z * plane + y) * pitch for z, y in lines]

        sources = places(block.source, block.source_pitch, block.source_plane)
        targets = places(block.target, block.target_pitch, block.target_plane)
        if block.width > min(block.source_pitch, block.target_pitch):
            self._hazard("a row of a block is longer than from one row to the next")

        def copy() -> None:
            for source, target in zip(sources, targets, strict=True):
                ctypes.memmove(target, source, block.width)

        reads = [(block.source, sources[-1] + block.width - block.source)]
        writes = [(block.target, targets[-1] + block.width - block.target)]
        self.kernel(stream, "copy_block", reads, writes, copy)

    def begin_capture(self, stream: int) -> None:
        self._called("begin_capture")
        self._stream(stream)
        if self._captures:
            self._hazard("a stream is captured while another is")
        self._captures[stream] = []

    def end_capture(self, stream: int) -> int:
        if stream not in self._captures:
            self._hazard("a capture ends that was not begun")
        recorded = self._captures.pop(stream)
        self._called("end_capture")
        if recorded is None:
            raise BackendError("CUDA failed: the capture was invalidated.", "Nothing can be done.")
        self._number += 1
        self._graphs[self._number] = recorded
        return self._number

    def graph_nodes(self, graph: int) -> int:
        self._called("graph_nodes")
        return len(self._graphs[graph])

    def instantiate(self, graph: int) -> int:
        self._called("instantiate")
        self._number += 1
        self._executables[self._number] = (self._graphs[graph], None)
        return self._number

    def destroy_graph(self, graph: int) -> None:
        self._called("destroy_graph", graph)
        del self._graphs[graph]

    def launch(self, executable: int, stream: int) -> None:
        self._called("launch")
        if executable not in self._executables:
            self._hazard("something is launched that is not there")
        recorded, _ = self._executables[executable]
        for name, reads, writes, run in recorded:
            self.kernel(stream, name, reads, writes, run)
        self._executables[executable] = recorded, (stream, len(self._stream(stream).operations))

    def destroy_executable(self, executable: int) -> None:
        self._called("destroy_executable", executable)
        _, last = self._executables.pop(executable)
        if last is not None and self._host.get(last[0], 0) < last[1]:
            self._hazard("what was launched is given back before it is done")

    def memory(self) -> tuple[int, int]:
        self._called("memory")
        used = sum(region.memory.size for region in self._regions if not (region.freed or region.pinned))
        return self._room - used, self._room

    # What tests call

    def kernel(
        self,
        stream: int,
        name: str,
        reads: Iterable[tuple[int, int]],
        writes: Iterable[tuple[int, int]],
        run: Callable[[], object],
        *,
        host: int | None = None,
    ) -> None:
        """Put something into a stream that reads and writes memory, given by addresses and sizes."""
        self._stream(stream)
        if stream in self._captures:
            recorded = self._captures[stream]
            if recorded is not None:
                recorded.append((name, list(reads), list(writes), run))
            return
        sources = [self._found(pointer, size, pinned=False) for pointer, size in reads if size]
        sources += [self._found(host, 1, pinned=True)] if host is not None else []
        targets = [self._found(pointer, size, pinned=None) for pointer, size in writes]

        def work() -> None:
            run()

        operation = self._put(name, stream, work)
        use = operation.stream, operation.place
        for region in sources:
            if region.written is None and not region.pinned:
                self._hazard(f"{name} reads memory that nothing was written to")
            self._ordered(operation, [region.made, region.written], f"is read by {name}")
            region.read.append(use)
        for region in targets:
            earlier = [region.made, region.written, *(read for read in region.read if read != use)]
            self._ordered(operation, earlier, f"is written by {name}")
            region.written, region.read = use, []

    def is_capturing(self, stream: int) -> bool:
        return stream in self._captures

    def invalidate(self, stream: int) -> None:
        """Let what is recorded in a stream be of no use, as what cannot be recorded makes it."""
        self._captures[stream] = None

    def run_all(self) -> None:
        """Run whatever was put into any stream."""
        for stream, found in self._streams.items():
            self._run_until(stream, len(found.operations))

    def last_recorded(self, stream: int) -> int:
        """Return the event that was recorded last in a stream."""
        recorded = [(moment.place, event) for event, moment in self._events.items() if moment is not None
                    and moment.stream == stream]  # fmt: skip
        return max(recorded)[1]

    def check(self) -> None:
        """Fail if anything went wrong or was not given back."""
        if self.hazards:
            raise HazardError(f"it went on after: {', '.join(self.hazards)}")
        left = [
            f"{region.memory.size} bytes of {'pinned' if region.pinned else 'device'} memory"
            for region in self._regions
            if not region.freed and region.base not in self._refused
        ]
        left += [f"stream {stream}" for stream in self._streams if stream not in self._refused]
        left += [f"event {event}" for event in self._events if event not in self._refused]
        for what, handles in (("graph", self._graphs), ("executable", self._executables)):
            left += [f"{what} {handle}" for handle in handles if handle not in self._refused]
        if left:
            raise HazardError(f"not given back: {', '.join(left)}")

    # How it does that

    def _called(self, name: str, given_back: int | None = None) -> None:
        self.calls.append(name)
        if self._captures and name in _NOT_WHILE_CAPTURED:
            self._hazard(f"{name} is called while a stream is captured")
        if len(self.calls) == self._fail_at or name == self.fail_next:
            self.fail_next = None
            if given_back is not None:
                self._refused.add(given_back)
            raise BackendError(f"CUDA failed: {name} was made to fail.", "Nothing can be done.")
        if given_back is not None:
            self._refused.discard(given_back)
        self._host[HOST] += 1

    def _stream(self, stream: int) -> Stream:
        if stream not in self._streams:
            self._hazard("a stream is used that is not there")
        return self._streams[stream]

    def _event(self, event: int) -> Moment | None:
        if event not in self._events:
            self._hazard("an event is used that is not there")
        return self._events[event]

    def _region(self, size: int, *, pinned: bool) -> Region:
        memory = np.full(size, POISON, np.uint8)
        region = Region(memory.ctypes.data, memory, pinned, None)
        self._regions.append(region)  # for ever, so that no address comes again
        return region

    def _found(self, pointer: int, size: int, *, pinned: bool | None) -> Region:
        for region in self._regions:
            if region.holds(pointer, size):
                if region.freed:
                    self._hazard("memory is used after it was freed")
                if pinned is not None and region.pinned is not pinned:
                    self._hazard("memory of the device is taken for the machine's, or the other way round")
                return region
        self._hazard("a copy or a kernel uses memory that is neither the device's nor pinned")
        raise AssertionError

    def _put(self, name: str, stream: int, run: Callable[[], None]) -> Operation:
        found = self._stream(stream)
        if stream in self._captures:
            self._hazard(f"{name} is put into a stream that is captured")
        _join(found.clock, self._host)
        place = len(found.operations) + 1
        found.clock[stream] = place
        begin = max(found.time, self.now)
        found.time = begin + self._lasts.get(name, 0.0)
        operation = Operation(name, stream, place, {**found.clock}, begin, found.time, found.after, run)
        found.after = []
        found.operations.append(operation)
        return operation

    def _ordered(self, operation: Operation, earlier: Iterable[tuple[int, int] | None], what: str) -> None:
        for use in earlier:
            if use is not None and operation.clock.get(use[0], 0) < use[1]:
                self._hazard(f"memory {what} in a stream that has not waited for its last use in another")

    def _happen(self, moment: Moment) -> None:
        self._run_until(moment.stream, moment.place)
        _join(self._host, moment.clock)

    def _run_until(self, stream: int, place: int) -> None:
        found = self._streams.get(stream)
        while found is not None and found.done < place:
            operation = found.operations[found.done]
            found.done += 1
            for other, until in operation.after:
                self._run_until(other, until)
            operation.run()
            self.ran.append(operation)

    def _hazard(self, what: str) -> None:
        self.hazards.append(what)
        raise HazardError(what)


def _join(clock: Clock, other: Clock) -> None:
    for actor, place in other.items():
        clock[actor] = max(clock.get(actor, 0), place)
