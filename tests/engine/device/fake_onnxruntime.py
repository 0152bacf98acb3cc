"""ONNX Runtime's CUDA provider as reel uses it, on a device that is none: the arithmetic is the CPU's."""

import ctypes
import math
from types import SimpleNamespace

import numpy as np
import onnxruntime
from reel.tests.engine.device.fake_runtime import FakeRuntime

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
}


class FakeOnnxRuntime:
    """Stands in for the module ``onnxruntime`` in ``engine.backends.cuda``.

    Args:
        fake: What its sessions put their runs into.

    Attributes:
        available, started: Providers that it says it has, and that a session then has.
        elsewhere: Kinds of nodes that it says run on the CPU.
        error: What the next run raises.
        loading: What loading raises.
        sessions: All that were made.
    """

    RunOptions = onnxruntime.RunOptions
    SessionOptions = onnxruntime.SessionOptions

    def __init__(self, fake: FakeRuntime) -> None:
        self.fake = fake
        self.available = self.started = [CUDA, CPU]
        self.elsewhere: list[str] = ["Shape", "Gather"]
        self.error: Exception | None = None
        self.loading: Exception | None = None
        self.sessions: list[FakeSession] = []
        self.preloaded = False

    def get_available_providers(self):
        return self.available

    def preload_dlls(self):
        self.preloaded = True

    def InferenceSession(self, path, options, *, providers):
        assert self.preloaded, "CUDA's libraries are not found"
        if self.loading is not None:
            raise self.loading
        ((name, given),) = providers
        assert name == CUDA
        assert options.get_session_config_entry("session.record_ep_graph_assignment_info") == "1"
        self.sessions.append(FakeSession(self, path, given))
        return self.sessions[-1]


class FakeSession:
    """A session whose runs wait in a stream of the fake device."""

    def __init__(self, owner, path, given):
        self.owner = owner
        self.given = given
        self.falls_back = True
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        self.real = onnxruntime.InferenceSession(path, options, providers=[CPU])
        self.get_inputs, self.get_outputs = self.real.get_inputs, self.real.get_outputs

    def disable_fallback(self):
        self.falls_back = False

    def get_providers(self):
        return self.owner.started

    def get_provider_graph_assignment_info(self):
        nodes = [SimpleNamespace(op_type=kind) for kind in self.owner.elsewhere]
        return [
            SimpleNamespace(ep_name=CUDA, get_nodes=lambda: [SimpleNamespace(op_type="Conv")]),
            SimpleNamespace(ep_name=CPU, get_nodes=lambda: nodes),
        ]

    def io_binding(self):
        return FakeBinding()

    def run_with_iobinding(self, binding, running):
        if running.terminate:
            raise RuntimeError("Exiting due to terminate flag being set to true.")
        error, self.owner.error = self.owner.error, None
        if error is not None:
            raise error
        assert set(binding.inputs) == {tensor.name for tensor in self.get_inputs()}
        assert set(binding.outputs) == {tensor.name for tensor in self.get_outputs()}
        for tensor in (*self.get_inputs(), *self.get_outputs()):
            dtype, shape, _ = (binding.inputs | binding.outputs)[tensor.name]
            assert DTYPES[tensor.type] == dtype
            assert len(shape) == len(tensor.shape)

        def run():
            given = {name: array(*bound) for name, bound in binding.inputs.items()}
            results = self.real.run(list(binding.outputs), given)
            for result, bound in zip(results, binding.outputs.values(), strict=True):
                array(*bound)[...] = result.reshape(result.shape)
                assert result.shape == bound[1], "the file's shapes are not those that it gives"

        fake, stream = self.owner.fake, int(self.given["user_compute_stream"])
        reads, writes = ([place(*x) for x in side.values()] for side in (binding.inputs, binding.outputs))
        fake.kernel(stream, "run", reads, writes, run)
        if running.get_run_config_entry("disable_synchronize_execution_providers") != "1":
            fake.run_all()
            fake.now = max(stream.time for stream in fake._streams.values())


class FakeBinding:
    def __init__(self):
        self.inputs, self.outputs = {}, {}

    def bind_input(self, name, device, number, dtype, shape, pointer):
        assert (device, number) == ("cuda", 0)
        self.inputs[name] = np.dtype(dtype), tuple(shape), pointer

    def bind_output(self, name, device, number, dtype, shape, pointer):
        assert (device, number) == ("cuda", 0)
        self.outputs[name] = np.dtype(dtype), tuple(shape), pointer


def place(dtype, shape, pointer):
    return pointer, max(dtype.itemsize * math.prod(shape), 1)


def array(dtype, shape, pointer):
    _, size = place(dtype, shape, pointer)
    return np.frombuffer((ctypes.c_char * size).from_address(pointer), dtype, math.prod(shape)).reshape(shape)
