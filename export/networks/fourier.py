"""Convolutions with large kernels as products of spectra, tile by tile, in standard operators.

A convolution of 7x7 from many channels to many costs 49 multiplications for each pair of channels and each
pixel; as a product of the Fourier transforms of tiles of 16x16 it costs five, and the transforms, which are
one for each channel and not for each pair, add little. The overlap-save method: neighbouring tiles overlap
by what the kernel looks beyond a pixel, and of each result only what no edge has touched is kept.
"""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

TILE = 16  # pixels on a side; a power of two keeps most factors exact
HALF = TILE // 2
# Each way a transform is divided by this, and multiplied on the way back: sums over a tile would be up to 256
# times as large as its pixels, and motion of 256 pixels beyond float16. A power of two changes no digit.
UNIT = 4.0
AT_ONCE = 98  # channels transformed at a time, to bound the memory: half of a context of the paper's DAIN


class FourierConvolution(nn.Layer):
    """The sum of the convolutions of several inputs, padded with zeros to their own size, without offset.

    ``forward(*inputs)``: [1, C, H, W] each -> [1, K, H, W].

    Args:
        weights: For each input [K, C, L, L], float32, L odd and less than ``TILE``.
    """

    def __init__(self, weights):
        super().__init__()
        self.channels, _, self.length, _ = weights[0].shape
        self.kept = TILE - self.length + 1  # pixels on a side that a tile gives
        back_down, back_across = inverse_transforms(self.kept)
        self._constant("across", row_transform())
        self._constant("down", column_transform())
        self._constant("back_down", back_down)
        self._constant("back_across", back_across)
        for place, weight in enumerate(weights):
            for begin in range(0, weight.shape[1], AT_ONCE):
                part = spectra(weight[:, begin : begin + AT_ONCE])
                self._constant(f"spectra{place}_{begin}", part)

    def _constant(self, name, value):
        """Keep an array where tracing finds it."""
        self.register_buffer(name, paddle.to_tensor(np.ascontiguousarray(value, np.float32)))

    def forward(self, *inputs):
        found = None
        for place, value in enumerate(inputs):  # zip with strict is beyond Paddle's tracing
            for begin in range(0, value.shape[1], AT_ONCE):
                tiles = self.transformed(value[:, begin : begin + AT_ONCE])
                part = paddle.matmul(getattr(self, f"spectra{place}_{begin}"), tiles)
                found = part if found is None else found + part
        size = paddle.shape(inputs[0])
        rows, columns = ((size[axis] + self.kept - 1) // self.kept for axis in (2, 3))
        return self.restored(found, rows, columns)[:, :, : size[2], : size[3]]

    def transformed(self, value):
        """Return the tiles of a picture [1, C, H, W] as [TILE^2 / 2, 2C, tiles], a row for each pair."""
        channels, size = value.shape[1], paddle.shape(value)
        before, after = self.length // 2, TILE - 1 - self.length // 2
        value = value.reshape([channels, 1, size[2], size[3]])
        value = F.conv2d(value, self.across, stride=[1, self.kept], padding=[0, 0, before, after])
        value = F.conv2d(value, self.down, stride=[self.kept, 1], padding=[before, after, 0, 0], groups=HALF)
        return value.transpose([1, 0, 2, 3]).reshape([TILE * HALF, 2 * channels, -1])

    def restored(self, value, rows, columns):
        """Return the picture [1, K, H', W'] of tiles [TILE^2 / 2, 2K, tiles], without what edges touched."""
        count, kept = self.channels, self.kept
        value = value.reshape([TILE * TILE, count, rows, columns]).transpose([1, 0, 2, 3])
        value = F.conv2d(value, self.back_down, groups=HALF).reshape([count, TILE, kept * rows, columns])
        value = F.conv2d(value, self.back_across).reshape([count, kept, kept, rows, columns])
        return value.transpose([0, 3, 2, 4, 1]).reshape([1, count, kept * rows, kept * columns])


def real_transform():
    """Return the matrix [TILE, TILE] of a row's transform: X0 and X8, then real and imaginary parts."""
    place = np.arange(TILE)
    waves = [np.exp(-2j * np.pi * k * place / TILE) for k in range(1, HALF)]
    parts = [part for wave in waves for part in (wave.real, wave.imag)]
    return np.stack([np.ones(TILE), (-1.0) ** place, *parts])


def complex_transform():
    """Return the matrices [HALF, 2 * TILE, 2, TILE] of a column's transform, for each pair of a row's.

    The first pair, X0 and X8, is two real numbers, each transformed as a row; every other is one complex
    number, of which column frequency u comes to lie at 2u and 2u + 1.
    """
    found = np.zeros((HALF, 2 * TILE, 2, TILE))
    found[0, :TILE, 0] = found[0, TILE:, 1] = real_transform()
    for u in range(TILE):
        wave = np.exp(-2j * np.pi * u * np.arange(TILE) / TILE)
        found[1:, 2 * u] = np.stack([wave.real, -wave.imag])
        found[1:, 2 * u + 1] = np.stack([wave.imag, wave.real])
    return found


def row_transform():
    """Return weights [TILE, 1, 1, TILE] of the convolution that transforms the rows of tiles."""
    return real_transform()[:, None, None, :] / UNIT


def column_transform():
    """Return weights [TILE^2, 2, TILE, 1] of the one that transforms their columns, in HALF groups."""
    return complex_transform().reshape(TILE * TILE, 2, TILE, 1) / UNIT


def inverse_transforms(kept):
    """Return the weights of the convolutions back, of which each gives the first ``kept`` pixels of a side.

    [HALF * 2 * kept, 2 * TILE, 1, 1] in HALF groups: to rows. [kept, TILE, 1, 1]: to columns.
    """
    whole = [np.linalg.inv(matrix.reshape(2 * TILE, 2 * TILE)) for matrix in complex_transform()]
    rows = np.stack([matrix.reshape(2, TILE, 2 * TILE)[:, :kept] for matrix in whole])
    columns = np.linalg.inv(real_transform())[:kept]
    return rows.reshape(HALF * 2 * kept, 2 * TILE, 1, 1) * UNIT, columns[:, :, None, None] * UNIT


def transform(tiles):
    """Return the transform [..., TILE^2] of tiles [..., TILE, TILE]."""
    along = np.einsum("fx,...yx->...fy", real_transform(), tiles)
    along = along.reshape(*along.shape[:-2], HALF, 2, TILE)
    return np.einsum("gopy,...gpy->...go", complex_transform(), along).reshape(*along.shape[:-3], -1)


def spectra(weight):
    """Return what the kernels [K, C, L, L] do to transforms of tiles: matrices [TILE^2 / 2, 2K, 2C].

    A convolution of a network is a correlation: its spectrum is the conjugate one.
    """
    count, channels, length, _ = weight.shape
    padded = np.zeros((count, channels, TILE, TILE))
    padded[:, :, :length, :length] = weight
    pairs = np.moveaxis(transform(padded).reshape(count, channels, TILE * HALF, 2), 2, 0)
    real, imaginary = pairs[..., 0], pairs[..., 1]
    found = np.stack([np.stack([real, imaginary], axis=-2), np.stack([-imaginary, real], axis=-2)], axis=1)
    # X0 and X8 of the transforms of X0 and of X8 are real: two numbers, not the parts of one.
    for pair in (0, HALF):
        found[pair] = 0
        found[pair, 0, :, 0], found[pair, 1, :, 1] = real[pair], imaginary[pair]
    return found.reshape(TILE * HALF, 2 * count, 2 * channels)
