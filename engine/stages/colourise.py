"""DeOldify: every frame by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from ...models.deoldify import MEAN, RENDER_BASE, RENDER_FACTOR, STD
from ..backend import LoadedNetwork
from ..device.array import pixels_of
from ..frame import Frame, Pixels
from ..held import is_same
from ..luma import grey_bytes, luma, with_chroma, with_chroma_bytes
from ..parity import Parity, from_bytes, to_bytes
from ..resample import resize, resize_bytes

# float64, as in PaddleGAN's predictor, whose float32 pictures are divided in place by float64 constants
_MEAN = np.array(MEAN).reshape(1, 3, 1, 1)
_STD = np.array(STD).reshape(1, 3, 1, 1)


class Colourise:
    """Give every frame the chroma that the network sees in it, and leave its luma alone.

    The network looks at a grey square of ``render_factor * 16`` pixels a side. A frame equal to the one
    before it is not computed again. Source: PaddleGAN,
    ``ppgan/apps/deoldify_predictor.py``, 2.1.0.

    Args:
        network: A loaded colouriser.
        render_factor: 1 or more; larger sees more detail, smaller gives bolder colour.
        parity: See ``engine.parity``.
        since: Frames before this time are asked for by nobody and stay as they are.
    """

    def __init__(
        self,
        network: LoadedNetwork,
        *,
        render_factor: int = RENDER_FACTOR,
        parity: Parity = Parity.CORRECT,
        since: Fraction | None = None,
    ) -> None:
        self._network = network
        self._since = since
        self._side = render_factor * RENDER_BASE
        self._colourised = self._as_paddlegan if parity is Parity.PPGAN else self._correctly

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        last: tuple[Pixels, Pixels] | None = None
        for frame in frames:
            if self._since is not None and frame.time < self._since:
                yield frame
                continue
            if last is None or not is_same(frame.pixels, last[0]):
                last = frame.pixels, self._colourised(frame.pixels)
            yield replace(frame, pixels=last[1])

    def _correctly(self, pixels: Pixels) -> Pixels:
        grey = luma(pixels)
        small = np.repeat(resize(grey, self._side, self._side), 3, axis=1)
        coloured = self._seen(small)
        return with_chroma(grey, resize(np.clip(coloured, 0.0, 1.0), *pixels.shape[2:]))

    def _as_paddlegan(self, pixels: Pixels) -> Pixels:
        grey = grey_bytes(to_bytes(pixels))
        small = np.repeat(resize_bytes(grey, self._side, self._side), 3, axis=1)
        coloured = self._seen(from_bytes(small))
        truncated = np.clip(coloured * np.float32(255.0), 0, 255).astype(np.uint8)
        return from_bytes(with_chroma_bytes(grey, resize_bytes(truncated, *pixels.shape[2:])))

    def _seen(self, grey: Pixels) -> Pixels:
        """Return what the network makes of a grey square, [1, 3, side, side], not clipped."""
        (coloured,) = self._network.run("colour", picture=_normalised(grey))
        scaled = (pixels_of(coloured) * _STD).astype(np.float32)
        return (scaled + _MEAN).astype(np.float32)


def _normalised(picture: Pixels) -> Pixels:
    centred = (picture - _MEAN).astype(np.float32)
    return (centred / _STD).astype(np.float32)
