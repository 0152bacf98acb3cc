"""What the other tests show on a device that is none, on one that is there: ``pytest -m gpu``."""

import numpy as np
import pytest
from reel.engine.backends.choice import chosen_backend
from reel.engine.device.array import pixels_of
from reel.engine.device.device import Device
from reel.engine.device.parts import part_of
from reel.engine.device.transfers import in_flight
from reel.engine.networks.backend import LoadedNetwork
from reel.errors import BackendError, OutOfMemoryError
from reel.models.gpu import find_gpu

pytestmark = pytest.mark.gpu


@pytest.fixture
def runtime():
    try:
        find_gpu()
    except BackendError as error:
        pytest.skip(f"needs a GPU: {error}")
    from reel.engine.device.cudart import Cudart

    found = Cudart()
    found.prepare()
    return found


@pytest.fixture
def device(runtime):
    with Device(runtime) as opened:
        yield opened


def pictures(count, shape=(1, 3, 270, 480)):
    return np.random.default_rng(1).random((count, *shape), np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_arrays_go_to_the_device_and_come_back(device, dtype):
    given = pictures(40)
    found = list(in_flight(device.download(device.upload(each, dtype)) for each in given))
    np.testing.assert_array_equal(found, given.astype(dtype))


def test_parts_are_those_of_slices(device):
    (whole,) = pictures(1)
    place = (slice(None), slice(None), slice(31, 200), slice(7, 401))
    array = device.upload(whole)
    for _ in range(50):  # memory that is given back is used again at once
        part = part_of(array, place)
    np.testing.assert_array_equal(pixels_of(part), whole[place])


def test_a_device_without_room_says_so_and_goes_on(device):
    with pytest.raises(OutOfMemoryError):
        device.empty((1 << 45,), np.uint8)
    (given,) = pictures(1)
    np.testing.assert_array_equal(pixels_of(device.upload(given)), given)


def test_memory_is_given_back(runtime):
    def used_once():
        with Device(runtime) as device:
            for each in pictures(8):
                pixels_of(device.upload(each))
        return runtime.memory()[0]

    assert used_once() == used_once() == used_once()


@pytest.mark.parametrize("name", ["cuda", "auto"])
def test_a_gpu_is_taken_where_there_is_one(runtime, name):
    with chosen_backend(name) as choice:
        assert choice.backend.name in ("cuda", "tensorrt"), choice.why


def test_networks_give_what_they_give_on_the_cpu(runtime, tmp_path_factory):
    pytest.importorskip("onnx", reason="needs onnx to make graphs")
    from reel.tests.engine.device import test_cuda as small

    folder = small.write_graphs(tmp_path_factory.mktemp("graphs"))
    film = small.frames(12, 96, 128)
    with chosen_backend("cuda") as choice:
        for memory in (None, (100 + 10) * 96 * 128 // 3):
            files = small.Files(folder)
            with LoadedNetwork(small.NETWORK, files, choice.backend, memory=memory) as network:
                found = [pixels_of(value) for value in small.chain(network, film)]
            np.testing.assert_allclose(found, small.expected(folder, film, memory), atol=1e-5)
