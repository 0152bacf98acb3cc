"""TensorRT: engines that reel-export built for this GPU, all in one stream of ours and in memory of ours."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ...errors import BackendError, OutOfMemoryError
from ...models.engines import Engine, engines_of, why_stale
from ...models.frame_range import frame_of
from ...models.gpu import find_gpu
from ...models.manifest import NETWORKS
from ...models.spec import Kind, Network
from ...models.store import file_digest
from ...models.tensorrt_library import Logger, Trt, load_tensorrt, logger
from ..backend import Backend, Session
from ..device.array import DeviceArray, Event, Value
from ..device.device import Device

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

Words = deque[str]
"""What TensorRT said last of what went wrong."""

_log = logging.getLogger(__name__)


class TensorrtBackend:
    """TensorRT's runtime on a device (see ``engine.backend.Backend``).

    Args:
        device: Open for as long as anything is loaded.
        rest: Runs what is no network, of which no engines are built, on the same device.
        strict: Whether a network without an engine is an error. If not, ``rest`` runs it, with a word.

    Raises:
        BackendError: TensorRT, the driver or the GPU is missing.
    """

    name = "tensorrt"
    precisions = ("fp16", "fp32")

    def __init__(self, device: Device, *, rest: Backend, strict: bool = True) -> None:
        self.device = device
        self._rest = rest
        self._strict = strict
        self._gpu = find_gpu()
        self._trt: Trt = load_tensorrt()
        self._words: Words = deque(maxlen=3)
        self._logger: Logger = logger(self._trt, self._words.append)
        if not self._trt.init_libnvinfer_plugins(self._logger, ""):
            raise _failure("TensorRT cannot load its plugins", self._words)
        self._runtime: Runtime = self._trt.Runtime(self._logger)

    def load(self, path: Path, *, keep: bool = False) -> Session:
        network = next((network for network in NETWORKS if network.name == path.parent.parent.name), None)
        if network is None:
            return self._rest.load(path, keep=keep)
        usable, why = self._usable(path)
        if usable:
            return self.open(network, usable)
        missing = f"There is no engine of {path.stem} of {network.name} for this GPU: {why}."
        if self._strict:
            raise BackendError(missing, f"Build it with `reel-export {network.name} --device cuda`.")
        _log.warning(
            "%s has no engines for this GPU (%s); %s runs it. `reel-export %s` builds them.",
            *(network.name, why, self._rest.name, network.name),
        )
        return self._rest.load(path, keep=keep)

    def memory(self) -> int:
        return self.device.room()

    def open(self, network: Network, engines: Sequence[Engine]) -> TensorrtSession:
        """Return a session on engines of one graph, the best first."""
        return TensorrtSession(self._trt, self._runtime, self.device, network, engines, self._words)

    def _usable(self, path: Path) -> tuple[list[Engine], str]:
        """Return the engines of an ONNX file that are valid here, and why there is none if there is none."""
        why = "none was built"
        usable: list[Engine] = []
        found = engines_of(path.parent, path.stem)
        digest = file_digest(path) if found else ""
        for engine in found:
            stale = why_stale(
                engine.card.basis, gpu=self._gpu, tensorrt=self._trt.__version__, graph_sha256=digest
            )
            why = stale or why
            if stale is None:
                usable.append(engine)
        # What was built for the smallest frames that these fit into suits them best.
        usable.sort(key=lambda engine: sum(math.prod(given.most) for given in engine.card.basis.inputs))
        return usable, why


class TensorrtSession:
    """A graph's engines, each loaded when frames of its size come (see ``engine.backend.Session``)."""

    def __init__(
        self,
        trt: Trt,
        runtime: Runtime,
        device: Device,
        network: Network,
        engines: Sequence[Engine],
        words: Words,
    ) -> None:
        self._trt: Trt = trt
        self._runtime: Runtime = runtime
        self._device = device
        self._network = network
        self._engines = engines
        self._words = words
        self._loaded: dict[str, _Loaded] = {}
        self._interrupted = False
        if len(engines) == 1:
            self._load(engines[0])

    def __call__(self, **inputs: Value) -> tuple[DeviceArray, ...]:
        if self._interrupted:
            raise BackendError("The run was interrupted.", "Run it again to go on.")
        return self._for(inputs).run(inputs)

    def interrupt(self) -> None:
        self._interrupted = True  # what is in the stream already takes moments

    def close(self) -> None:
        for loaded in self._loaded.values():
            loaded.close()
        self._loaded.clear()

    def _for(self, inputs: Mapping[str, Value]) -> _Loaded:
        shapes = {name: value.shape for name, value in inputs.items()}
        for engine in self._engines:
            if engine.card.basis.covers(shapes):
                return self._loaded.get(engine.card.basis.key) or self._load(engine)
        basis = self._engines[0].card.basis
        size = frame_of(self._network.graph(basis.graph), shapes)
        what = f"frames of {size[1]}x{size[0]}" if size else f"{shapes}"
        remedy = f"Build one with `reel-export {basis.network} --device cuda --size WIDTHxHEIGHT`."
        if self._network.kind is Kind.COLOURISE:
            remedy = "Give --render-factor 64 or less, or use --device cuda."
        elif size:
            remedy = remedy.replace("WIDTHxHEIGHT", f"{size[1]}x{size[0]}")
        raise BackendError(f"No engine of {basis.network} takes {what}.", remedy)

    def _load(self, engine: Engine) -> _Loaded:
        loaded = _Loaded(self._trt, self._runtime, self._device, engine, self._words)
        self._loaded[engine.card.basis.key] = loaded
        return loaded


