"""ONNX Runtime on an NVIDIA GPU: all in one stream of ours, in memory of ours, and waited for by nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ...errors import BackendError, OutOfMemoryError
from ...models.store import Artifact
from ..device.array import DeviceArray, Value
from ..device.device import Device
from ..networks.backend import Runner
from ..networks.tiles import letter_of, scale_of

PROVIDER = "CUDAExecutionProvider"

_DTYPES = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(uint16)": np.dtype(np.uint16),
    "tensor(int32)": np.dtype(np.int32),
    "tensor(int64)": np.dtype(np.int64),
}

# ONNX Runtime itself leaves to the CPU what it takes to find out shapes: a few whole numbers. Of anything
# else that it has no kernel for it would send whole pictures there and back, and say nothing.
# fmt: off
_OF_SHAPES = frozenset(
    [
        "Add", "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand", "Floor",
        "Gather", "Identity", "Max", "Min", "Mul", "Range", "Reshape", "Shape", "Size", "Slice",
        "Squeeze", "Sub", "Unsqueeze",
    ]
)
# fmt: on

# What ONNX Runtime 1.31, CUDA and its libraries say where memory runs out.
_NO_MEMORY = ("Failed to allocate memory", "out of memory", "bad_alloc", "ALLOC_FAILED")


class CudaSession:
    """A graph in ONNX Runtime on a device (see ``engine.networks.backend.Session``)."""

    def __init__(self, path: Path, device: Device, *, keep: bool) -> None:
        self._device = device
        self._session = _loaded(path, device)
        self._inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        self._outputs = list(self._session.get_outputs())
        self._running = onnxruntime.RunOptions()
        self._running.log_severity_level = 4  # an interruption is no error to print
        # A run returns when it is in the stream, not when it is done.
        self._running.add_run_config_entry("disable_synchronize_execution_providers", "1")
        if not keep:
            # For which ONNX Runtime waits for the device after all: this is for where memory is short.
            self._running.add_run_config_entry("memory.enable_memory_arena_shrinkage", "gpu:0")

    def __call__(self, **inputs: Value) -> tuple[DeviceArray, ...]:
        given = {name: self._on_device(name, value) for name, value in inputs.items()}
        shapes = _output_shapes(self._inputs.values(), self._outputs, given)
        results = [
            self._device.empty(shape, _dtype_of(tensor))
            for tensor, shape in zip(self._outputs, shapes, strict=True)
        ]
        binding = self._session.io_binding()
        for name, array in given.items():
            binding.bind_input(name, "cuda", 0, array.dtype.type, array.shape, array.pointer)
        for tensor, array in zip(self._outputs, results, strict=True):
            binding.bind_output(tensor.name, "cuda", 0, array.dtype.type, array.shape, array.pointer)
        with self._device.work(self._device.compute, reads=given.values(), writes=results):
            try:
                self._session.run_with_iobinding(binding, self._running)
            except Exception as error:  # ONNX Runtime raises classes of its own that share no other base
                raise _failure(error) from error
        return tuple(results)

    def interrupt(self) -> None:
        self._running.terminate = True  # looked at between the nodes of the graph

    def close(self) -> None:
        del self._session

    def _on_device(self, name: str, value: Value) -> DeviceArray:
        """Return an input where and as the graph takes it; what comes from the machine's memory is copied."""
        if name not in self._inputs:
            raise BackendError(f"The graph has no input {name!r}.", "Please report this.")
        dtype = _dtype_of(self._inputs[name])
        if not isinstance(value, DeviceArray):
            return self._device.upload(value, dtype)
        if value.dtype != dtype:
            raise BackendError(
                f"The graph takes {name} as {dtype}, not as {value.dtype}.",
                "Export the network again with reel-export.",
            )
        return value


class CudaBackend:
    """ONNX Runtime's CUDA provider (see ``engine.networks.backend.Backend``).

    Args:
        device: Open for as long as anything is loaded.
    """

    name = "cuda"
    precisions = ("fp16", "fp32")

    def __init__(self, device: Device) -> None:
        self.device = device

    def runner(self, artifact: Artifact) -> Runner:
        return Runner(self.name)

    def load(self, path: Path, *, keep: bool = False) -> CudaSession:
        return CudaSession(path, self.device, keep=keep)

    def memory(self) -> int:
        return self.device.room()


