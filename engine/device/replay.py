"""Runs that are recorded once and put into a stream as one, where starting them takes longer than they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress

from ...errors import BackendError
from .array import DeviceArray, Event
from .device import Device
from .runtime import Block

MOST = 64 << 20
"""Bytes of all arrays of a run up to which it is worth it: what goes in and out is copied once more for it,
and larger ones keep a GPU at work for longer than it takes to start them."""


def record(device: Device, enqueue: Callable[[int], None]) -> int:
    """Return what ``enqueue`` puts into the stream that it is given, ready to be launched.

    That is a stream of its own, in which nothing runs: whatever other threads, and arrays that are forgotten
    meanwhile, put into those of the device is none of it.

    Raises:
        BackendError: Something of it cannot be recorded.
    """
    runtime = device.runtime
    made: list[int] = []
    try:
        with ExitStack() as used:
            stream = runtime.make_stream()
            used.callback(runtime.destroy_stream, stream)
            runtime.begin_capture(stream)
            try:
                enqueue(stream)
            except BackendError:
                with suppress(BackendError):  # which only says that there is nothing
                    runtime.destroy_graph(runtime.end_capture(stream))
                raise
            graph = runtime.end_capture(stream)
            used.callback(runtime.destroy_graph, graph)
            if not runtime.graph_nodes(graph):
                raise BackendError("Nothing of the run was recorded.", "Please report this.")
            made.append(runtime.instantiate(graph))
    except BackendError:
        for executable in made:
            runtime.destroy_executable(executable)
        raise
    return made[0]


class Replay:
    """A recorded run, on arrays of its own; given back by ``close``.

    Args:
        device: Where it runs.
        executable: As ``record`` returns it.
        inputs, outputs: The arrays that it was recorded with, by name.
        scratch: What else it writes to.
    """

    def __init__(
        self,
        device: Device,
        executable: int,
        *,
        inputs: Mapping[str, DeviceArray],
        outputs: Mapping[str, DeviceArray],
        scratch: Sequence[DeviceArray],
    ) -> None:
        self._device = device
        self._executable = executable
        self._inputs = inputs
        self._outputs = outputs
        self._scratch = scratch
        self._last: Event | None = None

    def run(self, given: Mapping[str, DeviceArray]) -> dict[str, DeviceArray]:
        """Put a run into the stream of the networks; returns its outputs, which are nobody else's.

        Args:
            given: Of the shapes and types of the arrays that it was recorded with.
        """
        device = self._device
        results = {name: device.empty(array.shape, array.dtype) for name, array in self._outputs.items()}
        own = [*self._inputs.values(), *self._outputs.values(), *self._scratch]
        with device.work(device.compute, reads=given.values(), writes=[*own, *results.values()]) as stream:
            for name, array in self._inputs.items():
                self._copy(given[name], array, stream)
            device.runtime.launch(self._executable, stream)
            for name, array in self._outputs.items():
                self._copy(array, results[name], stream)
        self._last = own[0].ready
        return results

    def close(self) -> None:
        """Give it back, once what it was last given to do is done."""
        last, self._last = self._last, None
        executable, self._executable = self._executable, 0
        if last is not None:
            self._device.runtime.synchronise(last.handle)
        if executable:
            self._device.runtime.destroy_executable(executable)

    def _copy(self, source: DeviceArray, target: DeviceArray, stream: int) -> None:
        if source.nbytes != target.nbytes:
            raise BackendError(f"{source} does not fit a run of {target}.", "Please report this.")
        size = source.nbytes
        block = Block(
            target=target.pointer,
            target_pitch=size,
            target_plane=1,
            source=source.pointer,
            source_pitch=size,
            source_plane=1,
            width=size,
            height=1,
            depth=1,
        )
        self._device.runtime.copy_block(block, stream)
