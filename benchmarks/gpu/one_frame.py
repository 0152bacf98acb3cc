"""How a network makes one frame after the other along a film: what belongs to a frame once per frame."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from reel.engine.device.array import Value
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.stages.edvr import Edvr
from reel.engine.stages.interpolate import interpolator
from reel.models.edvr import WINDOW
from reel.models.spec import Kind, Network

Pictures = list[np.ndarray]

SQUARE = 512
"""Pixels: the side that DeOldify looks at, whatever the film, at the default render factor."""

_FIRST = {Kind.UPSCALE: "pyramid", Kind.INTERPOLATE: "features", Kind.COLOURISE: "colour"}
"""The graph that a frame goes into."""


def padded(network: Network, width: int, height: int) -> tuple[int, int]:
    """Return the sides that frames of a film have when a network gets them, width and height."""
    width, height = (side + -side % network.multiple for side in (width, height))
    return width, height


def pictures_for(network: Network, width: int, height: int, *, count: int = WINDOW + 2) -> Pictures:
    """Return frames [1, 3, height, width] as a network takes them, float32: noise that drifts."""
    rng = np.random.default_rng(1)
    wide = rng.random((1, 3, height, width + 2 * count), np.float32)
    for axis in (2, 3):  # rough and fine at once
        wide = (wide + np.roll(wide, 1, axis) + np.roll(wide, 2, axis)) / 3
    frames = [np.ascontiguousarray(wide[..., 2 * n : 2 * n + width]) for n in range(count)]
    if network.kind is not Kind.COLOURISE:
        return frames
    grey = [frame.mean(axis=1, keepdims=True) for frame in frames]
    return [np.repeat((frame - np.float32(0.45)) / np.float32(0.225), 3, axis=1) for frame in grey]


def type_of_frames(network: Network, precision: str) -> str:
    """Return what NumPy calls the type that the network's first graph takes frames in."""
    return network.graph(_FIRST[network.kind]).inputs[0].dtype(precision)


def maker(loaded: LoadedNetwork, frames: Sequence[Value]) -> Callable[[], Value]:
    """Return what makes the next frame each time it is called; given ones come round again and again."""
    given = itertools.cycle(frames)
    match loaded.network.kind:
        case Kind.COLOURISE:
            return lambda: loaded.run("colour", picture=next(given))[0]
        case Kind.UPSCALE:
            return _enlarging(loaded, given)
        case Kind.INTERPOLATE:
            return _interpolating(loaded, given)


def _enlarging(loaded: LoadedNetwork, given: itertools.cycle[Value]) -> Callable[[], Value]:
    edvr = Edvr(loaded)
    window = deque(((frame := next(given)), edvr.pyramid(frame)) for _ in range(WINDOW - 1))

    def enlarged() -> Value:
        window.append(((frame := next(given)), edvr.pyramid(frame)))
        result = edvr.enlarged(window[WINDOW // 2][0], [pyramid for _, pyramid in window])
        window.popleft()
        return result

    return enlarged


def _interpolating(loaded: LoadedNetwork, given: itertools.cycle[Value]) -> Callable[[], Value]:
    dain = interpolator(loaded)
    last = dain.alone(next(given))

    def between() -> Value:
        nonlocal last
        following = dain.alone(next(given))
        result = dain.between(dain.pair(last, following), 0.5)
        last = following
        return result

    return between