def _loaded(path: Path, device: Device) -> Any:
    """Load a graph, all of it on the device.

    Raises:
        BackendError: This ONNX Runtime has no CUDA, or a part of the graph would run elsewhere.
    """
    if PROVIDER not in onnxruntime.get_available_providers():
        raise BackendError(
            "The ONNX Runtime that is installed has no CUDA.",
            "Take it out and put in the other: `pip uninstall onnxruntime`, then "
            "`pip install --force-reinstall --no-deps onnxruntime-gpu`.",
        )
    preload = getattr(onnxruntime, "preload_dlls", None)
    if preload is not None:
        preload()  # CUDA's libraries, where pip has put them
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        session: Any = onnxruntime.InferenceSession(
            str(path), options, providers=[(PROVIDER, _options(device))]
        )
    except Exception as error:  # as above
        if _is_of_memory(error):
            raise _failure(error) from error
        raise BackendError(
            f"ONNX Runtime cannot load {path} with CUDA: {error}",
            "If CUDA's libraries are missing, `pip install onnxruntime-gpu[cuda,cudnn]`; if not, export the "
            "network again with reel-export.",
        ) from error
    session.disable_fallback()
    if session.get_providers()[0] != PROVIDER:
        raise BackendError(
            "ONNX Runtime could not start CUDA and would go on with the CPU.",
            "Check nvidia-smi, and `pip install onnxruntime-gpu[cuda,cudnn]` for CUDA's libraries.",
        )
    elsewhere = _elsewhere(session)
    if elsewhere:
        raise BackendError(
            f"ONNX Runtime has no CUDA kernel for {', '.join(sorted(elsewhere))} of {path}.",
            "Use --device tensorrt or --device cpu; please report this.",
        )
    return session


def _options(device: Device) -> dict[str, str]:
    return {
        "device_id": "0",
        "user_compute_stream": str(device.compute),
        # As much as is asked for: doubling would take up to half of the device for nothing.
        "arena_extend_strategy": "kSameAsRequested",
        # To try all algorithms, the default, picks another one from time to time, and with it other last
        # digits: a run that goes on would not make the frames of one that was never stopped.
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",  # float32 graphs are held to what they are on the CPU
    }


def _elsewhere(session: Any) -> set[str]:
    """Return the kinds of nodes that would not run on the device, without those that only find out shapes."""
    return {
        node.op_type
        for part in session.get_provider_graph_assignment_info()
        if part.ep_name != PROVIDER
        for node in part.get_nodes()
    } - _OF_SHAPES


def _dtype_of(tensor: Any) -> np.dtype[Any]:
    if tensor.type not in _DTYPES:
        raise BackendError(
            f"{tensor.name} is a {tensor.type}, which nothing here can make.", "Please report this."
        )
    return _DTYPES[tensor.type]


def _output_shapes(
    inputs: Iterable[Any], outputs: Iterable[Any], given: Mapping[str, DeviceArray]
) -> list[tuple[int, ...]]:
    """Return the shapes of a graph's outputs, from those of its inputs and the symbols that they share.

    Raises:
        BackendError: An input has another shape than its file says, or an output's is not known.
    """
    known: dict[str, int] = {}
    for tensor in inputs:
        if tensor.name not in given:
            raise BackendError(f"The graph's input {tensor.name!r} is not given.", "Please report this.")
        shape = given[tensor.name].shape
        if len(shape) != len(tensor.shape):
            raise _mismatch(tensor, shape)
        for side, length in zip(tensor.shape, shape, strict=True):
            if isinstance(side, int):
                fits = side == length
            else:
                times, over = scale_of(side)
                whole = length * over // times
                fits = known.setdefault(letter_of(side), whole) == whole and whole * times // over == length
            if not fits:
                raise _mismatch(tensor, shape)
    try:
        return [tuple(_length(side, known) for side in tensor.shape) for tensor in outputs]
    except KeyError as error:
        raise BackendError(
            f"The graph does not say how long {error} of its outputs is.",
            "Export the network again with reel-export.",
        ) from error


def _length(side: int | str, known: Mapping[str, int]) -> int:
    if isinstance(side, int):
        return side
    times, over = scale_of(side)
    return known[letter_of(side)] * times // over


def _mismatch(tensor: Any, shape: tuple[int, ...]) -> BackendError:
    return BackendError(
        f"{tensor.name} of shape {list(shape)} is not the {tensor.shape} that the graph takes.",
        "Please report this.",
    )


def _is_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


def _failure(error: Exception) -> BackendError:
    if _is_of_memory(error):
        return OutOfMemoryError(
            f"The GPU has not enough memory for the network: {error}",
            "Close other programs that use it, or give --memory less: frames then go in smaller parts.",
        )
    return BackendError(f"ONNX Runtime failed on the GPU: {error}", "Please report this.")
