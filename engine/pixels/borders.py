"""Black borders of a film, which no network need look at.

Content is never to be taken for a border: lines count as black only if they are in every sample of the film,
only if the picture begins clearly and at once beside them, and only if they are worth it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .frame import Format, Pixels

SAMPLES = 24
_ENOUGH = 8  # samples; fewer do not speak for a film
_BLACK = 0.08  # the lifted black of old transfers, with its noise
_OUTLIERS = 0.002  # share of a line's pixels that may be brighter, such as dust
_CLEAR = 0.15  # mean brightness that the picture has beside its border in some sample
_BESIDE = 4  # lines; compression blurs the edge by some
_NARROW = 0.02  # of the side; less is no border that somebody made
_WORTH = 0.04  # of the area


@dataclass(frozen=True, slots=True)
class Borders:
    """How many lines on each side are black."""

    top: int
    bottom: int
    left: int
    right: int

    def inside(self, film: Format) -> Format:
        """Return the film without them."""
        return replace(
            film,
            width=film.width - self.left - self.right,
            height=film.height - self.top - self.bottom,
        )


def borders_of(samples: Iterable[Pixels]) -> Borders | None:
    """Return the black borders that samples of a film have in common; None if there are none worth it.

    Args:
        samples: [1, 3, H, W] float32, from all over the film.
    """
    darkest: tuple[_Profile, _Profile] | None = None
    count = 0
    for pixels in samples:
        if darkest is not None and pixels.shape[2:] != (len(darkest[0].most), len(darkest[1].most)):
            continue  # whoever reads the film refuses it
        bright = pixels[0].max(axis=0)
        profiles = _profile(bright), _profile(bright.T)
        darkest = profiles if darkest is None else (darkest[0] | profiles[0], darkest[1] | profiles[1])
        count += 1
    if darkest is None or count < _ENOUGH:
        return None
    (top, bottom), (left, right) = (profile.ends() for profile in darkest)
    height, width = (len(profile.most) for profile in darkest)
    borders = Borders(top, bottom, left, right)
    kept = (height - top - bottom) * (width - left - right)
    return borders if kept <= (1 - _WORTH) * height * width else None


@dataclass(frozen=True, slots=True)
class _Profile:
    """The most brightness that each line had in a sample: that of nearly all its pixels, and their mean."""

    most: NDArray[np.float32]
    mean: NDArray[np.float32]

    def __or__(self, other: _Profile) -> _Profile:
        return _Profile(np.maximum(self.most, other.most), np.maximum(self.mean, other.mean))

    def ends(self) -> tuple[int, int]:
        """Return how many lines are black at the beginning and at the end."""
        return _black_lines(self.most, self.mean), _black_lines(self.most[::-1], self.mean[::-1])


def _profile(bright: NDArray[np.float32]) -> _Profile:
    return _Profile(
        np.quantile(bright, 1 - _OUTLIERS, axis=1, method="lower").astype(np.float32),
        bright.mean(axis=1, dtype=np.float32),
    )


def _black_lines(most: NDArray[np.float32], mean: NDArray[np.float32]) -> int:
    shown = np.flatnonzero(most > _BLACK)
    if not len(shown):
        return 0
    first = int(shown[0])
    clear = mean[first : first + _BESIDE].max() >= _CLEAR
    return first if clear and first >= _NARROW * len(most) else 0
