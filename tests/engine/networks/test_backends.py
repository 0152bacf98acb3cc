"""Backends load graphs, run them, and stop when they are told to."""

import resource
import sys
import threading
import time

import numpy as np
import pytest
from reel.engine.backends.cpu import CpuBackend
from reel.errors import BackendError

onnx = pytest.importorskip("onnx", reason="needs onnx to make graphs")


def graph_of_convolutions(path, count):
    """Write a graph of ``count`` convolutions of 32 channels, one after the other."""
    weight = np.full((32, 32, 3, 3), 1 / 288, np.float32)
    nodes = [
        onnx.helper.make_node("Conv", [f"x{i}", "w"], [f"x{i + 1}"], pads=[1, 1, 1, 1]) for i in range(count)
    ]
    shape = [1, 32, "H", "W"]
    graph = onnx.helper.make_graph(
        nodes,
        "convolutions",
        [onnx.helper.make_tensor_value_info("x0", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info(f"x{count}", onnx.TensorProto.FLOAT, shape)],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9), str(path))
    return path


def test_a_graph_runs_on_inputs_by_name(tmp_path):
    session = CpuBackend().load(graph_of_convolutions(tmp_path / "a.onnx", 1))
    (found,) = session(x0=np.ones((1, 32, 5, 5), np.float32))
    assert found[0, 0, 2, 2] == pytest.approx(1.0, abs=1e-5)
    session.close()


def faults_of_a_later_run(session):
    picture = np.ones((1, 32, 512, 512), np.float32)
    first = session(x0=picture)[0].copy()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    (later,) = session(x0=picture)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    np.testing.assert_array_equal(first, later)
    return later, faults


@pytest.mark.skipif(sys.platform != "linux", reason="what the system does with memory is Linux's here")
def test_memory_is_asked_of_the_system_once_where_it_is_kept(tmp_path):
    path = graph_of_convolutions(tmp_path / "a.onnx", 3)
    given_back, again = faults_of_a_later_run(CpuBackend().load(path))
    kept, later = faults_of_a_later_run(CpuBackend().load(path, keep=True))
    np.testing.assert_array_equal(given_back, kept)
    assert later < again / 2


def test_a_run_under_way_ends_when_it_is_interrupted(tmp_path):
    session = CpuBackend().load(graph_of_convolutions(tmp_path / "a.onnx", 400))
    picture = np.ones((1, 32, 512, 512), np.float32)  # a minute or so
    threading.Timer(0.5, session.interrupt).start()
    began = time.monotonic()
    with pytest.raises(BackendError):
        session(x0=picture)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("content", [b"", b"no graph"])
def test_a_file_that_is_no_graph_is_refused_with_a_remedy(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(BackendError, match="reel-export"):
        CpuBackend().load(tmp_path / "a.onnx")


def test_an_input_of_the_wrong_shape_is_an_error_of_the_backend(tmp_path):
    session = CpuBackend().load(graph_of_convolutions(tmp_path / "a.onnx", 1))
    with pytest.raises(BackendError):
        session(x0=np.ones((1, 3, 5, 5), np.float32))
