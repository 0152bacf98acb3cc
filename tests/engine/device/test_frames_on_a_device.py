"""Films through all three kinds of networks on a device that is none, to the bit and without misuse."""

import gc
from contextlib import ExitStack, closing
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from reel.engine.backends.cpu import CpuBackend
from reel.engine.device.array import DeviceArray, pixels_of
from reel.engine.device.device import Device
from reel.engine.job.restart import Trail
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.pixels.borders import Borders
from reel.engine.pixels.frame import Format, Frame
from reel.engine.pixels.graph_operations import GraphOperations
from reel.engine.pixels.parity import Parity
from reel.engine.runs.chain import restored, stage_names
from reel.engine.runs.on_device import OnDevice, picture_graphs
from reel.engine.runs.settings import Settings
from reel.engine.stages.cadence import Cadence
from reel.engine.timings import Clock
from reel.errors import BackendError, InputError, StoreError
from reel.models.manifest import network_named
from reel.models.pictures import PICTURES
from reel.models.store import Store
from reel.tests.cli.conftest import put_tiny
from reel.tests.engine.device.fake_onnxruntime import FakeOnnxRuntime
from reel.tests.engine.device.fake_runtime import FakeRuntime

pytest.importorskip("onnx", reason="needs onnx to make graphs")

CHAIN = ("dain", "deoldify", "edvr-m")
SETTINGS = Settings(order=CHAIN, render_factor=2, cadence=Cadence(factor=Fraction(2)))
RATE = 24
LARGE = Format(100, 72, Fraction(RATE), Fraction(1, RATE))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    from reel.export.pictures import export_pictures

    folder = tmp_path_factory.mktemp("store")
    for name in CHAIN:
        put_tiny(folder, network_named(name))
    for precision in ("fp32", "fp16"):
        export_pictures(Store(folder), precision=precision)
    return Store(folder)


