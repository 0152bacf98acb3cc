"""What reel asks of a device's runtime: few calls, each checked, none of which waits for the whole device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Block:
    """A block of bytes to copy from one array on the device into another.

    Attributes:
        target, source: Where the block's first byte goes, and where it lies.
        target_pitch, source_pitch: Bytes from one row to the next.
        target_plane, source_plane: Rows from one plane to the next.
        width: Bytes of each row.
        height: Rows of each plane.
        depth: Planes.
    """

    target: int
    target_pitch: int
    target_plane: int
    source: int
    source_pitch: int
    source_plane: int
    width: int
    height: int
    depth: int


class Runtime(Protocol):
    """Streams, events, memory and copies of one device.

    Streams and events are opaque numbers, memory is addresses. What is put into a stream runs after what
    was put there before, and at any time beside what is in other streams, unless it waits for an event. No
    call but ``synchronise`` waits for the device.

    Every call raises:
        OutOfMemoryError: The device, or the machine, has no memory left for it.
        BackendError: Anything else went wrong, in the runtime's own words; possibly with what was put into a
            stream before.
    """

    def make_stream(self) -> int:
        """Return a new stream, which waits for no other, the default one included."""
        ...

    def destroy_stream(self, stream: int) -> None:
        """Give a stream back; what is in it still runs."""
        ...

    def make_event(self) -> int:
        """Return a new event, which keeps no times."""
        ...

    def destroy_event(self, event: int) -> None:
        """Give an event back; who waits for it already is let go in time."""
        ...

    def record(self, event: int, stream: int) -> None:
        """Have an event happen when all that is in a stream so far is done."""
        ...

    def wait(self, stream: int, event: int) -> None:
        """Have what is put into a stream from now on wait for an event, as it was recorded last."""
        ...

    def synchronise(self, event: int) -> None:
        """Wait here, in this thread, for an event."""
        ...

    def has_happened(self, event: int) -> bool:
        """Tell whether an event has happened, without waiting for it."""
        ...

    def allocate(self, size: int, stream: int) -> int:
        """Return so many bytes on the device, for what is put into a stream from now on."""
        ...

    def free(self, pointer: int, stream: int) -> None:
        """Give memory back as soon as all that is in a stream so far is done."""
        ...

    def allocate_pinned(self, size: int) -> int:
        """Return so many bytes of the machine's memory that the device can copy from and to by itself."""
        ...

    def free_pinned(self, pointer: int) -> None:
        """Give such memory back at once; no copy may still be under way."""
        ...

    def copy_in(self, target: int, pinned: int, size: int, stream: int) -> None:
        """Put a copy from pinned memory to the device's into a stream."""
        ...

    def copy_out(self, pinned: int, source: int, size: int, stream: int) -> None:
        """Put a copy from the device's memory to pinned memory into a stream."""
        ...

    def copy_block(self, block: Block, stream: int) -> None:
        """Put a copy of a block, from the device's memory to the device's, into a stream."""
        ...

    def begin_capture(self, stream: int) -> None:
        """Record what this thread puts into a stream from now on; nothing of it runs."""
        ...

    def end_capture(self, stream: int) -> int:
        """Return what was put into a stream since, as a graph; an error is that it cannot be recorded."""
        ...

    def graph_nodes(self, graph: int) -> int:
        """Return how many things a graph does."""
        ...

    def instantiate(self, graph: int) -> int:
        """Return a graph in a form in which it can be launched, which does not need the graph any more."""
        ...

    def destroy_graph(self, graph: int) -> None:
        """Give a graph back."""
        ...

    def launch(self, executable: int, stream: int) -> None:
        """Put all that was recorded into a stream, with the addresses of then."""
        ...

    def destroy_executable(self, executable: int) -> None:
        """Give what can be launched back; it may not be running any more."""
        ...

    def memory(self) -> tuple[int, int]:
        """Return how many bytes of the device's memory are free, and how many it has."""
        ...
