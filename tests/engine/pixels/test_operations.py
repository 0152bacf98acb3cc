"""Operations on pictures: in NumPy what the stages do, as graphs loaded and uploaded no more than needed."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reel.engine.pixels.frame import Frame
from reel.engine.pixels.graph_operations import GraphOperations, bytes_of, graphs_in, planes_of, samples_of
from reel.engine.pixels.operations import HostOperations
from reel.engine.pixels.parity import Parity
from reel.engine.pixels.resample import lanczos, lanczos_weights
from reel.engine.reading.pictures import layout_of
from reel.engine.stages.colourise import Colourise
from reel.errors import StoreError
from reel.models.deoldify import DEOLDIFY
from reel.models.pictures import READ
from reel.models.store import Store


class Recorded:
    """A stand-in for a backend: knows what was loaded, run and closed."""

    name = "recorded"

    def __init__(self, gives=None):
        self.gives = gives
        self.loaded, self.open, self.interrupted, self.runs = [], set(), set(), []

    def load(self, path, *, keep=False):
        graph = path.stem
        self.loaded.append(graph)
        self.open.add(graph)

        def run(**inputs):
            assert graph in self.open
            self.runs.append((graph, inputs))
            return (self.gives,)

        return Session(run, lambda: self.open.discard(graph), lambda: self.interrupted.add(graph))


class Session:
    def __init__(self, run, close, interrupt):
        self.run, self.close, self.interrupt = run, close, interrupt

    def __call__(self, **inputs):
        return self.run(**inputs)


ARTIFACT = SimpleNamespace(path=lambda graph: Path(f"{graph}.onnx"))


@pytest.fixture
def pixels():
    return np.random.default_rng(1).random((1, 3, 30, 40), np.float32)


@pytest.mark.parametrize("parity", Parity)
def test_numpy_colours_as_the_stage_does(pixels, parity):
    seen = np.random.default_rng(2).normal(0, 1, (1, 3, 32, 32)).astype(np.float32)
    looked = []

    class Network:
        network = DEOLDIFY

        def run(self, graph, picture):
            looked.append(picture)
            return (seen,)

    frame = Frame(pixels, 0, 1)
    (expected,) = Colourise(Network(), render_factor=2, parity=parity)(iter([frame]))
    operations = HostOperations(parity)
    np.testing.assert_array_equal(operations.look(pixels, 32), looked[0])
    np.testing.assert_array_equal(operations.coloured(pixels, seen), expected.pixels)


def test_numpy_finishes_a_part_without_writing_into_the_whole(pixels):
    beyond = pixels * 3 - 1
    before = beyond.copy()
    part = HostOperations().finished(beyond, top=3, left=5, height=7, width=9)
    np.testing.assert_array_equal(part, np.clip(before[:, :, 3:10, 5:14], 0, 1))
    assert part.flags.c_contiguous
    whole = HostOperations().finished(beyond, top=0, left=0, height=30, width=40)
    np.testing.assert_array_equal(whole, np.clip(before, 0, 1))
    np.testing.assert_array_equal(beyond, before)
    bytes_ = HostOperations(Parity.PPGAN).finished(beyond, top=0, left=0, height=30, width=40)
    np.testing.assert_array_equal(bytes_, np.rint(np.clip(before, 0, 1) * np.float32(255)) / np.float32(255))


@pytest.mark.parametrize(("count", "target"), [(30, 30), (30, 71), (30, 7), (1, 5), (100, 33)])
def test_the_matrix_of_a_resize_does_what_the_resize_does(count, target):
    line = np.random.default_rng(3).random((1, count), np.float32)
    by_matrix = np.clip(line @ lanczos_weights(count, target).T, 0, 1)
    np.testing.assert_allclose(by_matrix, lanczos(line, 1, target), atol=1e-6)


def test_a_graph_is_loaded_when_it_is_needed_and_once(pixels):
    backend = Recorded()
    with GraphOperations(backend, ARTIFACT) as operations:
        assert backend.loaded == []
        for _ in range(3):
            operations.padded(pixels, top=1, bottom=0, left=0, right=0)
        operations.look(pixels, 32)
        assert backend.loaded == ["place", "look"]
        assert backend.open == {"place", "look"}
        operations.interrupt()
        assert backend.interrupted == {"place", "look"}
    assert backend.open == set()


def test_what_stays_the_same_is_uploaded_once(pixels):
    uploads, backend = [], Recorded()

    def upload(array, *, lane=0):
        uploads.append(array.dtype)
        return array

    layout = layout_of("yuv420p")
    planes = [np.zeros((4, 6), np.uint8), *np.zeros((2, 2, 3), np.uint8)]
    with GraphOperations(backend, ARTIFACT, upload=upload) as operations:
        for _ in range(3):
            operations.ingested(planes, layout, matrix=6, full_range=False)
        assert uploads.count(np.float32) == 1
        assert uploads.count(np.uint8) == 9
        operations.ingested(planes, layout, matrix=6, full_range=True)
        assert uploads.count(np.float32) == 2
        uploads.clear()
        for _ in range(3):
            operations.finished(pixels, top=0, left=0, height=9, width=12)
            operations.resized(pixels, 20, 20)
            operations.look(pixels, 32)
            operations.coloured(pixels, pixels)
            operations.emitted(pixels, layout, matrix=6, full_range=False)
        assert sorted(map(str, uploads)) == ["float32"] * 7 + ["int32"] * 4


def test_whether_pictures_are_the_same_is_asked_only_where_it_must_be(pixels):
    backend = Recorded(gives=np.array([1], np.uint8))
    with GraphOperations(backend, ARTIFACT) as operations:
        assert operations.is_same(pixels, pixels)
        assert not operations.is_same(pixels, pixels[:, :, 1:])
        assert backend.runs == []
        assert operations.is_same(pixels, pixels.copy())
        assert [graph for graph, _ in backend.runs] == ["same"]


@pytest.mark.parametrize(
    ("name", "left", "graphs"),
    [
        ("yuv420p", True, "420"),
        ("yuvj420p", False, "420-between"),
        ("yuv422p10le", True, "422-deep"),
        ("yuv422p12le", False, "422-between-deep"),
        ("yuv440p", False, "440"),
        ("yuv444p12le", False, "444-deep"),
        ("gray", True, "grey"),
        ("gray16le", True, "grey-deep"),
        ("gbrp", True, "rgb"),
        ("gbrp9le", True, "rgb-deep"),
    ],
)
def test_every_planar_format_has_its_graphs_and_keeps_its_samples(name, left, graphs):
    layout = layout_of(name, left=left)
    assert planes_of(layout) in READ
    assert planes_of(layout).name == graphs
    samples = np.random.default_rng(4).integers(0, 2**layout.bits, (5, 7)).astype(layout.dtype)
    there = bytes_of(samples)
    assert there.dtype == np.uint8
    assert there.shape == ((1, 1, 5, 7) if layout.bits == 8 else (1, 1, 5, 7, 2))
    back = samples_of(there, layout)
    assert back.dtype == samples.dtype
    np.testing.assert_array_equal(back, samples)


def test_bytes_of_samples_have_the_lower_one_first():
    there = bytes_of(np.array([[0x1234, 0x00FF]], np.uint16))
    assert there[0, 0, 0].tolist() == [[0x34, 0x12], [0xFF, 0x00]]
    turns = bytes_of(np.array([[0x1234, 0x00FF]], np.uint16), joined=True)
    assert turns[0, 0, 0].tolist() == [[[0x34, 0x12], [0xFF, 0x00]]]


def test_a_store_without_the_graphs_says_how_they_come_there(tmp_path):
    with pytest.raises(StoreError) as caught:
        graphs_in(Store(tmp_path), precision="fp16")
    assert "has not been exported" in caught.value.message
    assert "reel-export --precision fp16" in caught.value.remedy
