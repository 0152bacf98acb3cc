"""A look at one place of a film, of which enough is kept to choose among many."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..pixels.frame import Pixels
from ..pixels.shots import Thumbnail, thumbnail, unexplained

LATER = 3  # frames from a glimpse to the one that tells how much moves: fewer may only repeat it
FEW = 5000  # frames of a film without places to begin at that are decoded to find some

_ANOTHER_SHOT = 0.5  # unexplained between the two


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a film shows at one place.

    Attributes:
        time: Seconds, as those of its frames.
        picture: Its luma, 36 x 48.
        later: That of a frame shortly after it; None where there is none.
    """

    time: Fraction
    picture: Thumbnail
    later: Thumbnail | None

    @property
    def brightness(self) -> float:
        """Mean luma, in [0, 1]."""
        return float(self.picture.mean())

    @property
    def contrast(self) -> float:
        """Standard deviation of luma; next to nothing where a picture is empty."""
        return float(self.picture.std())

    @property
    def motion(self) -> float:
        """How much changes until shortly after it; nothing where a shot ends between."""
        if self.later is None or unexplained(self.picture, self.later) > _ANOTHER_SHOT:
            return 0.0
        return float(np.abs(self.later - self.picture).mean())


def glimpse(time: Fraction, picture: Pixels, later: Pixels | None) -> Glimpse:
    """Return what is kept of a frame, [1, 3, H, W], and of one shortly after it."""
    return Glimpse(time, thumbnail(picture), None if later is None else thumbnail(later))
