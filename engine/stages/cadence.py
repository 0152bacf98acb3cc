"""Which frames an interpolated film has: times that fall evenly between those of the film."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, gcd

from ...errors import ReelError
from ..pixels.frame import Format, Frame


@dataclass(frozen=True, slots=True)
class Due:
    """A frame that is wanted: presentation time and duration in seconds, and its place in the new film."""

    time: Fraction
    duration: Fraction
    index: int


@dataclass(frozen=True, slots=True)
class Cadence:
    """How many frames to make: ``factor`` times as many, or ``rate`` per second. One of them is set.

    A factor divides each of the film's own intervals, so a variable rate stays variable. A rate lays an
    even grid over the film. Neither need be whole, and the film's length stays what it was.
    """

    factor: Fraction | None = None
    rate: Fraction | None = None

    def __post_init__(self) -> None:
        value = self.factor if self.factor is not None else self.rate
        if value is None or value <= 0:
            raise ReelError("A film needs more than zero frames.", "Give a positive --times or --fps.")

    def output_format(self, film: Format) -> Format:
        """Return what the film is after interpolation."""
        if self.rate is not None:
            frames = film.frames and film.rate and ceil(film.frames * self.rate / film.rate)
            base = _common_measure(film.time_base, 1 / self.rate)  # the grid starts where the film does
            return replace(film, rate=self.rate, time_base=base, frames=frames or None)
        assert self.factor is not None
        # A frame lies a whole number of numerators' parts into an interval, which is a multiple of the base.
        return replace(
            film,
            rate=film.rate and film.rate * self.factor,
            time_base=film.time_base / self.factor.numerator,
            frames=film.frames and ceil(film.frames * self.factor),
        )

    def schedule(
        self, frames: Iterator[Frame], *, first: Fraction | None = None
    ) -> Iterator[tuple[Frame, list[Due]]]:
        """Give each frame with what is due from its time until the next one's.

        Args:
            frames: All of a film, or its rest from any frame on.
            first: The time of the film's first frame, where ``frames`` begin after it.
        """
        return self._grid(frames, first) if self.rate is not None else self._divided(frames)

    def _divided(self, frames: Iterator[Frame]) -> Iterator[tuple[Frame, list[Due]]]:
        assert self.factor is not None
        step = 1 / self.factor  # in frames of the film, as is the position
        for frame in frames:
            due: list[Due] = []
            for index in range(ceil(frame.index * self.factor), ceil((frame.index + 1) * self.factor)):
                position = index * step - frame.index
                due.append(Due(frame.time + position * frame.duration, step * frame.duration, index))
            yield frame, due

    def _grid(self, frames: Iterator[Frame], first: Fraction | None) -> Iterator[tuple[Frame, list[Due]]]:
        assert self.rate is not None
        index: int | None = None
        for frame in frames:
            first = frame.time if first is None else first
            if index is None:
                index = ceil((frame.time - first) * self.rate)
            due: list[Due] = []
            while (time := first + index / self.rate) < frame.time + frame.duration:
                due.append(Due(time, 1 / self.rate, index))
                index += 1
            yield frame, due


def _common_measure(a: Fraction, b: Fraction) -> Fraction:
    """Return the largest fraction of which both are whole multiples."""
    return Fraction(
        gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator
    )


def factor_from_step(text: str) -> Fraction:
    """Return how many times as many frames a time step stands for: "0.5" is 2, "0.4" is 5/2.

    A decimal that is one nth cut to its digits is taken for one nth: "0.33" is 3.

    Raises:
        ReelError: It is not a number in (0, 1).
    """
    try:
        step = Fraction(text)
    except (ValueError, ZeroDivisionError):
        step = Fraction(0)
    if not 0 < step < 1:
        raise ReelError(f"{text!r} is not a time step.", "Give one between 0 and 1, such as 0.5.")
    digits = len(text.partition(".")[2])
    whole = round(1 / step)
    if "/" not in text and abs(Fraction(1, whole) - step) < Fraction(1, 10**digits):
        return Fraction(whole)
    return 1 / step
