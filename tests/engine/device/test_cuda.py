"""The backend ``cuda``: whole networks through arrays on a device, to the bit, without misuse of it."""

import numpy as np
import onnxruntime
import pytest
from reel.engine.backends.cpu import CpuBackend
from reel.engine.device.array import DeviceArray, pixels_of
from reel.engine.device.device import Device
from reel.engine.device.transfers import in_flight
from reel.engine.networks.backend import LoadedNetwork
from reel.errors import BackendError, OutOfMemoryError
from reel.models.edvr import EDVR_M
from reel.models.spec import Graph, Tensor, Tiling
from reel.tests.engine.device.fake_runtime import FakeRuntime

onnx = pytest.importorskip("onnx", reason="needs onnx to make graphs")

FRAME, HALF, LARGE = (1, 3, "H", "W"), (1, 4, "H/2", "W/2"), (1, 3, "4*H", "4*W")


def graph(path, nodes, inputs, outputs, weights=(), *, kind=np.float32):
    """Write a graph; inputs and outputs are names and shapes."""
    dtype = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    tensors = [
        [onnx.helper.make_tensor_value_info(name, dtype, shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    values = [onnx.numpy_helper.from_array(value, name) for name, value in dict(weights).items()]
    made = onnx.helper.make_graph(nodes, path.stem, *tensors, values)
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(made, opset_imports=[opset], ir_version=9), str(path))
    return path


def node(kind, inputs, outputs, **attributes):
    return onnx.helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_graphs(tmp_path_factory.mktemp("graphs"))


def write_graphs(place):
    """Write graphs as of a small upscaler: of a frame at half its size, of two frames together, and large."""
    rng = np.random.default_rng(3)

    def weight(*shape):
        return rng.normal(0, 0.3, shape).astype(np.float32)

    graph(
        place / "features.onnx",
        [node("Conv", "frame w", "features", strides=[2, 2], pads=[1, 1, 1, 1])],
        {"frame": FRAME},
        {"features": HALF},
        {"w": weight(4, 3, 3, 3)},
    )
    graph(
        place / "fuse.onnx",
        [
            node("Concat", "first second", "both", axis=1),
            node("Conv", "both w", "close", pads=[1, 1, 1, 1]),
            node("Mul", "close t", "fused"),
        ],
        {"first": HALF, "second": HALF, "t": (1,)},
        {"fused": HALF},
        {"w": weight(4, 8, 3, 3)},
    )
    graph(
        place / "enlarge.onnx",
        [
            node("Resize", "fused  s", "spread", mode="nearest"),
            node("Conv", "spread w", "detail", pads=[1, 1, 1, 1]),
            node("Resize", "frame  f", "base", mode="nearest"),
            node("Add", "detail base", "enlarged"),
        ],
        {"frame": FRAME, "fused": HALF},
        {"enlarged": LARGE},
        {
            "w": weight(3, 4, 3, 3),
            "s": np.array([1, 1, 8, 8], np.float32),
            "f": np.array([1, 1, 4, 4], np.float32),
        },
    )
    for item in place.glob("*.onnx"):  # an empty name is an input that is left out
        model = onnx.load(str(item))
        for each in model.graph.node:
            if each.op_type == "Resize":
                each.input[:] = [each.input[0], "", each.input[1]]
        onnx.save(model, str(item))
    return place


class Files:
    """An artifact of these graphs."""

    def __init__(self, folder):
        self._folder = folder

    def path(self, name):
        return self._folder / f"{name}.onnx"


def tensors(**shapes):
    return tuple(Tensor(name, shape) for name, shape in shapes.items())


NETWORK = type(EDVR_M)(
    **{field: getattr(EDVR_M, field) for field in EDVR_M.__slots__}
    | {
        "name": "small",
        "held": 10,
        "graphs": (
            Graph("features", tensors(frame=FRAME), tensors(features=HALF), 100, Tiling(2, 2)),
            Graph("fuse", tensors(first=HALF, second=HALF, t=(1,)), tensors(fused=HALF), 100, Tiling(2, 2)),
            Graph("enlarge", tensors(frame=FRAME, fused=HALF), tensors(enlarged=LARGE), 100, Tiling(4, 2)),
        ),
    }
)


def frames(count, height=48, width=64):
    return list(np.random.default_rng(4).random((count, 1, 3, height, width), np.float32))


def chain(network, film):
    """Give, for each two frames, what the graphs make of them, wherever it is."""
    (last,) = network.run("features", frame=film[0])
    for frame in film[1:]:
        (features,) = network.run("features", frame=frame)
        t = np.array([0.25], np.float32)
        (fused,) = network.run("fuse", first=last, second=features, t=t)
        (enlarged,) = network.run("enlarge", frame=frame, fused=fused)
        last = features
        yield enlarged


def expected(folder, film, memory=None):
    with LoadedNetwork(NETWORK, Files(folder), CpuBackend(1), memory=memory) as network:
        return list(chain(network, film))


@pytest.mark.parametrize("keep", [False, True])
def test_a_network_gives_what_it_gives_on_the_cpu_to_the_bit(gpu, folder, keep):
    film = frames(6)
    with LoadedNetwork(NETWORK, Files(folder), gpu.backend, keep=keep) as network:
        found = list(chain(network, film))
        assert all(isinstance(value, DeviceArray) for value in found)
        found = [pixels_of(value) for value in found]
    np.testing.assert_array_equal(found, expected(folder, film))


def test_a_network_gives_the_same_in_parts(gpu, folder):
    film = frames(3)
    memory = (100 + 10) * 48 * 64 // 3
    with LoadedNetwork(NETWORK, Files(folder), gpu.backend, memory=memory) as network:
        found = [pixels_of(value) for value in chain(network, film)]
    assert gpu.fake.calls.count("copy_block") > 10
    np.testing.assert_array_equal(found, expected(folder, film, memory))
    np.testing.assert_allclose(found, expected(folder, film), atol=1e-6)


def test_frames_go_in_are_computed_and_come_out_at_once(gpu, folder):
    film = frames(12)
    with LoadedNetwork(NETWORK, Files(folder), gpu.backend) as network:
        coming = (gpu.device.download(value) for value in chain(network, film))
        found = list(in_flight(coming))
    # Three graphs for each frame but the first, a unit of time each, and at first and last a copy.
    assert gpu.fake.now == 1 + (3 * 11 + 1) + 1
    np.testing.assert_array_equal(found, expected(folder, film))


def test_nothing_but_a_download_is_waited_for(gpu, folder):
    with LoadedNetwork(NETWORK, Files(folder), gpu.backend) as network:
        values = list(chain(network, frames(3)))
        # The fourth upload of a size waits for the first.
        assert {op.name for op in gpu.fake.ran} <= {"allocate", "copy_in", "record"}
        del values


def test_every_session_is_given_the_one_stream_and_falls_back_to_nothing(gpu, folder):
    with LoadedNetwork(NETWORK, Files(folder), gpu.backend):
        sessions = gpu.onnxruntime.sessions
    assert {session.given["user_compute_stream"] for session in sessions} == {str(gpu.device.compute)}
    assert {session.given["use_tf32"] for session in sessions} == {"0"}
    assert not any(session.falls_back for session in sessions)


def test_onnx_runtime_has_what_is_used_of_it(folder):
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    path = str(folder / "features.onnx")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    parts = session.get_provider_graph_assignment_info()
    nodes = {(part.ep_name, node.op_type) for part in parts for node in part.get_nodes()}
    assert nodes == {("CPUExecutionProvider", "Conv")}
    session.disable_fallback()
    running = onnxruntime.RunOptions()
    running.add_run_config_entry("disable_synchronize_execution_providers", "1")
    running.log_severity_level, running.terminate = 4, False
    given = frames(1)[0]
    result = np.empty((1, 4, 24, 32), np.float32)
    binding = session.io_binding()
    binding.bind_input("frame", "cpu", 0, given.dtype.type, given.shape, given.ctypes.data)
    binding.bind_output("features", "cpu", 0, result.dtype.type, result.shape, result.ctypes.data)
    session.run_with_iobinding(binding, running)
    np.testing.assert_array_equal(result, session.run(None, {"frame": given})[0])
    assert callable(onnxruntime.preload_dlls)


def refused(gpu, folder, match):
    with pytest.raises(BackendError, match=match) as told:
        gpu.backend.load(folder / "features.onnx")
    return told.value


def test_an_onnx_runtime_without_cuda_is_refused(gpu, folder):
    gpu.onnxruntime.available = ["CPUExecutionProvider"]
    assert "onnxruntime-gpu" in refused(gpu, folder, "has no CUDA").remedy


def test_an_onnx_runtime_that_falls_back_to_the_cpu_is_refused(gpu, folder):
    gpu.onnxruntime.started = ["CPUExecutionProvider"]
    refused(gpu, folder, "would go on with the CPU")


@pytest.mark.parametrize("kinds", [["GridSample"], ["Shape", "Conv", "Gather"]])
def test_a_graph_of_which_a_part_would_run_on_the_cpu_is_refused(gpu, folder, kinds):
    gpu.onnxruntime.elsewhere = kinds
    refused(gpu, folder, f"no CUDA kernel for {kinds[-1] if len(kinds) == 1 else kinds[1]} of")


def test_shapes_may_be_found_out_on_the_cpu(gpu, folder):
    gpu.onnxruntime.elsewhere = ["Shape", "Slice", "Cast", "Concat"]
    gpu.backend.load(folder / "features.onnx")


def test_a_graph_that_cannot_be_loaded_is_told_with_a_remedy(gpu, folder):
    gpu.onnxruntime.loading = RuntimeError("libcudnn.so.9: cannot open shared object file")
    assert "cudnn" in refused(gpu, folder, "libcudnn").remedy
    gpu.onnxruntime.loading = RuntimeError("CUDA failure 2: out of memory")
    assert isinstance(refused(gpu, folder, "not enough memory"), OutOfMemoryError)


@pytest.mark.parametrize(
    "words",
    ["Failed to allocate memory for requested buffer of size 1", "CUDA failure 2: out of memory"],
)
def test_a_network_without_memory_goes_on_in_parts(gpu, folder, words):
    film = frames(2)
    with LoadedNetwork(NETWORK, Files(folder), gpu.backend) as network:
        gpu.onnxruntime.error = RuntimeError(words)
        (features,) = network.run("features", frame=film[0])
        np.testing.assert_array_equal(
            pixels_of(features), pixels_of(gpu.backend.load(folder / "features.onnx")(frame=film[0])[0])
        )
    assert gpu.fake.calls.count("copy_block") > 1


def test_a_failing_run_is_told_and_leaves_nothing_behind(gpu, folder):
    session = gpu.backend.load(folder / "features.onnx")
    gpu.onnxruntime.error = RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")
    with pytest.raises(BackendError, match="EXECUTION_FAILED") as told:
        session(frame=frames(1)[0])
    assert not isinstance(told.value, OutOfMemoryError)


def test_a_run_that_is_interrupted_ends(gpu, folder):
    session = gpu.backend.load(folder / "features.onnx")
    session.interrupt()
    with pytest.raises(BackendError, match="terminate"):
        session(frame=frames(1)[0])


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        (
            {"frame": np.zeros((1, 3, 9, 9), np.float32), "fused": np.zeros((1, 4, 6, 6), np.float32)},
            "is not",
        ),
        (
            {"frame": np.zeros((1, 2, 8, 8), np.float32), "fused": np.zeros((1, 4, 4, 4), np.float32)},
            "is not",
        ),
        ({"frame": np.zeros((3, 8, 8), np.float32), "fused": np.zeros((1, 4, 4, 4), np.float32)}, "is not"),
        ({"frame": np.zeros((1, 3, 8, 8), np.float32)}, "'fused' is not given"),
        ({"other": np.zeros((1, 3, 8, 8), np.float32)}, "no input 'other'"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(gpu, folder, inputs, match):
    session = gpu.backend.load(folder / "enlarge.onnx")
    with pytest.raises(BackendError, match=match):
        session(**inputs)


def test_an_array_of_another_type_than_the_graph_takes_is_refused(gpu, folder):
    session = gpu.backend.load(folder / "features.onnx")
    with pytest.raises(BackendError, match="as float32, not as float16"):
        session(frame=gpu.device.upload(frames(1)[0], np.float16))


def test_a_graph_of_halves_is_given_halves(gpu, tmp_path):
    path = graph(
        tmp_path / "double.onnx", [node("Add", "frame frame", "twice")], {"frame": FRAME}, {"twice": FRAME},
        kind=np.float16,
    )  # fmt: skip
    (twice,) = gpu.backend.load(path)(frame=frames(1)[0])
    assert twice.dtype == np.float16
    np.testing.assert_array_equal(pixels_of(twice), 2 * frames(1)[0].astype(np.float16).astype(np.float32))


def test_an_output_of_unknown_shape_is_refused(gpu, tmp_path):
    nodes = [node("NonZero", "frame", "places"), node("Cast", "places", "found", to=onnx.TensorProto.FLOAT)]
    path = graph(tmp_path / "a.onnx", nodes, {"frame": FRAME}, {"found": (4, "n")})
    with pytest.raises(BackendError, match="does not say how long"):
        gpu.backend.load(path)(frame=frames(1)[0])


def calls_of_a_chain(folder, fail_at=None):
    from reel.engine.backends import cuda
    from reel.tests.engine.device.fake_onnxruntime import FakeOnnxRuntime

    fake = FakeRuntime(fail_at=fail_at)
    before, cuda.onnxruntime = cuda.onnxruntime, FakeOnnxRuntime(fake)
    try:
        with (
            Device(fake) as device,
            LoadedNetwork(NETWORK, Files(folder), cuda.CudaBackend(device)) as network,
        ):
            for value in chain(network, frames(2)):
                pixels_of(value)
    except BackendError as error:
        return fake, error.message
    finally:
        cuda.onnxruntime = before
    return fake, None


def test_every_call_of_a_chain_that_fails_is_told_and_leaves_nothing_behind(folder):
    fake, error = calls_of_a_chain(folder)
    assert error is None
    fake.check()
    for call in range(1, len(fake.calls) + 1):
        fake, error = calls_of_a_chain(folder, call)
        assert error is not None, f"call {call} failed and nobody said so"
        assert "made to fail" in error
        fake.check()
