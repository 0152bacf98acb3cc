"""Films that come to a device as planes and leave it as planes, on one that is none."""

import gc
from contextlib import closing
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from reel.engine.backends.cpu import CpuBackend
from reel.engine.device.device import Device
from reel.engine.pixels.borders import Borders
from reel.engine.pixels.coding import Layout
from reel.engine.pixels.colour import planes_from_rgb
from reel.engine.pixels.planar import Coding, Planar
from reel.engine.pixels.turn import Turn
from reel.engine.runs.settings import Settings
from reel.engine.stages.cadence import Cadence
from reel.errors import BackendError
from reel.models.manifest import network_named
from reel.models.pictures import PICTURES
from reel.models.store import Store
from reel.tests.cli.conftest import put_tiny
from reel.tests.engine.device.fake_onnxruntime import FakeOnnxRuntime
from reel.tests.engine.device.fake_runtime import FakeRuntime
from reel.tests.engine.device.test_frames_on_a_device import Film, SameGraphs, through

pytest.importorskip("onnx", reason="needs onnx to make graphs")

CHAIN = ("dain", "edvr-m")
SETTINGS = Settings(order=CHAIN, cadence=Cadence(factor=Fraction(2)))
USUAL = Coding(Layout("yuv", 8, half_width=True, half_height=True), 6, False)
DEEP = Coding(Layout("yuv", 10, half_width=True), 1, True)
RGB = Coding(Layout("rgb", 8), 0, True)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    from reel.export.pictures import export_pictures

    folder = tmp_path_factory.mktemp("store")
    for name in CHAIN:
        put_tiny(folder, network_named(name))
    export_pictures(Store(folder))
    return Store(folder)


class PlanarFilm(Film):
    """The same film, decoded to planes.

    Attributes:
        transparent: Which frames cannot be given as planes.
    """

    def __init__(self, count, coding, *, turn=None, transparent=(), **size):
        super().__init__(count, **size)
        self.planes = []
        for pixels in self.pictures:
            made = planes_from_rgb(pixels, coding.layout, matrix=coding.matrix, full_range=coding.full_range)
            self.planes.append(Planar(tuple(made), coding, turn))
        self.pictures = [planes.rgb() for planes in self.planes]
        self.transparent = transparent

    def frames(self):
        for frame, planes in zip(super().frames(), self.planes, strict=True):
            yield frame if frame.index in self.transparent else replace(frame, pixels=planes)


class SamePictures:
    """The film that was planes, as the CPU is given it."""

    path = "made-up.mp4"

    def __init__(self, film):
        self.frames = super(PlanarFilm, film).frames


def copied(gpu, kind):
    return sum(size for name, size in gpu.fake.copied if name == kind and size > 12)


@pytest.mark.parametrize(("given", "wanted"), [(USUAL, USUAL), (DEEP, RGB), (RGB, DEEP)])
@pytest.mark.parametrize("turn", [None, Turn(transpose=True, across=True)])
def test_planes_are_those_of_the_cpu_to_the_bit(gpu, store, given, wanted, turn):
    film = PlanarFilm(8, given, turn=turn)
    found = list(through(film, store, gpu.backend, SETTINGS, coding=wanted))
    same = SameGraphs(store)
    with same.operations:
        expected = list(through(SamePictures(film), store, CpuBackend(1), SETTINGS, on_device=same))
    assert len(found) == len(expected) == 16
    for one, other in zip(found, expected, strict=True):
        assert (one.time, one.index, one.cut) == (other.time, other.index, other.cut)
        assert one.picture.coding == wanted
        planes = planes_from_rgb(
            other.here, wanted.layout, matrix=wanted.matrix, full_range=wanted.full_range
        )
        for samples, codes in zip(one.picture.planes, planes, strict=True):
            np.testing.assert_array_equal(samples, codes)


