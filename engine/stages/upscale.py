"""EDVR: every frame from a window of five of its shot."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ...models.edvr import WINDOW
from ..backend import LoadedNetwork
from ..frame import Frame, Pixels
from ..parity import Parity, finished

_REACH = WINDOW // 2


@dataclass(frozen=True, slots=True)
class _Seen:
    frame: Frame
    padded: Pixels
    pyramid: tuple[Pixels, ...]


class Upscale:
    """Enlarge every frame four times, with the help of two neighbours on each side.

    A window never leaves its shot. Near the ends of a shot it takes in frames further inside instead
    (PaddleGAN's rule ``new_info``); in a shot of fewer than five frames it repeats the outermost. A frame's
    pyramid is computed once for the windows that it appears in. Source: PaddleGAN,
    ``ppgan/apps/edvr_predictor.py``, 2.1.0.

    Args:
        network: A loaded upscaler with graphs ``pyramid`` and ``fusion``.
        parity: See ``engine.parity``.
    """

    def __init__(self, network: LoadedNetwork, *, parity: Parity = Parity.CORRECT) -> None:
        self._network = network
        self._parity = parity

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        shot: deque[_Seen] = deque(maxlen=WINDOW)
        count = done = 0  # frames of this shot seen and given
        for frame in frames:
            if frame.cut:
                yield from self._rest(shot, done, count)
                shot.clear()
                count = done = 0
            shot.append(self._seen(frame))
            count += 1
            while done + _REACH < count and count >= WINDOW:
                yield self._enlarged(shot, done, count)
                done += 1
        yield from self._rest(shot, done, count)

    def _rest(self, shot: deque[_Seen], done: int, count: int) -> Iterator[Frame]:
        for index in range(done, count):
            yield self._enlarged(shot, index, count)

    def _seen(self, frame: Frame) -> _Seen:
        multiple = self._network.network.multiple
        below, right = -frame.height % multiple, -frame.width % multiple
        padded = np.pad(frame.pixels, ((0, 0), (0, 0), (0, below), (0, right)), mode="edge")
        return _Seen(frame, padded, self._network.run("pyramid", frame=padded))

    def _enlarged(self, shot: deque[_Seen], index: int, count: int) -> Frame:
        oldest = count - len(shot)
        window = [shot[i - oldest] for i in window_indices(index, count)]
        centre = window[_REACH]
        maps = {
            f"level{level}_{i}": seen.pyramid[level - 1]
            for i, seen in enumerate(window)
            for level in (1, 2, 3)
        }
        (enlarged,) = self._network.run("fusion", centre=centre.padded, **maps)
        scale = self._network.network.scale
        height, width = scale * centre.frame.height, scale * centre.frame.width
        pixels = finished(enlarged[:, :, :height, :width], self._parity)
        return replace(centre.frame, pixels=np.ascontiguousarray(pixels))


def window_indices(index: int, count: int) -> list[int]:
    """Return the five frames for the frame ``index`` of a shot of which ``count`` frames are there.

    Where the shot goes on, ``count`` need only reach two frames past ``index`` (and five in all).
    """
    last = count - 1
    if count < WINDOW:
        return [min(max(i, 0), last) for i in range(index - _REACH, index + _REACH + 1)]
    indices: list[int] = []
    for i in range(index - _REACH, index + _REACH + 1):
        if i < 0:
            i = index + _REACH - i
        elif i > last:
            i = index - _REACH - (i - last)
        indices.append(i)
    return indices
