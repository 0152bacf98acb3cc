"""Which moments of a film stand for it: one of each shot, no more than a page can show."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

_LEAST = 4  # moments of a film of one shot
_SHORT = Fraction(1, 2)  # seconds; what is as short is not divided


def moments(shots: Sequence[Fraction], end: Fraction, *, most: int) -> list[Fraction]:
    """Return the middle of each shot, in seconds; of many shots, of so many spread over the film.

    Of a film of very few shots the longest are looked at more than once.

    Args:
        shots: When each begins, in any order; the first is the film's beginning.
        end: When the last one ends.
        most: How many to return at most.
    """
    begins = sorted({shot for shot in shots if shot < end}) or [Fraction(0)]
    spans = list(pairwise([*begins, end]))
    if len(spans) > most:
        spans = [spans[place * len(spans) // most] for place in range(most)]
    while len(spans) < min(_LEAST, most):
        longest = max(range(len(spans)), key=lambda place: spans[place][1] - spans[place][0])
        since, until = spans[longest]
        if until - since < 2 * _SHORT:
            break
        middle = (since + until) / 2
        spans[longest : longest + 1] = [(since, middle), (middle, until)]
    return [(since + until) / 2 for since, until in spans]
