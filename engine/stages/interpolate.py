"""DAIN: new frames between each two of a shot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from ...models.dain_depth import DAIN_DEPTH
from ..networks.backend import LoadedNetwork
from ..pixels.frame import Frame, blank
from ..pixels.operations import HostOperations, Operations
from ..pixels.parity import Parity
from .cadence import Cadence, Due
from .dain import Dain, Interpolator, Known
from .dain_depth import DainDepth


@dataclass(frozen=True, slots=True)
class Padding:
    """Pixels to add on each side so that the network can take a frame."""

    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame with what the network computes of it alone."""

    frame: Frame
    padding: Padding
    known: Known


class Interpolate:
    """Give the frames that a cadence asks for, made from the two around them where none is there.

    Across a cut, after the last frame and between equal ones, the earlier frame is held. Frames marked as
    ``held`` are taken for none at all, and interpolated over. Source: PaddleGAN,
    ``ppgan/apps/dain_predictor.py``, 2.1.0.

    Args:
        network: A loaded interpolator. What it computes of one frame is computed once per frame, what it
            computes of two once per pair.
        cadence: Which times are wanted.
        parity: See ``engine.pixels.parity``.
        first: The time of the film's first frame, where the stage is given only the rest.
        since: Frames before this time are asked for by nobody and come out blank.
        operations: What is done to pictures around the network; None: in NumPy, as the parity wants it.
    """

    def __init__(
        self,
        network: LoadedNetwork,
        cadence: Cadence,
        *,
        parity: Parity = Parity.CORRECT,
        first: Fraction | None = None,
        since: Fraction | None = None,
        operations: Operations | None = None,
    ) -> None:
        self._network = network
        self._cadence = cadence
        self._parity = parity
        self._operations = operations or HostOperations(parity)
        self._first = first
        self._since = since
        self._last: _Seen | None = None
        self._interpolator = interpolator(network)

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        begins = False  # whether the next frame given is the first one of its shot
        for anchor, following, due in self._gaps(frames):
            begins = begins or anchor.cut
            for frame in self._between(anchor, following, due):
                yield replace(frame, cut=begins)
                begins = False

    def _gaps(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, Frame | None, list[Due]]]:
        """Give each frame with the one that it is interpolated to, and what is due until then."""
        anchor: Frame | None = None
        waiting: list[Due] = []
        for frame, due in self._cadence.schedule(frames, first=self._first):
            if anchor is None or not frame.held:
                if anchor is not None:
                    yield anchor, frame, waiting
                anchor, waiting = frame, []
            waiting = waiting + due
        if anchor is not None:
            yield anchor, None, waiting[:1] if self._parity is Parity.PPGAN else waiting

    def _between(self, a: Frame, b: Frame | None, due: list[Due]) -> Iterator[Frame]:
        still = b is None or b.cut or (self._parity is Parity.CORRECT and self._is_same(a, b))
        pair: tuple[_Seen, Known] | None = None
        for wanted in due:
            if self._since is not None and wanted.time < self._since:
                pixels = blank(a.height, a.width)
            elif b is None or still or wanted.time == a.time:
                pixels = a.rgb
            else:
                pair = pair or self._pair(a, b)
                seen, known = pair
                between = self._interpolator.between(known, float((wanted.time - a.time) / (b.time - a.time)))
                top, left = seen.padding.top, seen.padding.left
                pixels = self._operations.finished(
                    between, top=top, left=left, height=a.height, width=a.width
                )
            yield Frame(pixels, wanted.time, wanted.duration, wanted.index)

    def _is_same(self, a: Frame, b: Frame) -> bool:
        return self._operations.is_same(a.rgb, b.rgb)

    def _seen(self, frame: Frame) -> _Seen:
        """Return what is computed of a frame alone; the last one is remembered for the pair that follows."""
        if self._last is not None and self._last.frame is frame:
            return self._last
        padding = padding_for(frame.height, frame.width, self._network.network.multiple, self._parity)
        padded = self._operations.padded(
            frame.rgb, top=padding.top, bottom=padding.bottom, left=padding.left, right=padding.right
        )
        self._last = _Seen(frame, padding, self._interpolator.alone(padded))
        return self._last

    def _pair(self, first: Frame, second: Frame) -> tuple[_Seen, Known]:
        """Return everything about two neighbours that does not depend on the time."""
        a, b = self._seen(first), self._seen(second)
        return a, self._interpolator.pair(a.known, b.known)


def interpolator(network: LoadedNetwork) -> Interpolator:
    """Return what makes frames between two with this network."""
    return DainDepth(network) if network.network is DAIN_DEPTH else Dain(network)


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
