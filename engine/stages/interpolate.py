"""DAIN: new frames between each two of a shot."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..backend import LoadedNetwork
from ..cadence import Cadence, Due
from ..frame import Frame, Pixels
from ..held import is_held
from ..parity import Parity, finished

# A still longer than this is meant, like a title card: nothing moves across it.
_LONGEST_HELD = 8


@dataclass(frozen=True, slots=True)
class Padding:
    """Pixels to add on each side so that the network can take a frame."""

    top: int
    bottom: int
    left: int
    right: int

    def around(self, pixels: Pixels) -> Pixels:
        """Return [1, 3, H, W] with its outermost pixels repeated outwards."""
        if self == Padding(0, 0, 0, 0):
            return pixels
        return np.pad(pixels, ((0, 0), (0, 0), (self.top, self.bottom), (self.left, self.right)), mode="edge")

    def inside(self, pixels: Pixels) -> Pixels:
        """Return what ``around`` was given."""
        height, width = pixels.shape[2:]
        return pixels[:, :, self.top : height - self.bottom, self.left : width - self.right]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame with what the network computes of it alone."""

    frame: Frame
    padding: Padding
    padded: Pixels
    maps: tuple[Pixels, ...]


class Interpolate:
    """Give the frames that a cadence asks for, made from the two around them where none is there.

    Across a cut, and after the last frame, the earlier frame is held. Source: PaddleGAN,
    ``ppgan/apps/dain_predictor.py``, 2.1.0.

    Args:
        network: A loaded interpolator with graphs ``features``, ``flow`` and ``synthesis``.
        cadence: Which times are wanted.
        remove_duplicates: Take a frame that only repeats its neighbour for no frame at all, and
            interpolate over the gap: for film that was printed with every other frame doubled.
        parity: See ``engine.parity``.
    """

    def __init__(
        self,
        network: LoadedNetwork,
        cadence: Cadence,
        *,
        remove_duplicates: bool = False,
        parity: Parity = Parity.CORRECT,
    ) -> None:
        self._network = network
        self._cadence = cadence
        self._remove_duplicates = remove_duplicates
        self._parity = parity
        names = [tensor.name for tensor in network.network.graph("features").outputs]
        self._inputs = {side: [f"{side}_{name}" for name in names] for side in "ab"}

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        anchor: Frame | None = None
        seen: _Seen | None = None
        waiting: list[Due] = []
        held = 0
        for frame, due in self._cadence.schedule(frames):
            if anchor is not None and self._repeats(frame, anchor, held):
                held += 1
            elif anchor is not None:
                seen = yield from self._between(anchor, frame, waiting, seen)
                anchor, waiting, held = frame, [], 0
            else:
                anchor = frame
            waiting.extend(due)
        if anchor is not None and self._parity is Parity.PPGAN:
            yield replace(anchor, duration=waiting[0].duration)
        elif anchor is not None:
            yield from _holding(anchor, waiting)

    def _repeats(self, frame: Frame, anchor: Frame, held: int) -> bool:
        if not self._remove_duplicates or frame.cut or held >= _LONGEST_HELD:
            return False
        return is_held(frame.pixels, anchor.pixels)

    def _between(
        self, a: Frame, b: Frame, due: list[Due], seen: _Seen | None
    ) -> Generator[Frame, None, _Seen | None]:
        """Give what is due between two neighbours, and return what is known of the second one."""
        if b.cut or all(wanted.time == a.time for wanted in due):
            yield from _holding(a, due)
            return None
        first = seen if seen is not None and seen.frame is a else self._seen(a)
        second = self._seen(b)
        flows: tuple[Pixels, ...] | None = None
        for wanted in due:
            if wanted.time == a.time:
                yield Frame(a.pixels, wanted.time, wanted.duration, a.cut)
                continue
            flows = flows or self._flows(first, second)
            t = np.array([float((wanted.time - a.time) / (b.time - a.time))], np.float32)
            (between,) = self._network.run(
                "synthesis", a=first.padded, b=second.padded, flow_ab=flows[0], flow_ba=flows[1], t=t
            )
            pixels = np.ascontiguousarray(finished(first.padding.inside(between), self._parity))
            yield Frame(pixels, wanted.time, wanted.duration)
        return second

    def _seen(self, frame: Frame) -> _Seen:
        padding = padding_for(frame.height, frame.width, self._network.network.multiple, self._parity)
        padded = padding.around(frame.pixels)
        return _Seen(frame, padding, padded, self._network.run("features", frame=padded))

    def _flows(self, a: _Seen, b: _Seen) -> tuple[Pixels, ...]:
        maps = dict(zip(self._inputs["a"], a.maps, strict=True)) | dict(
            zip(self._inputs["b"], b.maps, strict=True)
        )
        return self._network.run("flow", **maps)


def _holding(frame: Frame, due: list[Due]) -> Iterator[Frame]:
    for index, wanted in enumerate(due):
        yield Frame(frame.pixels, wanted.time, wanted.duration, frame.cut and index == 0)


def padding_for(height: int, width: int, multiple: int, parity: Parity) -> Padding:
    """Return how far a frame is padded: to the next multiple, centred.

    PaddleGAN pads to a multiple of 128, and a side that is one already by 32 at both ends.
    """

    def sides(length: int) -> tuple[int, int]:
        if parity is Parity.PPGAN:
            missing = -length % 128
            return (missing // 2, missing - missing // 2) if missing else (32, 32)
        missing = -length % multiple
        return missing // 2, missing - missing // 2

    return Padding(*sides(height), *sides(width))