class Film:
    """A source of frames: two shots that pan, and a frame that comes twice; broken where it is told to be."""

    path = "made-up.mp4"

    def __init__(self, count, *, breaks=None, size=(22, 30)):
        height, width = size
        noise = np.random.default_rng(5)
        shots = np.kron(noise.random((2, 3, height // 4 + 1, width // 4 + 1 + count)), np.ones((1, 1, 4, 4)))
        # Grain, so that no two frames are equal but the two that are to be.
        self.pictures = [
            shots[2 * n // count][None, :, :height, 4 * n : 4 * n + width].astype(np.float32)
            * np.float32(0.9)
            + noise.random((1, 3, height, width), np.float32) * np.float32(0.05)
            for n in range(count)
        ]
        self.pictures[2] = self.pictures[1].copy()
        self.breaks = breaks

    def frames(self):
        for index, pixels in enumerate(self.pictures):
            if index == self.breaks:
                raise InputError("The film is damaged.", "Use another one.")
            yield Frame(pixels, Fraction(index, RATE), Fraction(1, RATE), index)


class SameGraphs:
    """What is done on the device, done by the CPU with the same graphs."""

    def __init__(self, store):
        self.operations = GraphOperations(CpuBackend(1), store.find(PICTURES))
        self.arriving = iter

    def leaving(self, frames, coding):
        return iter(frames)


def through(film, store, backend, settings=SETTINGS, on_device=None, **around):
    """Give the frames of the result, made by all that a run makes them by."""
    with ExitStack() as stack:
        networks = [network_named(name) for name in settings.order]
        artifacts = [store.find(network) for network in networks]
        loaded = [
            stack.enter_context(LoadedNetwork(network, artifact, backend))
            for network, artifact in zip(networks, artifacts, strict=True)
        ]
        pictures = picture_graphs(artifacts, backend, settings.parity)
        if pictures is not None:
            on_device = stack.enter_context(OnDevice(backend.device, backend, pictures))
        frames = restored(film, loaded, settings, Clock(), Trail(), on_device=on_device, **around)
        yield from stack.enter_context(closing(frames))


def counted(fake):
    return {name: [each.name for each in fake.ran].count(name) for name in ("copy_in", "run", "copy_out")}


def assert_same_films(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.time, one.duration, one.index, one.cut) == (
            other.time,
            other.duration,
            other.index,
            other.cut,
        )
        assert isinstance(one.pixels, np.ndarray)
        assert one.pixels.dtype == np.float32
        np.testing.assert_array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("order", "around"),
    [
        (CHAIN, {}),
        (CHAIN[::-1], {}),
        (CHAIN, {"size": LARGE}),
        (("dain",), {"borders": Borders(4, 4, 0, 8)}),
        (("edvr-m",), {"since": Fraction(7, RATE)}),
        (("edvr-m", "deoldify"), {"borders": Borders(4, 0, 8, 0), "size": LARGE}),
    ],
)
@pytest.mark.parametrize("parity", list(Parity))
def test_a_film_is_the_same_as_on_the_cpu(gpu, store, order, around, parity):
    settings = replace(SETTINGS, order=order, parity=parity)
    found = list(through(Film(10), store, gpu.backend, settings, **around))
    expected = list(through(Film(10), store, CpuBackend(1), settings, **around))
    if parity is Parity.CORRECT:
        # NumPy sums up the products of a resize in another order, which is a digit or two of float32.
        resizes = 2 * ("deoldify" in order) + ("size" in around)
        far = 2 * resizes * np.finfo(np.float32).eps
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.pixels, other.pixels, rtol=0, atol=far)
        same = SameGraphs(store)
        with same.operations:
            expected = list(through(Film(10), store, CpuBackend(1), settings, on_device=same, **around))
    assert_same_films(found, expected)


def test_the_networks_that_come_with_reel_are_the_same_there(gpu, tmp_path):
    settings = replace(SETTINGS, order=("dain-s", "edvr-s-film"))
    store = Store(tmp_path)  # with nothing in it there are those that come with reel
    film = Film(3, size=(44, 60))
    same = SameGraphs(store)
    with same.operations:
        expected = list(through(film, store, CpuBackend(1), settings, on_device=same))
    found = list(through(film, store, gpu.backend, settings))
    assert found[0].pixels.shape == (1, 3, 176, 240)
    assert gpu.fake.calls.count("copy_out") == len({id(frame.pixels) for frame in found})
    assert_same_films(found, expected)


def test_frames_leave_the_device_only_at_the_end_and_nothing_is_asked_before(gpu, store):
    seen = list(through(Film(10), store, gpu.backend))
    assert len(seen) == 20
    assert gpu.fake.calls.count("copy_out") == len({id(frame.pixels) for frame in seen})


def test_equal_frames_are_uploaded_and_computed_once(gpu, store):
    film = Film(10)
    film.pictures = [film.pictures[0].copy() for _ in film.pictures]
    frames = list(through(film, store, gpu.backend, replace(SETTINGS, order=("deoldify",))))
    assert all(frame.pixels is frames[0].pixels for frame in frames)
    ran = counted(gpu.fake)
    assert ran["copy_out"] == 1
    assert ran["run"] == 3  # look, colour, merge
    assert ran["copy_in"] == 1 + 4  # the picture, and the weights of two resizes


@pytest.mark.parametrize("order", [(name,) for name in CHAIN] + [CHAIN])
def test_copies_and_networks_overlap(gpu, store, order):
    count = 24
    frames = list(through(Film(count), store, gpu.backend, replace(SETTINGS, order=order)))
    assert len(frames) == count * (2 if "dain" in order else 1)
    ran = counted(gpu.fake)
    busiest = max(ran.values())
    assert ran["run"] == busiest
    # At the beginning frames come in and at the end the last goes out.
    assert gpu.fake.now <= busiest + 12
    assert gpu.fake.now <= sum(ran.values()) - count


def test_the_next_frame_comes_in_while_one_is_computed_and_one_goes_out(gpu, store):
    list(through(Film(12), store, gpu.backend, replace(SETTINGS, order=("edvr-m",))))
    runs = [each for each in gpu.fake.ran if each.name == "run"]
    for name in ("copy_in", "copy_out"):
        # Once it is under way; copies out of a byte, which the next computation depends on, are short.
        copies = [each for each in gpu.fake.ran if each.name == name][4:-4]
        beside = [any(run.begin < copy.end and copy.begin < run.end for run in runs) for copy in copies]
        assert sum(beside) >= len(copies) // 2


def test_frames_come_in_while_a_stage_waits_for_the_device(gpu, store):
    count = 20
    given = (Frame(pixels, Fraction(n), Fraction(1)) for n, pixels in enumerate(Film(count).pictures))
    with OnDevice(gpu.device, gpu.backend, store.find(PICTURES)) as on_device:
        for frame in on_device.arriving(given):
            pixels_of(on_device.operations.finished(frame.pixels, top=0, left=0, height=8, width=8))
    # For each it is computed and copied out, while the next is copied in; it begins with copies in alone.
    assert gpu.fake.now <= 2 * count + 6


def test_frames_before_an_error_of_the_film_are_given_first(gpu, store):
    def made(backend):
        frames = []
        with pytest.raises(InputError, match="damaged"):
            frames.extend(through(Film(12, breaks=9), store, backend))
        return frames

    found, expected = made(gpu.backend), made(CpuBackend(1))
    assert len(found) == len(expected) > 0


def on_a_device(store, monkeypatch, fail_at=None, count=6, take=None):
    from reel.engine.backends import cuda

    fake = FakeRuntime(fail_at=fail_at)
    monkeypatch.setattr(cuda, "onnxruntime", FakeOnnxRuntime(fake))
    try:
        with Device(fake) as device:
            frames = through(Film(count), store, cuda.CudaBackend(device))
            with closing(frames):
                for number, frame in enumerate(frames, start=1):
                    assert not isinstance(frame.pixels, DeviceArray)
                    if number == take:
                        break
    finally:
        gc.collect()
        fake.check()
    return fake


def test_every_call_that_fails_is_told_and_nothing_is_left(store, monkeypatch):
    calls = len(on_a_device(store, monkeypatch, count=3).calls)
    assert calls > 200
    for number in range(1, calls + 1, 11):
        with pytest.raises(BackendError, match="was made to fail"):
            on_a_device(store, monkeypatch, fail_at=number, count=3)


def test_who_stops_midway_leaves_nothing(store, monkeypatch):
    on_a_device(store, monkeypatch, take=3)


def test_pictures_are_in_the_precision_of_the_networks(gpu, store):
    artifact = store.find(PICTURES, precision="fp16")
    with OnDevice(gpu.device, gpu.backend, artifact) as on_device:
        given = [Frame(pixels, Fraction(n), Fraction(1)) for n, pixels in enumerate(Film(6).pictures)]
        there = list(on_device.arriving(iter(given)))
        assert {frame.pixels.dtype for frame in there} == {np.dtype(np.float16)}
        assert there[1].pixels is there[2].pixels is not there[0].pixels
        for one, back in zip(given, on_device.leaving(iter(there)), strict=True):
            assert back.pixels.dtype == np.float32
            np.testing.assert_array_equal(back.pixels, one.pixels.astype(np.float16).astype(np.float32))
        del there


class Made:
    """Artifacts of a store of their own."""

    def __init__(self, store, precision):
        self.store = store
        self.card = type("Card", (), {"precision": precision})


def test_graphs_for_pictures_are_those_of_the_networks_precision(gpu, store):
    for precision in ("fp16", "fp32"):
        found = picture_graphs([Made(store, precision)] * 2, gpu.backend, Parity.CORRECT)
        assert (found.card.network, found.card.precision) == ("pictures", precision)


def test_frames_leave_the_device_between_networks_of_two_precisions(gpu, store, caplog):
    made = [Made(store, "fp16"), Made(store, "fp32")]
    assert picture_graphs(made, gpu.backend, Parity.CORRECT) is None
    assert "frames leave the device between them" in caplog.text


def test_a_store_without_graphs_for_pictures_says_how_to_make_them(gpu, tmp_path):
    made = Made(Store(tmp_path), "fp16")
    with pytest.raises(StoreError) as told:
        picture_graphs([made], gpu.backend, Parity.CORRECT)
    assert "reel-export --precision fp16" in told.value.remedy
    assert picture_graphs([made], gpu.backend, Parity.PPGAN) is None
    assert picture_graphs([made], CpuBackend(1), Parity.CORRECT) is None


def test_stages_are_called_in_the_order_in_which_frames_pass_them():
    networks = [network_named("edvr-m")]
    assert stage_names(networks, resizes=True, borders=True, on_device=False)[1:] == ("edvr-m", "resize")
    there = [stage_names(networks, resizes=True, borders=b, on_device=True)[2:] for b in (False, True)]
    assert there == [("resize", "download"), ("download", "resize")]