def test_no_more_is_copied_than_the_samples(gpu, store):
    film = PlanarFilm(6, USUAL)
    frames = list(through(film, store, gpu.backend, replace(SETTINGS, order=("edvr-m",)), coding=USUAL))
    height, width = film.pictures[0].shape[2:]
    pictures = len({id(frame.picture) for frame in frames})
    assert pictures >= 5
    # One frame comes twice. Half as many samples of each colour difference each way, and what places cost.
    samples = height * width + 2 * (height // 2) * (width // 2)
    pictures_in = [size for name, size in gpu.fake.copied if name == "copy_in" and size % 165 == 0]
    assert sum(pictures_in) == 5 * samples
    assert copied(gpu, "copy_out") == pictures * 16 * samples


@pytest.mark.parametrize("around", [{"borders": Borders(4, 4, 0, 8)}, {}])
def test_what_is_still_worked_on_leaves_as_rgb(gpu, store, around):
    settings = replace(SETTINGS, order=("edvr-m",))
    film = PlanarFilm(6, USUAL)
    coding = USUAL if around else None
    found = list(through(film, store, gpu.backend, settings, coding=coding, **around))
    same = SameGraphs(store)
    with same.operations:
        given = SamePictures(film)
        expected = list(through(given, store, CpuBackend(1), settings, on_device=same, **around))
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one.pixels, np.ndarray)
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_frames_that_are_no_planes_go_along_with_those_that_are(gpu, store):
    settings = replace(SETTINGS, order=("edvr-m",))
    films = [PlanarFilm(6, USUAL, transparent=some) for some in ((), (1, 2, 4), range(6))]
    first, *others = (list(through(film, store, gpu.backend, settings, coding=USUAL)) for film in films)
    for frames in others:
        for one, other in zip(first, frames, strict=True):
            np.testing.assert_array_equal(one.here, other.here)


def test_the_device_is_not_kept_waiting_for_planes(gpu, store):
    count = 24
    frames = through(PlanarFilm(count, USUAL), store, gpu.backend, replace(SETTINGS, order=("edvr-m",)),
                     coding=USUAL)  # fmt: skip
    assert len(list(frames)) == count
    ran = [each.name for each in gpu.fake.ran]
    busiest = max(ran.count(name) for name in ("copy_in", "run", "copy_out"))
    # It begins with copies in alone and ends with copies out; a wait for each frame would be as much again.
    assert gpu.fake.now <= busiest + 24


def test_every_call_that_fails_is_told_and_nothing_is_left(store, monkeypatch):
    from reel.engine.backends import cuda

    def films(fail_at=None):
        fake = FakeRuntime(fail_at=fail_at)
        monkeypatch.setattr(cuda, "onnxruntime", FakeOnnxRuntime(fake))
        try:
            with Device(fake) as device, closing(
                through(PlanarFilm(3, USUAL), store, cuda.CudaBackend(device),
                        replace(SETTINGS, order=("edvr-m",)), coding=USUAL)
            ) as frames:  # fmt: skip
                for _ in frames:
                    pass
        finally:
            gc.collect()
            fake.check()
        return fake

    calls = len(films().calls)
    for number in range(1, calls + 1, 41):
        with pytest.raises(BackendError, match="was made to fail"):
            films(number)


def test_pictures_may_be_equal_by_their_samples(gpu, store):
    """Nobody asks the device: what came from here is compared here."""
    from reel.engine.runs.on_device import OnDevice

    film = PlanarFilm(6, USUAL)
    with OnDevice(gpu.device, gpu.backend, store.find(PICTURES)) as on_device:
        there = list(on_device.arriving(film.frames()))
        assert there[1].pixels is there[2].pixels is not there[0].pixels
        assert not on_device.operations.is_same(there[0].pixels, there[3].pixels)
        assert "copy_out" not in gpu.fake.calls
        del there


def test_planes_of_one_size_do_not_wait_for_each_other(gpu, store):
    from reel.engine.runs.on_device import OnDevice

    with OnDevice(gpu.device, gpu.backend, store.find(PICTURES)) as on_device:
        frames = on_device.arriving(PlanarFilm(8, USUAL, size=(80, 128)).frames())
        there = [next(frames), next(frames)]  # the second once two more are on their way, of which it is one
        assert gpu.fake.calls.count("copy_in") == 3 * 3 + 1
        assert "synchronise" not in gpu.fake.calls
        frames.close()
        del there
