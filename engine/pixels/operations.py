"""What stages, source and sink do to pictures, and how it is done in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...models.deoldify import MEAN, STD
from ..device.array import Value, pixels_of
from .colour import Layout, Samples, planes_from_rgb, rgb_from_planes
from .frame import Pixels
from .held import is_held, is_same
from .luma import grey_bytes, luma, with_chroma, with_chroma_bytes
from .parity import Parity, finished, from_bytes, to_bytes
from .planar import upright
from .resample import lanczos, resize, resize_bytes
from .shots import Thumbnail, thumbnail

if TYPE_CHECKING:
    from .turn import Turn  # which needs the video library

# float64, as in PaddleGAN's predictor, whose float32 pictures are divided in place by float64 constants
_MEAN = np.array(MEAN).reshape(1, 3, 1, 1)
_STD = np.array(STD).reshape(1, 3, 1, 1)


class Operations(Protocol):
    """What is done to pictures between the networks. Nothing writes into what it is given.

    Pictures are RGB, [1, 3, H, W] in [0, 1], in the machine's memory or a device's. On a device a method
    returns before its work is done; of methods that work there those wait
    whose answer is needed here: ``is_same``, ``is_held``, ``thumbnail``.

    Raises:
        OutOfMemoryError: There was not enough memory.
        BackendError: The device failed.
    """

    def ingested(self, planes: Sequence[Any], layout: Layout, *, matrix: int, full_range: bool) -> Value:
        """Return the RGB of planes, clipped (see ``colour.rgb_from_planes``)."""
        ...

    def emitted(self, pixels: Value, layout: Layout, *, matrix: int, full_range: bool) -> Sequence[Any]:
        """Return the planes of RGB, which is clipped (see ``colour.planes_from_rgb``)."""
        ...

    def padded(self, pixels: Value, *, top: int, bottom: int, left: int, right: int) -> Value:
        """Return a picture with its outermost pixels repeated outwards."""
        ...

    def finished(self, pixels: Value, *, top: int, left: int, height: int, width: int) -> Value:
        """Return a part of what a network gave, in [0, 1]."""
        ...

    def is_same(self, pixels: Value, previous: Value) -> bool:
        """Tell whether two pictures are equal to the last bit."""
        ...

    def is_held(self, pixels: Value, previous: Value) -> bool:
        """Tell whether two pictures show the same but for grain (see ``held.is_held``)."""
        ...

    def thumbnail(self, pixels: Value) -> Thumbnail:
        """Return what cuts are told from, in the machine's memory (see ``shots.thumbnail``)."""
        ...

    def turned(self, pixels: Value, turn: Turn) -> Value:
        """Return a picture set upright."""
        ...

    def look(self, pixels: Value, side: int) -> Value:
        """Return what DeOldify looks at: [1, 3, side, side], grey and normalised."""
        ...

    def coloured(self, pixels: Value, seen: Value) -> Value:
        """Return a picture with the chroma of what DeOldify made of ``look``, [1, 3, side, side]."""
        ...

    def resized(self, pixels: Value, height: int, width: int) -> Value:
        """Return a picture in another size (see ``resample.lanczos``)."""
        ...


class HostOperations:
    """The same in NumPy (see ``Operations``), in PaddleGAN's bytes where these are wanted.

    Pictures that are on a device are brought to the machine's memory, and stay here.

    Args:
        parity: See ``engine.pixels.parity``.
    """

    def __init__(self, parity: Parity = Parity.CORRECT) -> None:
        self._parity = parity

    def ingested(self, planes: Sequence[Samples], layout: Layout, *, matrix: int, full_range: bool) -> Pixels:
        return rgb_from_planes(list(planes), layout, matrix=matrix, full_range=full_range)

    def emitted(self, pixels: Value, layout: Layout, *, matrix: int, full_range: bool) -> Sequence[Samples]:
        return planes_from_rgb(pixels_of(pixels), layout, matrix=matrix, full_range=full_range)

    def padded(self, pixels: Value, *, top: int, bottom: int, left: int, right: int) -> Pixels:
        here = pixels_of(pixels)
        if not (top or bottom or left or right):
            return here
        return np.pad(here, ((0, 0), (0, 0), (top, bottom), (left, right)), mode="edge")

    def finished(self, pixels: Value, *, top: int, left: int, height: int, width: int) -> Pixels:
        part = np.array(pixels_of(pixels)[:, :, top : top + height, left : left + width], order="C")
        return finished(part, self._parity)

    def is_same(self, pixels: Value, previous: Value) -> bool:
        return is_same(pixels_of(pixels), pixels_of(previous))

    def is_held(self, pixels: Value, previous: Value) -> bool:
        return is_held(pixels_of(pixels), pixels_of(previous))

    def thumbnail(self, pixels: Value) -> Thumbnail:
        return thumbnail(pixels_of(pixels))

    def turned(self, pixels: Value, turn: Turn) -> Pixels:
        return upright(pixels_of(pixels), turn)

    def look(self, pixels: Value, side: int) -> Pixels:
        here = pixels_of(pixels)
        if self._parity is Parity.PPGAN:
            small = from_bytes(resize_bytes(grey_bytes(to_bytes(here)), side, side))
        else:
            small = resize(luma(here), side, side)
        centred = (np.repeat(small, 3, axis=1) - _MEAN).astype(np.float32)
        return (centred / _STD).astype(np.float32)

    def coloured(self, pixels: Value, seen: Value) -> Pixels:
        here, scaled = pixels_of(pixels), (pixels_of(seen) * _STD).astype(np.float32)
        colours = (scaled + _MEAN).astype(np.float32)
        height, width = here.shape[2:]
        if self._parity is Parity.PPGAN:
            truncated = np.clip(colours * np.float32(255.0), 0, 255).astype(np.uint8)
            grey = grey_bytes(to_bytes(here))
            return from_bytes(with_chroma_bytes(grey, resize_bytes(truncated, height, width)))
        return with_chroma(luma(here), resize(np.clip(colours, 0.0, 1.0), height, width))

    def resized(self, pixels: Value, height: int, width: int) -> Pixels:
        return lanczos(pixels_of(pixels), height, width)
