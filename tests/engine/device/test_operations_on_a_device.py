"""Pictures on their way through a device, from planes to planes, on one that is none."""

import numpy as np
import pytest
from reel.engine.device.array import DeviceArray, pixels_of
from reel.engine.pixels.graph_operations import GraphOperations, samples_of
from reel.engine.pixels.operations import HostOperations
from reel.engine.pixels.turn import Turn
from reel.engine.reading.pictures import layout_of
from reel.models.pictures import PICTURES
from reel.models.store import Store

pytest.importorskip("onnx", reason="needs onnx to make graphs")

CODING = {"matrix": 6, "full_range": False}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    from reel.export.pictures import export_pictures

    store = Store(tmp_path_factory.mktemp("store"))
    for precision in ("fp32", "fp16"):
        export_pictures(store, precision=precision)
    return store


def operations_on(gpu, artifact):
    return GraphOperations(gpu.backend, artifact, upload=gpu.device.upload)


def film(layout, count, height, width):
    noise = np.random.default_rng(1)
    half = (-(-height // 2), -(-width // 2))
    top = 2**layout.bits
    for _ in range(count):
        yield [noise.integers(0, top, size).astype(layout.dtype) for size in ((height, width), half, half)]


def through(operations, planes, layout):
    """Take a picture through all that is done to one, with a network that gives back what it sees."""
    pixels = operations.ingested(planes, layout, **CODING)
    pixels = operations.turned(pixels, Turn(across=True, down=True))
    padded = operations.padded(pixels, top=1, bottom=2, left=3, right=4)
    part = operations.finished(padded, top=1, left=3, height=pixels.shape[2], width=pixels.shape[3])
    coloured = operations.coloured(part, operations.look(part, 32))
    larger = operations.resized(coloured, 2 * pixels.shape[2], 2 * pixels.shape[3])
    return operations.emitted(larger, layout, **CODING)


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_pictures_go_from_planes_to_planes_on_the_device(gpu, store, name, precision):
    layout = layout_of(name)
    host = HostOperations()
    with operations_on(gpu, store.find(PICTURES, precision=precision)) as operations:
        for planes in film(layout, 3, 15, 23):
            emitted = through(operations, planes, layout)
            assert all(isinstance(plane, DeviceArray) for plane in emitted)
            expected = through(host, planes, layout)
            for plane, found in zip(expected, emitted, strict=True):
                samples = samples_of(found, layout)
                assert samples.dtype == plane.dtype
                far = np.abs(samples.astype(int) - plane)
                assert far.max() <= 1
                if precision == "fp32":  # the last digit of a resize may decide a rounding
                    assert (far > 0).mean() < 1e-3


def test_what_must_be_known_here_is_told_of_pictures_on_the_device(gpu, store):
    layout = layout_of("yuv420p")
    first, second = film(layout, 2, 15, 23)
    with operations_on(gpu, store.find(PICTURES)) as operations:
        pixels, again, other = (
            operations.ingested(planes, layout, **CODING) for planes in (first, first, second)
        )
        assert operations.is_same(pixels, again)
        assert not operations.is_same(pixels, other)
        assert operations.is_held(pixels, again)
        assert not operations.is_held(pixels, other)
        np.testing.assert_allclose(
            operations.thumbnail(pixels), HostOperations().thumbnail(pixels_of(pixels)), atol=1e-6
        )


def test_planes_that_a_decoder_left_on_the_device_are_taken_from_there(gpu, store):
    layout = layout_of("yuv420p")
    (planes,) = film(layout, 1, 15, 23)
    luma, u, v = (plane[None, None] for plane in planes)
    decoded = [gpu.device.upload(luma), gpu.device.upload(np.stack([u, v], axis=-1))]
    with operations_on(gpu, store.find(PICTURES)) as operations:
        found = pixels_of(operations.ingested(decoded, layout, **CODING))
    np.testing.assert_array_equal(found, HostOperations().ingested(planes, layout, **CODING))


def test_pictures_on_a_device_are_brought_here_to_be_worked_on_in_numpy(gpu):
    host = HostOperations()
    pixels, other = np.random.default_rng(1).random((2, 1, 3, 15, 23), np.float32)
    layout = layout_of("yuv420p")

    def all_that_is_done(pixels, other):
        side = host.look(pixels, 32)
        yield side
        yield host.coloured(pixels, side)
        yield host.padded(pixels, top=1, bottom=2, left=3, right=4)
        yield host.finished(pixels, top=1, left=2, height=3, width=4)
        yield host.resized(pixels, 20, 30)
        yield from host.emitted(pixels, layout, **CODING)
        yield host.turned(pixels, Turn(transpose=True, across=True))
        yield host.thumbnail(pixels)
        yield np.array(
            [same(pixels, there) for same in (host.is_same, host.is_held) for there in (pixels, other)]
        )

    there = all_that_is_done(gpu.device.upload(pixels), gpu.device.upload(other))
    for expected, found in zip(all_that_is_done(pixels, other), there, strict=True):
        np.testing.assert_array_equal(found, expected)