class _Loaded:
    """An engine on the device, with a context to run it in."""

    def __init__(self, trt: Trt, runtime: Runtime, device: Device, engine: Engine, words: Words) -> None:
        self._device = device
        self._words = words
        self._basis = engine.card.basis
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
                f"Delete it, and build it again with `reel-export {self._basis.network} --device cuda`.",
            )
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._scratch = 0  # bytes that a run at these shapes needs beside its inputs and outputs
        self._last: Event | None = None

    def run(self, inputs: Mapping[str, Value]) -> tuple[DeviceArray, ...]:
        """Put a run into the stream of the networks."""
        given = {name: self._on_device(name, value) for name, value in inputs.items()}
        self._words.clear()
        self._take_shapes({name: array.shape for name, array in given.items()})
        results = {
            name: self._device.empty(tuple(self._context.get_tensor_shape(name)), self._outputs[name])
            for name in self._basis.outputs
        }
        arrays = [*results.values()]
        if self._scratch:
            # Of this run alone, and of the size of these frames: the device has it back in time for the next.
            scratch = self._device.empty((self._scratch,), np.uint8)
            self._context.set_device_memory(scratch.pointer, self._scratch)
            arrays.append(scratch)
        for name, array in (given | results).items():
            if not self._context.set_tensor_address(name, array.pointer):
                raise _failure(f"TensorRT takes no memory for {name}", self._words)
        with self._device.work(self._device.compute, reads=given.values(), writes=arrays) as stream:
            if not self._context.execute_async_v3(stream):
                raise _failure(f"TensorRT could not run {self._basis.graph}", self._words)
        self._last = arrays[0].ready
        return tuple(results.values())

    def close(self) -> None:
        """Give the engine back, once what it was last given to do is done."""
        last, self._last = self._last, None
        if last is not None:
            self._device.runtime.synchronise(last.handle)
        del self._context, self._engine  # in this order

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
            raise _failure(f"TensorRT cannot prepare to run {self._basis.graph}", self._words)
        return context

    def _take_shapes(self, shapes: dict[str, tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        self._shapes = {}
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise _failure(f"TensorRT takes no {name} of shape {list(shape)}", self._words)
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
                f"Build it again with `reel-export {self._basis.network} --device cuda`.",
            )
        return value


def _deserialised(runtime: Runtime, engine: Engine, words: Words) -> CudaEngine:
    """Read an engine's file, see that it is the one that was built, and load it onto the device."""
    again = f"Build it again with `reel-export {engine.card.basis.network} --device cuda`."
    try:
        plan = engine.plan.read_bytes()
    except OSError as error:
        raise BackendError(f"The engine {engine.plan} cannot be read: {error.strerror}.", again) from error
    if hashlib.sha256(plan).hexdigest() != engine.card.sha256:
        raise BackendError(f"The engine {engine.plan} is damaged.", again)
    words.clear()
    loaded: CudaEngine = runtime.deserialize_cuda_engine(plan)
    if loaded is None:
        raise _failure(f"TensorRT cannot load the engine {engine.plan}", words, again)
    return loaded


def _failure(what: str, words: Words, remedy: str = "Please report this.") -> BackendError:
    said = " / ".join(dict.fromkeys(word.strip().rstrip(".") for word in words))
    message = f"{what}: {said or 'it does not say why'}."
    if any(each in said for each in _NO_MEMORY):
        return OutOfMemoryError(
            message, "Close other programs that use the GPU, or give --memory less: frames then go in parts."
        )
    return BackendError(message, remedy)
