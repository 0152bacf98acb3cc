"""When the frames of a film are shown: exact times, and its constant rate where it has one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_STANDARD_RATES = tuple(
    Fraction(rate)
    for rate in (
        *("24000/1001", "30000/1001", "60000/1001", "120000/1001", "15000/1001", "12000/1001", "48000/1001"),
        *(24, 25, 30, 50, 60, 48, 12, 15, 10, 20, 16, 18, 8, 100, 120, 240),
    )
)


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a stream of frames.

    Attributes:
        first: Time of the first frame, in seconds on the clock of the container.
        end: When the last frame ends, on the same clock.
        tick: Seconds per unit of the container's time stamps.
        step: Seconds between two places where a frame may be, counted from ``first``; None where
            the frames keep to no such grid and their time stamps are taken as they are.
        rate: Frames per second where every place of the grid holds one frame, else None.
        frames: How many frames there are.
    """

    first: Fraction
    end: Fraction
    tick: Fraction
    step: Fraction | None
    rate: Fraction | None
    frames: int

    def time_of(self, stamp: int) -> Fraction:
        """Return the time of a frame, in seconds on the clock of the container."""
        time = stamp * self.tick
        if self.step is None:
            return time
        return self.first + round((time - self.first) / self.step) * self.step

    def time_base(self, origin: Fraction) -> Fraction:
        """Return the largest unit of which every frame's time after ``origin`` is a multiple."""
        return common_unit(self.step or self.tick, self.first - origin)

    def thinned(self, share: Fraction) -> Timing:
        """Return the times where that share of the frames is kept, evenly; ``step`` is not None."""
        assert self.step is not None
        frames, rate = int(self.frames * share), self.rate and self.rate * share
        return replace(self, step=self.step / share, rate=rate, frames=frames)


def timing_from_stamps(stamps: Iterable[int], tick: Fraction, hints: Iterable[Fraction], last: int) -> Timing:
    """Find the rate of a film from the time stamps of its packets.

    Containers round: Matroska to a millisecond, AVI to a frame. A rate is accepted where every
    frame lies within one tick of a multiple of its period, and the times are then those multiples.

    Args:
        stamps: Of all packets, in any order, in units of ``tick``; at least one.
        tick: Seconds.
        hints: Rates that the container states, best first.
        last: Duration of the last frame in ticks, 0 where it is not stated.
    """
    ordered = np.unique(np.fromiter(stamps, np.int64))
    first = int(ordered[0]) * tick
    step, places = _find_grid(ordered - ordered[0], tick, tuple(hints))
    if step is None or places is None:
        held = last or (int(ordered[-1] - ordered[-2]) if len(ordered) > 1 else 0)
        end = (int(ordered[-1]) + held) * tick
        return Timing(first, end, tick, None, None, len(ordered))
    constant = bool(places[-1] == len(places) - 1)
    end = first + (int(places[-1]) + 1) * step
    return Timing(first, end, tick, step, 1 / step if constant else None, len(places))


def _find_grid(
    offsets: NDArray[np.int64], tick: Fraction, hints: tuple[Fraction, ...]
) -> tuple[Fraction | None, NDArray[np.int64] | None]:
    """Return the step and the place of each frame, or None for both."""
    if len(offsets) == 1:
        rate = next((hint for hint in hints if hint > 0), None)
        return (1 / rate, offsets) if rate else (None, None)
    gaps = np.diff(offsets)
    even = int(gaps[0]) if np.all(gaps == gaps[0]) else 0
    candidates = [*(_standard(hint) for hint in hints if hint > 0), *_STANDARD_RATES]
    if even:
        candidates.append(1 / (even * tick))
    if 1 / tick < 1000:  # The container counts in frames, or nearly.
        candidates.append(1 / (int(np.gcd.reduce(gaps)) * tick))
    best: tuple[float, bool, int] | None = None
    found: tuple[Fraction | None, NDArray[np.int64] | None] = (None, None)
    for order, rate in enumerate(candidates):
        period = 1 / (rate * tick)  # in ticks
        places = np.rint(offsets / float(period))
        missed = float(np.abs(offsets - places * float(period)).max())
        taken = np.unique(places).astype(np.int64)
        holes = float(taken[-1] + 1 - len(taken))
        if missed > _allowed(period, holes > 0):
            continue
        # No holes first, then an exact fit, then what the container says, then what is usual.
        quality = (holes, missed > 1e-6, order)
        if best is None or quality < best:
            best, found = quality, (1 / rate, taken)
    return found


def _standard(rate: Fraction) -> Fraction:
    """Return the usual rate that was meant where one is cut short, as 29.97 for 30000/1001."""
    return next((usual for usual in _STANDARD_RATES if abs(rate / usual - 1) < 1e-4), rate)


def _allowed(period: Fraction, holes: bool) -> float:
    """Return how far, in ticks, a time stamp may be from its place: rounding, up or down, once.

    A period of a few ticks would let anything pass, and a grid with holes more than one without,
    so there the stamps must fit exactly.
    """
    return 0.999 if period >= (30 if holes else 8) else 1e-6


def common_unit(a: Fraction, b: Fraction) -> Fraction:
    """Return the largest number of which both are whole multiples; ``a`` where ``b`` is 0."""
    return Fraction(
        math.gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator
    )
