"""Pictures on their way through a device, from planes to planes, on one that is none."""

import numpy as np
import pytest
from reel.engine.device.array import DeviceArray
from reel.engine.graph_operations import GraphOperations, samples_of
from reel.engine.operations import HostOperations
from reel.engine.pictures import layout_of
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
    return GraphOperations(
        gpu.backend,
        artifact,
        upload=gpu.device.upload,
        download=lambda array: gpu.device.download(array).wait(),
    )


def film(layout, count, height, width):
    noise = np.random.default_rng(1)
    half = (-(-height // 2), -(-width // 2))
    top = 2**layout.bits
    for _ in range(count):
        yield [noise.integers(0, top, size).astype(layout.dtype) for size in ((height, width), half, half)]


def through(operations, planes, layout):
    """Take a picture through all that is done to one, with a network that gives back what it sees."""
    pixels = operations.ingested(planes, layout, **CODING)
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
                samples = samples_of(gpu.device.download(found).wait(), layout)
                assert samples.dtype == plane.dtype
                far = np.abs(samples.astype(int) - plane)
                assert far.max() <= 1
                if precision == "fp32":  # the last digit of a resize may decide a rounding
                    assert (far > 0).mean() < 1e-3


def test_whether_two_pictures_are_the_same_is_told_of_pictures_on_the_device(gpu, store):
    layout = layout_of("yuv420p")
    first, second = film(layout, 2, 15, 23)
    with operations_on(gpu, store.find(PICTURES)) as operations:
        pixels, again, other = (
            operations.ingested(planes, layout, **CODING) for planes in (first, first, second)
        )
        assert operations.is_same(pixels, again)
        assert not operations.is_same(pixels, other)
