"""Arrays, uploads and downloads on a device that finds every misuse (see fake_runtime)."""

import ctypes
import gc

import numpy as np
import pytest
from reel.engine.device.device import Device
from reel.engine.device.transfers import UNDER_WAY
from reel.errors import BackendError, OutOfMemoryError
from reel.tests.engine.device.doubled import LASTS, SHAPE, double, doubled, picture, through
from reel.tests.engine.device.fake_runtime import FakeRuntime


def test_an_array_goes_to_the_device_and_comes_back():
    fake = FakeRuntime()
    with Device(fake) as device:
        given = picture(0)
        array = device.upload(given)
        assert (array.shape, array.dtype) == (SHAPE, np.float32)
        given_before = given.copy()
        given[:] = 0  # the upload has taken what was there
        np.testing.assert_array_equal(device.download(array).wait(), given_before)
        del array
    fake.check()


def test_an_upload_converts():
    fake = FakeRuntime()
    with Device(fake) as device:
        array = device.upload(picture(0), np.float16)
        came = device.download(array).wait()
        assert came.dtype == np.float16
        np.testing.assert_array_equal(came, picture(0).astype(np.float16))
        np.testing.assert_array_equal(
            device.download(device.upload(np.zeros((0, 2)))).wait(), np.zeros((0, 2))
        )
        del array
    fake.check()


def test_one_after_the_other_many_arrays_go_through_the_three_streams():
    fake = FakeRuntime()
    np.testing.assert_array_equal(through(fake, 20), [2 * picture(number) for number in range(20)])
    fake.check()


def test_an_upload_the_networks_and_a_download_go_on_at_once():
    fake = FakeRuntime(lasts=LASTS)
    with Device(fake) as device:
        for _ in doubled(device, map(picture, range(10))):
            pass
        # Three steps of one unit each for ten pictures: one after the other they would take 30.
        assert fake.now == 12.0
        steps = {name: [op.begin for op in fake.ran if op.name == name] for name in LASTS}
        assert steps["copy_in"][2:] == steps["double"][1:-1] == steps["copy_out"][:-2]
    fake.check()


def test_pinned_memory_is_used_again():
    fake = FakeRuntime(lasts=LASTS)
    through(fake, 20)
    assert fake.calls.count("allocate_pinned") <= 2 * UNDER_WAY
    fake.check()


def test_events_are_used_again():
    fake = FakeRuntime(lasts=LASTS)
    through(fake, 20)
    assert fake.calls.count("record") > 50
    assert fake.calls.count("make_event") < 20
    fake.check()


def test_a_fourth_upload_waits_for_the_first_and_no_longer():
    fake = FakeRuntime(lasts=LASTS)
    with Device(fake) as device:
        arrays = [device.upload(picture(number)) for number in range(UNDER_WAY)]
        assert fake.now == 0.0
        arrays.append(device.upload(picture(3)))
        assert fake.now == 1.0
        for number, array in enumerate(arrays):
            np.testing.assert_array_equal(device.download(array).wait(), picture(number))
        del array, arrays
    fake.check()


def test_a_forgotten_upload_keeps_no_later_one_waiting():
    fake = FakeRuntime(lasts=LASTS | {"double": 9.0})
    with Device(fake) as device:
        result = double(device, device.upload(picture(0)))  # the array is forgotten at once
        device.upload(picture(1))
        fake.run_all()
        assert [op.begin for op in fake.ran if op.name == "copy_in"] == [0.0, 1.0]
        del result
    fake.check()


def test_a_download_that_nobody_waits_for_leaves_its_memory_alone_until_it_is_done():
    fake = FakeRuntime(lasts=LASTS)
    with Device(fake) as device:
        for number in range(2 * UNDER_WAY):
            device.download(device.upload(picture(number)))
        np.testing.assert_array_equal(device.download(device.upload(picture(9))).wait(), picture(9))
    fake.check()


