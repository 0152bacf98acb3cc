"""Which parts of a film are tried before all of it: dark, bright, in motion, and no empty leader."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ..pixels.shots import unexplained
from ..reading.glimpse import Glimpse

LOOKS = 48  # places of a film that are looked at

# A night scene has a contrast of 0.03 and more; leader, fades and plain cards have less.
_EMPTY = 0.03
_ENDS = Fraction(1, 20)  # of the film at each end, where leader, titles and credits are

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Samples:
    """How many samples to take, and how long each one is in seconds."""

    count: int = 3
    seconds: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Sample:
    """A part of a film.

    Attributes:
        start, end: Seconds from the beginning of what is asked for of the film.
        why: What it stands for, in a word or two.
    """

    start: Fraction
    end: Fraction
    why: str


def chosen_samples(
    glimpses: Sequence[Glimpse], length: Fraction, wanted: Samples, *, path: Path
) -> tuple[Sample, ...]:
    """Choose parts of a film that differ, in the order of their times; the whole of a short one.

    Args:
        glimpses: Looks at places all over the film.
        length: Of the film, seconds.
        wanted: How many, and how long.
        path: The film, for words on it.
    """
    if length <= wanted.count * wanted.seconds or not glimpses:
        return (Sample(Fraction(0), length, "all of it"),)
    last = length - wanted.seconds  # a sample begins no later
    # Never nearer than a sample is long; and spread, if there is enough film for it.
    apart = max(wanted.seconds, length / (3 * wanted.count))
    chosen: list[tuple[Glimpse, str]] = []
    for why, worth in _wants(wanted.count):
        for candidates in _candidates(glimpses, length, last):
            free = [look for look in candidates if _is_apart(look, chosen, apart, last)]
            if free:
                chosen.append((max(free, key=lambda look: worth(look, chosen)), why))
                break
    if not chosen:
        _log.warning("%s is black or blank wherever it was looked at, and so is its sample.", path)
        middle = glimpses[len(glimpses) // 2]
        chosen.append((middle, "blank"))
    starts = sorted((min(look.time, last), why) for look, why in chosen)
    return tuple(Sample(start, start + wanted.seconds, why) for start, why in starts)


_Chosen = list[tuple[Glimpse, str]]
_Worth = Callable[[Glimpse, _Chosen], float]


def _wants(count: int) -> list[tuple[str, _Worth]]:
    """Return what the samples shall stand for, and what speaks for a place; the rarest first."""
    light: list[tuple[str, _Worth]] = [
        ("dark", lambda look, _: -look.brightness),
        ("bright", lambda look, _: look.brightness),
    ]
    motion: tuple[str, _Worth] = ("most motion", lambda look, _: look.motion)
    return [*light[: count - 1], motion, *[("another shot", _unlike)] * (count - 3)]


def _unlike(look: Glimpse, chosen: _Chosen) -> float:
    """Return how much a place differs from the one of those chosen that it is most like."""
    return min(unexplained(other.picture, look.picture) for other, _ in chosen)


def _candidates(glimpses: Sequence[Glimpse], length: Fraction, last: Fraction) -> list[list[Glimpse]]:
    """Return places that are not empty, those first that are not at the ends, nor cut short by them."""
    shown = [look for look in glimpses if look.contrast >= _EMPTY]
    since, until = _ENDS * length, (1 - _ENDS) * length
    return [[look for look in shown if since <= look.time < until and look.time <= last], shown]


def _is_apart(look: Glimpse, chosen: _Chosen, apart: Fraction, last: Fraction) -> bool:
    return all(abs(min(look.time, last) - min(other.time, last)) >= apart for other, _ in chosen)
