"""Pictures that go to a device, are doubled there and come back."""

import ctypes

import numpy as np
from reel.engine.device.device import Device
from reel.engine.device.transfers import in_flight

SHAPE = (1, 3, 4, 6)
LASTS = {"copy_in": 1.0, "double": 1.0, "copy_out": 1.0}


def picture(number):
    return np.random.default_rng(number).random(SHAPE, np.float32)


def view(pointer, shape):
    count = int(np.prod(shape))
    return np.frombuffer((ctypes.c_char * (4 * count)).from_address(pointer), np.float32).reshape(shape)


def double(device, array):
    """Put a kernel into the stream of the networks that gives twice a float32 array."""
    result = device.empty(array.shape, array.dtype)
    source, target, size = array.pointer, result.pointer, array.nbytes

    def run():
        view(target, SHAPE)[:] = 2 * view(source, SHAPE)

    with device.work(device.compute, reads=[array], writes=[result]) as stream:
        device.runtime.kernel(stream, "double", [(source, size)], [(target, size)], run)
    return result


def doubled(device, pictures):
    """Double pictures one after the other, downloads two behind the uploads."""
    return in_flight(device.download(double(device, device.upload(pixels))) for pixels in pictures)


def through(fake, count=2):
    """Let a device double so many pictures, and return them."""
    with Device(fake) as device:
        return list(doubled(device, map(picture, range(count))))
