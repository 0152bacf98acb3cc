"""A TensorRT engine on the device, and a context to run it in."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from ...errors import BackendError, OutOfMemoryError
from ...models.engines import Engine, build_command
from ...models.tensorrt_library import Trt
from ..device.array import DeviceArray, Event, Value
from ..device.device import Device
from ..device.replay import MOST, Replay, record
from ..remarks import SHOWN

# What TensorRT's objects are (see models/tensorrt_library.py).
Runtime = Annotated[Any, "Runtime"]
CudaEngine = Annotated[Any, "ICudaEngine"]
Context = Annotated[Any, "IExecutionContext"]

_DTYPES = {
    "FLOAT": np.dtype(np.float32),
    "HALF": np.dtype(np.float16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "UINT8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
}

_NO_MEMORY = ("out of memory", "OutOfMemory", "insufficient memory")

# Runs at the same shapes, one after the other, after which the next are recorded. TensorRT prepares things
# during the first, and parts of a frame come in several sizes, by turns.
_WARM = 3

Words = deque[str]
"""What TensorRT said last of what went wrong."""

_log = logging.getLogger(__name__)


class LoadedEngine:
    """An engine on the device, with a context to run it in."""

    def __init__(self, trt: Trt, runtime: Runtime, device: Device, engine: Engine, words: Words) -> None:
        self._device = device
        self._words = words
        self._basis = engine.card.basis
        self._command = build_command(engine.artifact, self._basis.network)
        self._engine: CudaEngine = _deserialised(runtime, engine, words)
        self._context: Context = self._new_context(trt)
        self._inputs: dict[str, np.dtype[Any]] = {}
        self._outputs: dict[str, np.dtype[Any]] = {}
        for index in range(self._engine.num_io_tensors):
            name: str = self._engine.get_tensor_name(index)
            is_input = self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            kinds = self._inputs if is_input else self._outputs
            kinds[name] = _DTYPES[self._engine.get_tensor_dtype(name).name]
        if set(self._inputs) != {given.name for given in self._basis.inputs} or set(self._outputs) != set(
            self._basis.outputs
        ):
            raise BackendError(
                f"The engine {engine.folder} has other inputs or outputs than its graph.",
                f"Delete it, and build it again with `{self._command}`.",
            )
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._scratch = 0  # bytes that a run at these shapes needs beside its inputs and outputs
        self._last: Event | None = None
        self._runs = 0  # at these shapes
        self._warm: int | None = _WARM  # of them until they are recorded; None: they are not
        self._replay: Replay | None = None

    def run(self, inputs: Mapping[str, Value]) -> tuple[DeviceArray, ...]:
        """Put a run into the stream of the networks."""
        given = {name: self._on_device(name, value) for name, value in inputs.items()}
        self._words.clear()
        self._take_shapes({name: array.shape for name, array in given.items()})
        results = self._run(given) if self._replay is None else self._replay.run(given)
        self._last = next(iter(results.values())).ready
        return tuple(results[name] for name in self._basis.outputs)

    def close(self) -> None:
        """Give the engine back, once what it was last given to do is done."""
        last, self._last = self._last, None
        try:
            if last is not None:
                self._device.runtime.synchronise(last.handle)
        finally:
            self._forget_replay()
        del self._context, self._engine  # in this order

    def _run(self, given: Mapping[str, DeviceArray]) -> dict[str, DeviceArray]:
        results = self._results()
        # Of this run alone, and of the size of these frames: the device has it back in time for the next.
        scratch = self._bind({**given, **results})
        with self._device.work(
            self._device.compute, reads=given.values(), writes=[*results.values(), *scratch]
        ) as stream:
            self._enqueue(stream)
        self._runs += 1
        if self._runs == self._warm:
            self._record(given)
        return results

    def _results(self) -> dict[str, DeviceArray]:
        return {
            name: self._device.empty(tuple(self._context.get_tensor_shape(name)), self._outputs[name])
            for name in self._basis.outputs
        }

    def _bind(self, arrays: Mapping[str, DeviceArray]) -> list[DeviceArray]:
        """Let the next run use these inputs and outputs; returns what else it writes to."""
        scratch: list[DeviceArray] = []
        if self._scratch:
            scratch.append(self._device.empty((self._scratch,), np.uint8))
            self._context.set_device_memory(scratch[0].pointer, self._scratch)
        for name, array in arrays.items():
            if not self._context.set_tensor_address(name, array.pointer):
                raise failure(f"TensorRT takes no memory for {name}", self._words)
        return scratch

    def _enqueue(self, stream: int) -> None:
        if not self._context.execute_async_v3(stream):
            raise failure(f"TensorRT could not run {self._basis.graph}", self._words)

    def _record(self, given: Mapping[str, DeviceArray]) -> None:
        """Record the runs that follow, as long as shapes stay what they are; or say why that cannot be."""
        results = {name: tuple(self._context.get_tensor_shape(name)) for name in self._basis.outputs}
        size = sum(array.nbytes for array in given.values()) + self._scratch
        size += sum(math.prod(shape) * self._outputs[name].itemsize for name, shape in results.items())
        if size > MOST:
            return
        try:
            inputs = {name: self._device.empty(array.shape, array.dtype) for name, array in given.items()}
            outputs = self._results()
            scratch = self._bind({**inputs, **outputs})
        except OutOfMemoryError:
            return
        try:
            executable = record(self._device, self._enqueue)
        except BackendError as error:
            self._warm = None
            _log.info(
                "Runs of %s of %s start kernel by kernel, since they cannot be recorded: %s",
                *(self._basis.graph, self._basis.network, error.message),
                extra={SHOWN: True},
            )
            return
        self._replay = Replay(self._device, executable, inputs=inputs, outputs=outputs, scratch=scratch)

    def _forget_replay(self) -> None:
        replay, self._replay = self._replay, None
        if replay is not None:
            replay.close()

    def _new_context(self, trt: Trt) -> Context:
        # Its memory is what an engine takes for the largest frames that it could be given; ours, for those
        # that it is given. 8.6 cannot be told how much that is.
        if hasattr(trt, "ExecutionContextAllocationStrategy"):
            context: Context = self._engine.create_execution_context(
                trt.ExecutionContextAllocationStrategy.USER_MANAGED
            )
        else:
            context = self._engine.create_execution_context()
        if context is None:
            raise failure(f"TensorRT cannot prepare to run {self._basis.graph}", self._words)
        return context

    def _take_shapes(self, shapes: dict[str, tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        if self._replay is not None and self._warm is not None:
            self._warm *= 2  # what changes often is not worth it
        self._forget_replay()
        self._runs = 0
        self._shapes = {}
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise failure(f"TensorRT takes no {name} of shape {list(shape)}", self._words)
        asked = hasattr(self._context, "update_device_memory_size_for_shapes")
        if asked and hasattr(self._context, "set_device_memory"):  # not in 8.6
            self._scratch = self._context.update_device_memory_size_for_shapes()
        self._shapes = shapes

    def _on_device(self, name: str, value: Value) -> DeviceArray:
        """Return an input where and as the engine takes it; what is in the machine's memory is copied."""
        if name not in self._inputs:
            raise BackendError(f"The engine has no input {name!r}.", "Please report this.")
        dtype = self._inputs[name]
        if not isinstance(value, DeviceArray):
            return self._device.upload(value, dtype)
        if value.dtype != dtype:
            raise BackendError(
                f"The engine takes {name} as {dtype}, not as {value.dtype}.",
                f"Build it again with `{self._command}`.",
            )
        return value


def _deserialised(runtime: Runtime, engine: Engine, words: Words) -> CudaEngine:
    """Read an engine's file, see that it is the one that was built, and load it onto the device."""
    again = f"Build it again with `{build_command(engine.artifact, engine.card.basis.network)}`."
    try:
        plan = engine.plan.read_bytes()
    except OSError as error:
        raise BackendError(f"The engine {engine.plan} cannot be read: {error.strerror}.", again) from error
    if hashlib.sha256(plan).hexdigest() != engine.card.sha256:
        raise BackendError(f"The engine {engine.plan} is damaged.", again)
    words.clear()
    loaded: CudaEngine = runtime.deserialize_cuda_engine(plan)
    if loaded is None:
        raise failure(f"TensorRT cannot load the engine {engine.plan}", words, again)
    return loaded


def failure(what: str, words: Words, remedy: str = "Please report this.") -> BackendError:
    said = " / ".join(dict.fromkeys(word.strip().rstrip(".") for word in words))
    message = f"{what}: {said or 'it does not say why'}."
    if any(each in said for each in _NO_MEMORY):
        return OutOfMemoryError(
            message, "Close other programs that use the GPU, or give --memory less: frames then go in parts."
        )
    return BackendError(message, remedy)
