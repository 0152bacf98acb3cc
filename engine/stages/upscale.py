"""EDVR: every frame from a window of five of its shot."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from ...models.edvr import WINDOW
from ..device.array import Value
from ..networks.backend import LoadedNetwork
from ..pixels.frame import Frame, blank
from ..pixels.operations import HostOperations, Operations
from ..pixels.parity import Parity
from .edvr import Edvr, Pyramid

_REACH = WINDOW // 2


@dataclass(slots=True)
class _Seen:
    """A frame, and once a window needs it: its padded pixels and its pyramid.

    ``picture`` is a number that frames share which follow each other and are equal.
    """

    frame: Frame
    picture: int
    known: tuple[Value, Pyramid] | None = None


class Upscale:
    """Enlarge every frame four times, with the help of two neighbours on each side.

    A window never leaves its shot. Near the ends of a shot it takes in frames further inside instead
    (PaddleGAN's rule ``new_info``); in a shot of fewer than five frames it repeats the outermost. A frame's
    pyramid is computed once for the windows that it appears in, and a window equal to the one before it not
    at all. Source: PaddleGAN,
    ``ppgan/apps/edvr_predictor.py``, 2.1.0.

    Args:
        network: A loaded upscaler.
        parity: See ``engine.pixels.parity``.
        since: Frames before this time are asked for by nobody and come out blank.
        operations: What is done to pictures around the network; None: in NumPy, as the parity wants it.
    """

    def __init__(
        self,
        network: LoadedNetwork,
        *,
        parity: Parity = Parity.CORRECT,
        since: Fraction | None = None,
        operations: Operations | None = None,
    ) -> None:
        self._network = network
        self._upscaler = Edvr(network)
        self._operations = operations or HostOperations(parity)
        self._since = since
        self._last: tuple[list[int], Value] | None = None  # pictures of a window, and what it gave

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        shot: deque[_Seen] = deque(maxlen=WINDOW)
        count = done = 0  # frames of this shot seen and given
        for frame in frames:
            if frame.cut:
                yield from self._rest(shot, done, count)
                shot.clear()
                self._last = None
                count = done = 0
            shot.append(self._following(shot, frame))
            count += 1
            while done + _REACH < count and count >= WINDOW:
                yield self._enlarged(shot, done, count)
                done += 1
        yield from self._rest(shot, done, count)

    def _rest(self, shot: deque[_Seen], done: int, count: int) -> Iterator[Frame]:
        for index in range(done, count):
            yield self._enlarged(shot, index, count)

    def _following(self, shot: deque[_Seen], frame: Frame) -> _Seen:
        if shot and self._operations.is_same(frame.rgb, shot[-1].frame.rgb):
            return _Seen(frame, shot[-1].picture)
        return _Seen(frame, shot[-1].picture + 1 if shot else 0)

    def _known(self, seen: _Seen) -> tuple[Value, Pyramid]:
        """Return a frame's padded pixels and its pyramid, computed when the first window asks for them."""
        if seen.known is None:
            frame, multiple = seen.frame, self._network.network.multiple
            below, right = -frame.height % multiple, -frame.width % multiple
            padded = self._operations.padded(frame.rgb, top=0, bottom=below, left=0, right=right)
            seen.known = padded, self._upscaler.pyramid(padded)
        return seen.known

    def _enlarged(self, shot: deque[_Seen], index: int, count: int) -> Frame:
        oldest = count - len(shot)
        centre = shot[index - oldest].frame
        scale = self._network.network.scale
        height, width = scale * centre.height, scale * centre.width
        if self._since is not None and centre.time < self._since:
            return replace(centre, pixels=blank(height, width))
        seen = [shot[i - oldest] for i in window_indices(index, count)]
        pictures = [entry.picture for entry in seen]
        if self._last is not None and self._last[0] == pictures:
            return replace(centre, pixels=self._last[1])
        window = [self._known(entry) for entry in seen]
        padded, _ = window[_REACH]
        enlarged = self._upscaler.enlarged(padded, [pyramid for _, pyramid in window])
        pixels = self._operations.finished(enlarged, top=0, left=0, height=height, width=width)
        self._last = pictures, pixels
        return replace(centre, pixels=pixels)


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
