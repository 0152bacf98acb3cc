"""Parts of arrays are the same on a device as NumPy's slices."""

import numpy as np
import pytest
from reel.engine.device.array import DeviceArray, pixels_of
from reel.engine.device.parts import empty_beside, part_of, put_part
from reel.errors import BackendError

ALL = slice(None)
PLACES = [
    ((1, 3, 8, 10), (ALL, ALL, slice(2, 5), slice(4, 9))),
    ((1, 3, 8, 10), (ALL, ALL, slice(2, 5), ALL)),
    ((1, 3, 8, 10), (ALL, ALL, ALL, slice(0, 9))),
    ((8, 10, 5), (slice(1, 8), slice(2, 10), ALL)),
    ((8, 10, 5), (slice(0, 1), ALL, ALL)),
    ((6,), (slice(1, 4),)),
    ((1, 3, 8, 10), (ALL, slice(1, 2), slice(2, 5), ALL)),
    ((1, 3, 8, 10), (ALL, ALL, slice(2, 2), ALL)),
]


def numbers(shape, dtype=np.float32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("shape", "place"), PLACES)
def test_a_part_is_that_of_a_slice(gpu, shape, place, dtype):
    whole = numbers(shape, dtype)
    part = part_of(gpu.device.upload(whole), place)
    assert isinstance(part, DeviceArray)
    np.testing.assert_array_equal(gpu.device.download(part).wait(), whole[place])
    np.testing.assert_array_equal(part_of(whole, place), whole[place])


@pytest.mark.parametrize(("shape", "place"), PLACES)
def test_a_part_goes_to_its_place_and_leaves_the_rest_alone(gpu, shape, place):
    before = numbers(shape)
    part = np.pad(-1 - before[place], [(1, 2)] + [(0, 0)] * (len(shape) - 1))  # of which a part is taken
    if len(shape) == 4:
        part = np.pad(-1 - before[place], [(0, 0), (0, 0), (1, 2), (2, 1)])
        inner = (ALL, ALL, slice(1, part.shape[2] - 2), slice(2, part.shape[3] - 1))
    else:
        inner = (slice(1, part.shape[0] - 2), *([ALL] * (len(shape) - 1)))
    expected = before.copy()
    put_part(part, inner, expected, place)
    whole = gpu.device.upload(before)
    if shape == (1, 3, 8, 10) and place[1] != ALL:
        with pytest.raises(BackendError, match="at once"):
            put_part(gpu.device.upload(part), inner, whole, place)
        return
    put_part(gpu.device.upload(part), inner, whole, place)
    np.testing.assert_array_equal(pixels_of(whole), expected)
    assert (expected != before).any() or not before[place].size


def test_all_of_an_array_is_itself(gpu):
    array = gpu.device.upload(numbers((4, 5)))
    assert part_of(array, (ALL, slice(0, 5))) is array


def test_a_part_that_does_not_fit_is_refused(gpu):
    array = gpu.device.upload(numbers((4, 5)))
    with pytest.raises(ValueError, match="does not fit"):
        put_part(array, (slice(0, 2), ALL), array, (slice(0, 3), ALL))


def test_a_part_of_three_axes_at_once_is_refused(gpu):
    array = gpu.device.upload(numbers((4, 5, 6)))
    with pytest.raises(BackendError, match="at once"):
        part_of(array, (slice(0, 2), slice(0, 2), slice(0, 2)))


def test_an_array_beside_another_is_where_that_is_and_of_its_type(gpu):
    beside = empty_beside(gpu.device.upload(numbers((2,), np.float16)), (3, 4))
    assert isinstance(beside, DeviceArray)
    assert (beside.shape, beside.dtype) == ((3, 4), np.float16)
    assert isinstance(empty_beside(numbers((2,)), (3, 4)), np.ndarray)


def test_what_comes_to_the_machine_is_float32(gpu):
    half = numbers((3, 4), np.float16)
    assert pixels_of(gpu.device.upload(half)).dtype == np.float32
    here = numbers((3, 4))
    assert pixels_of(here) is here
