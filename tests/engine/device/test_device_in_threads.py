"""A device that several threads use, and what may happen between any two calls of one of them."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from reel.engine.device.device import Device
from reel.tests.engine.device.doubled import double, doubled, picture
from reel.tests.engine.device.fake_runtime import FakeRuntime


class OneAtATime:
    """The same device, for several threads, since it is only one in itself."""

    def __init__(self, fake):
        self._fake = fake
        self._lock = threading.RLock()

    def __getattr__(self, name):
        value = getattr(self._fake, name)
        if not callable(value):
            return value

        def call(*arguments):
            with self._lock:
                return value(*arguments)

        return call


@pytest.fixture
def restless():
    """Have threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("restless")
def test_several_threads_use_one_device():
    fake = FakeRuntime()

    def work(number):
        pictures = [picture(100 * number + step) for step in range(30)]
        for pixels, found in zip(pictures, doubled(device, pictures), strict=True):
            np.testing.assert_array_equal(found, 2 * pixels)
            with device.work(device.leaving, reads=[common]):
                pass
            double(device, common)

    with Device(OneAtATime(fake)) as device:
        common = device.upload(picture(0))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
    fake.check()


class Meanwhile:
    """The same device, on which something else happens in another thread right after a call is first made.

    That is waited for, but not for long: it may have to wait itself.
    """

    def __init__(self, fake, name):
        self._fake = fake
        self._name = name
        self.then = None
        self.thread = None

    def __getattr__(self, name):
        value = getattr(self._fake, name)
        if name != self._name:
            return value

        def call(*arguments):
            result = value(*arguments)
            if self.then is not None:
                self.thread, self.then = threading.Thread(target=self.then), None
                self.thread.start()
                self.thread.join(0.2)
            return result

        return call


def test_the_last_use_of_an_array_is_the_one_that_was_recorded_last():
    fake = FakeRuntime()
    runtime = Meanwhile(fake, "record")

    def use():
        with device.work(device.compute, reads=[array]):
            pass

    with Device(runtime) as device:
        array = device.upload(picture(0))
        runtime.then = use
        use()
        runtime.thread.join()
        last = fake.last_recorded(device.compute)
        assert array.uses[device.compute].handle == last
    fake.check()


def test_no_two_threads_are_given_the_same_pinned_memory():
    fake = FakeRuntime()
    runtime = Meanwhile(fake, "has_happened")
    taken = []
    with Device(runtime) as device:
        device.upload(picture(0))
        fake.now = 1.0
        runtime.then = lambda: taken.append(device.staging.take(1))
        taken.append(device.staging.take(1))
        runtime.thread.join()
        assert taken[0] is not taken[1]
    fake.check()
