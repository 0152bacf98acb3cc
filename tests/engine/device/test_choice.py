"""A device is chosen by trying it; one that was named and does not work is an error, never the CPU."""

import importlib.util
import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace

import pytest
import reel
from reel.engine.backends import choice
from reel.engine.backends.choice import chosen_backend
from reel.errors import BackendError
from reel.models.gpu import Gpu
from reel.tests.engine.device.fake_onnxruntime import FakeOnnxRuntime
from reel.tests.engine.device.fake_runtime import FakeRuntime


@pytest.fixture
def machine(monkeypatch):
    """Give a machine with a GPU that is none; when the test is over, nothing may be left open on it."""
    from reel.engine.backends import cuda

    fake = FakeRuntime()
    runtime = FakeOnnxRuntime(fake)
    monkeypatch.setattr(cuda, "onnxruntime", runtime)
    monkeypatch.setattr(choice, "find_gpu", lambda: Gpu("Toy GPU", "9.0", "580.1"))
    monkeypatch.setattr(choice, "_runtime", lambda: fake)
    monkeypatch.setattr(choice, "load_tensorrt", broken("TensorRT is not installed."))
    yield SimpleNamespace(fake=fake, onnxruntime=runtime, patch=monkeypatch)
    fake.check()


def chosen(device="auto"):
    with chosen_backend(device) as found:
        return found.backend.name, found.why


def broken(message="It is broken.", remedy="Mend it."):
    def fail(*_):
        raise BackendError(message, remedy)

    return fail


def test_the_best_that_works_is_taken_and_named(machine):
    name, why = chosen()
    assert name == "cuda"
    assert why == "device: cuda on Toy GPU (not tensorrt: TensorRT is not installed)"


@pytest.fixture
def engines(machine):
    """Put a TensorRT on that machine; give what its backends were made with."""
    made = []

    class Backend:
        name, precisions = "tensorrt", ("fp16",)

        def __init__(self, device, *, rest, strict):
            made.append((device, rest, strict))
            self.load = rest.load

    module = ModuleType("reel.engine.backends.tensorrt")
    module.TensorrtBackend = Backend
    machine.patch.setitem(sys.modules, module.__name__, module)
    machine.patch.setattr(choice, "load_tensorrt", lambda: None)
    return made


def test_with_tensorrt_that_is_the_best(engines):
    assert chosen() == ("tensorrt", "device: tensorrt on Toy GPU")


def test_networks_without_engines_are_onnx_runtimes_unless_tensorrt_was_asked_for(engines):
    chosen()
    chosen("tensorrt")
    (_, rest, strict), (_, _, named) = engines
    assert (rest.name, strict, named) == ("cuda", False, True)


def test_one_device_serves_both(engines, machine):
    chosen("tensorrt")
    ((device, rest, _),) = engines
    assert rest.device is device
    assert machine.fake.calls.count("make_stream") == 3


def test_a_tensorrt_that_does_not_work_leaves_cuda(engines, machine):
    machine.onnxruntime.error = RuntimeError("no")  # once: the second that is tried works
    name, why = chosen()
    assert name == "cuda"
    assert why == "device: cuda on Toy GPU (not tensorrt: ONNX Runtime failed on the GPU: no)"


def test_without_a_gpu_it_is_the_cpu_and_the_reason_is_told(machine):
    machine.patch.setattr(
        choice, "find_gpu", broken("There is no NVIDIA driver here: libcuda.so.1: no such file.")
    )
    assert chosen() == ("cpu", "device: cpu (There is no NVIDIA driver here)")
    assert machine.fake.calls == []


def test_a_gpu_that_does_not_work_is_told_and_left_alone(machine):
    machine.onnxruntime.error = RuntimeError("no kernel image is available")
    name, why = chosen()
    assert name == "cpu"
    assert "not cuda: ONNX Runtime failed on the GPU: no kernel image" in why.replace("; ", " ")


def test_a_gpu_that_computes_wrongly_is_told(machine):
    machine.patch.setattr(choice, "pixels_of", lambda value: 3 * choice.np.ones(3, "f4"))
    name, why = chosen()
    assert name == "cpu"
    assert "made [3.0, 3.0, 3.0] of twice [1.5, -2.0, 0.25]" in why


def test_a_device_without_a_way_to_open_it_is_told(machine):
    machine.patch.setattr(choice, "_runtime", broken("The Python bindings of CUDA cannot be loaded."))
    assert "cannot be loaded" in chosen()[1]


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_named_device_that_does_not_work_is_an_error_with_a_remedy(machine, device):
    machine.onnxruntime.available = ["CPUExecutionProvider"]
    with pytest.raises(BackendError) as told:
        chosen(device)
    assert told.value.remedy


def test_a_named_device_is_taken_without_a_word_on_others(machine):
    assert chosen("cuda") == ("cuda", "device: cuda, as asked for")
    assert chosen("cpu") == ("cpu", "device: cpu, as asked for")


def test_a_device_that_there_is_not_is_an_error():
    with pytest.raises(BackendError, match="no device called 'abacus'") as told:
        chosen("abacus")
    assert "auto, tensorrt, cuda, cpu" in told.value.remedy


def test_a_device_stays_open_for_the_block_and_no_longer(machine):
    with chosen_backend("cuda") as found:
        assert found.backend.memory() > 0
    with pytest.raises(BackendError, match="not open"):
        found.backend.memory()


def test_an_error_in_the_block_closes_the_device_and_comes_out(machine):
    @contextmanager
    def failing():
        with chosen_backend("cuda"):
            yield

    with pytest.raises(KeyError), failing():
        raise KeyError


def test_bindings_that_are_not_there_are_told(monkeypatch):
    if importlib.util.find_spec("cuda") is None:
        monkeypatch.delitem(sys.modules, "reel.engine.device.cudart", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "reel.engine.device.cudart", None)
    with pytest.raises(BackendError, match="bindings of CUDA cannot be loaded") as told:
        choice._runtime()
    assert "pip install" in told.value.remedy


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_on_this_machine_a_device_that_it_lacks_is_refused_before_anything_is_read(device, tmp_path):
    try:
        choice.find_gpu()
    except BackendError:
        with pytest.raises(BackendError, match=r"not installed|cannot be loaded|CUDA failed|no CUDA"):
            reel.restore(tmp_path / "no film.mp4", order=["edvr-m"], device=device)
    else:
        pytest.skip("needs a machine without a GPU")


def test_the_graph_that_devices_are_tried_with_is_one():
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    model = onnx.load_model_from_string(choice._TINY)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Add"]