def test_a_download_has_what_was_there_when_it_began():
    fake = FakeRuntime()
    with Device(fake) as device:
        array = device.upload(picture(0))
        coming = device.download(array)
        again = double(device, array)
        with device.work(device.compute, reads=[again], writes=[array]) as stream:  # must wait for the copy
            place = [(array.pointer, array.nbytes)]
            fake.kernel(stream, "clear", [], place, lambda: ctypes.memset(place[0][0], 0, place[0][1]))
        fake.run_all()
        np.testing.assert_array_equal(coming.wait(), picture(0))
        np.testing.assert_array_equal(device.download(array).wait(), np.zeros(SHAPE))
        del array, again
    fake.check()


def test_memory_that_is_forgotten_is_kept_for_a_download_that_is_not_done():
    fake = FakeRuntime(lasts=LASTS)
    with Device(fake) as device:
        array = device.upload(picture(0))
        coming = device.download(array)
        result = double(device, array)  # the last to use it, while the download is under way
        del array
        fake.run_all()
        np.testing.assert_array_equal(coming.wait(), picture(0))
        del result
    fake.check()


def test_arrays_that_are_held_when_the_device_closes_are_of_no_use_and_no_leak():
    fake = FakeRuntime()
    with Device(fake) as device:
        array, coming = device.upload(picture(0)), device.download(device.upload(picture(1)))
    fake.check()
    with pytest.raises(BackendError, match="not open"):
        device.download(array)
    with pytest.raises(BackendError, match="not there any more"):
        coming.wait()
    with pytest.raises(BackendError, match="not open"):
        device.upload(picture(0))
    del array, coming
    fake.check()
    with device:  # and again
        array = device.upload(picture(0))
        np.testing.assert_array_equal(device.download(array).wait(), picture(0))
        del array
    fake.check()


def test_a_download_is_waited_for_once():
    with Device(FakeRuntime()) as device:
        coming = device.download(device.upload(picture(0)))
        coming.wait()
        with pytest.raises(BackendError, match="not there any more"):
            coming.wait()


def test_a_device_without_room_says_so_and_goes_on():
    fake = FakeRuntime(room=100_000)
    with Device(fake) as device:
        with pytest.raises(OutOfMemoryError):
            device.upload(np.zeros(50_000, np.float32))
        np.testing.assert_array_equal(device.download(device.upload(picture(0))).wait(), picture(0))
    fake.check()


def test_work_that_breaks_off_is_waited_for_all_the_same():
    fake = FakeRuntime()

    def broken(device):
        array = device.upload(picture(0))
        with device.work(device.compute, reads=[array]) as stream:
            fake.kernel(stream, "read", [(array.pointer, array.nbytes)], [], lambda: None)
            raise KeyError

    with Device(fake) as device:
        with pytest.raises(KeyError):
            broken(device)
        gc.collect()
        assert fake.calls.count("free") == 1
    fake.check()


def test_memory_of_work_whose_end_is_not_known_is_kept_until_the_device_closes():
    fake = FakeRuntime()
    with Device(fake) as device:
        array = device.upload(picture(0))
        fake.fail_next = "record"
        with pytest.raises(BackendError, match="made to fail") as told:
            double(device, array)
        del told, array
        gc.collect()
        assert "free" not in fake.calls
        np.testing.assert_array_equal(device.download(device.upload(picture(1))).wait(), picture(1))
    fake.check()


@pytest.mark.parametrize("call", ["synchronise", "record"])
def test_what_is_under_way_is_waited_for_even_if_that_fails_at_first(call):
    fake = FakeRuntime(lasts=LASTS)

    def begun():
        with Device(fake) as device:
            device.download(double(device, device.upload(picture(0))))
            fake.fail_next = call

    with pytest.raises(BackendError, match="made to fail"):
        begun()
    fake.check()


def calls_of_a_run():
    fake = FakeRuntime()
    through(fake)
    return len(fake.calls)


@pytest.mark.parametrize("call", range(1, calls_of_a_run() + 1))
def test_every_call_that_fails_is_told_and_leaves_nothing_behind(call):
    fake = FakeRuntime(fail_at=call)
    with pytest.raises(BackendError, match="made to fail") as caught:
        through(fake)
    del caught
    fake.check()
