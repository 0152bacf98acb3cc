"""What travels between the stages of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ..device.array import DeviceArray, Pixels, Value, pixels_of

if TYPE_CHECKING:
    from .planar import Planar


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of the film.

    Attributes:
        pixels: [1, 3, H, W], float32, RGB with the film's own transfer curve, in [0, 1] unless
            ``Format.clipped`` is not set. On a device they may be float16, where its networks' are.
            Before they come there, and after, they may be the planes that RGB is made of.
            Nobody writes into an array that has been handed on.
        time: Presentation time in seconds, from the start of the run.
        duration: Seconds until the next frame of the film.
        index: Place among the frames of its stream, from 0 at the start of the run.
        cut: Whether this is the first frame of a shot.
        held: Whether this only repeats the frame before it, and so need not be looked at.
    """

    pixels: Value | Planar
    time: Fraction
    duration: Fraction
    index: int = 0
    cut: bool = False
    held: bool = False

    @property
    def height(self) -> int:
        return self.pixels.shape[2]

    @property
    def width(self) -> int:
        return self.pixels.shape[3]

    @property
    def rgb(self) -> Value:
        """The pixels as RGB, where they are."""
        pixels = self.pixels
        return pixels if isinstance(pixels, np.ndarray | DeviceArray) else pixels.rgb()

    @property
    def picture(self) -> Pixels | Planar:
        """The pixels in the machine's memory: as planes if they are, else as ``here``."""
        pixels = self.pixels
        return pixels_of(pixels) if isinstance(pixels, np.ndarray | DeviceArray) else pixels

    @property
    def here(self) -> Pixels:
        """RGB in the machine's memory, in float32; that on a device is copied and waited for."""
        return pixels_of(self.rgb)


@dataclass(frozen=True, slots=True)
class Colour:
    """How a film codes colour, in libav's numbers (``av.video.reformatter`` enumerations).

    ``matrix``, ``primaries`` and ``transfer`` are 2 where the film does not say.
    """

    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    full_range: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """What is known of a stream of frames before the first one arrives.

    Attributes:
        width, height: Pixels.
        rate: Frames per second where it is constant, else None.
        time_base: Seconds; every frame's time is a whole multiple of it.
        pixel_aspect: Width of a pixel over its height.
        depth: Bits per sample that are worth keeping: 8, 10, 12 or 16.
        sampling: What the film's planes hold: "420", "422", "444", "grey" or "rgb"; of use to the sink alone.
        colour: How the film codes colour; of use to the sink alone.
        clipped: Whether pixels are kept within [0, 1]. Planes hold colours that RGB does not,
            which come back only if this is not done; networks are given none.
        frames: How many frames to expect, for the progress display; None where unknown.
        still: Whether this is one photo and not a film.
    """

    width: int
    height: int
    rate: Fraction | None
    time_base: Fraction
    pixel_aspect: Fraction = Fraction(1)
    depth: int = 8
    sampling: str = "420"
    colour: Colour = Colour()
    clipped: bool = True
    frames: int | None = None
    still: bool = False


def blank(height: int, width: int) -> Pixels:
    """Return black pixels, [1, 3, H, W], that take no memory: for a frame that is asked for by nobody."""
    return np.broadcast_to(np.float32(0), (1, 3, height, width))


Stage = Callable[[Iterator[Frame]], Iterator[Frame]]
