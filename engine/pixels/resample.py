"""Resizing, one axis at a time, with filters that are as wide as the reduction.

Bilinear for what networks look at, as Pillow does it: in float for the ordinary path, and in Pillow's own
integers where PaddleGAN's bytes are wanted. Lanczos for what people look at. All are matrix products, which
every device can do.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .frame import Pixels

Bytes = NDArray[np.uint8]

_PRECISION = 22  # bits after the point in Pillow's 8-bit weights


@lru_cache(maxsize=16)
def weights(count: int, target: int) -> NDArray[np.float64]:
    """Return the matrix [target, count] that resizes ``count`` samples to ``target``; rows sum to 1."""
    scale = count / target
    reach = max(scale, 1.0)
    matrix = np.zeros((target, count))
    for row in range(target):
        centre = (row + 0.5) * scale
        first, last = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), count)
        triangle = np.maximum(0.0, 1.0 - np.abs((np.arange(first, last) - centre + 0.5) / reach))
        matrix[row, first:last] = triangle / triangle.sum()
    return matrix


@lru_cache(maxsize=16)
def _float_weights(count: int, target: int) -> Pixels:
    return weights(count, target).astype(np.float32)


@lru_cache(maxsize=16)
def _integer_weights(count: int, target: int) -> NDArray[np.float64]:
    # Whole numbers, kept in float64 where their products with bytes are exact and BLAS is fast.
    return np.floor(weights(count, target) * (1 << _PRECISION) + 0.5)


def resize(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize [..., H, W] float32 to [..., height, width], without rounding to levels."""
    vertical = _float_weights(pixels.shape[-2], height)
    horizontal = _float_weights(pixels.shape[-1], width)
    resized: Pixels = np.matmul(vertical, np.matmul(pixels, horizontal.T))
    return np.ascontiguousarray(resized)


def resize_bytes(pixels: Bytes, height: int, width: int) -> Bytes:
    """Resize [..., H, W] uint8 to [..., height, width], bit for bit as Pillow 13 does.

    Each axis is rounded to bytes by itself, so their order shows. Pillow 11.3 and 12.0 always took the
    horizontal one first; 13.0 takes the vertical one first where it shrinks much more.
    """
    shrink_v, shrink_h = pixels.shape[-2] - height, pixels.shape[-1] - width
    if shrink_v > 0 and shrink_v > 2 * shrink_h:
        return _pass(_pass(pixels.swapaxes(-1, -2), height).swapaxes(-1, -2), width)
    return _pass(_pass(pixels, width).swapaxes(-1, -2), height).swapaxes(-1, -2)


def _pass(pixels: Bytes, target: int) -> Bytes:
    count = pixels.shape[-1]
    if count == target:
        return pixels
    total = pixels.astype(np.float64) @ _integer_weights(count, target).T
    rounded = np.floor((total + (1 << (_PRECISION - 1))) / (1 << _PRECISION))
    return np.clip(rounded, 0, 255).astype(np.uint8)


_LOBES = 3  # of the Lanczos filter, on either side
_BLOCK = 32  # rows of a product: few, so that its matrix has few zeros
# Multiplications that OpenBLAS does in one thread. More it would share out, which takes longer here than it
# saves (five times the processor time, measured with numpy 2.4), and takes that from the networks.
_ALONE = 2**18


def lanczos(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize [..., H, W] float32 to [..., height, width] by Lanczos with three lobes, clipped to [0, 1].

    What is smaller is filtered as wide as it shrinks, so that nothing flickers; at the edges the weights
    that lie outside are left out. A side that stays as it is comes back unchanged.
    """
    resized = _down(_across(np.ascontiguousarray(pixels), width), height)
    return np.clip(resized, 0.0, 1.0, dtype=np.float32)


def _across(pixels: Pixels, target: int) -> Pixels:
    count = pixels.shape[-1]
    if count == target:
        return pixels
    rows = pixels.reshape(-1, count)
    out = np.empty((len(rows), target), np.float32)
    for first, matrix, left in _blocks(count, target):
        few, needed = max(1, _ALONE // matrix.size), slice(first, first + matrix.shape[1])
        for top in range(0, len(rows), few):
            out[top : top + few, left : left + len(matrix)] = rows[top : top + few, needed] @ matrix.T
    return out.reshape(*pixels.shape[:-1], target)


def _down(pixels: Pixels, target: int) -> Pixels:
    count, width = pixels.shape[-2:]
    if count == target:
        return pixels
    planes = pixels.reshape(-1, count, width)
    out = np.empty((len(planes), target, width), np.float32)
    for first, matrix, top in _blocks(count, target):
        few, needed = max(1, _ALONE // matrix.size), slice(first, first + matrix.shape[1])
        for plane, made in zip(planes, out, strict=True):
            for left in range(0, width, few):
                columns = slice(left, left + few)
                made[top : top + len(matrix), columns] = matrix @ plane[needed, columns]
    return out.reshape(*pixels.shape[:-2], target, width)


@lru_cache(maxsize=16)
def lanczos_weights(count: int, target: int) -> Pixels:
    """Return the matrix [target, count] by which ``lanczos`` resizes ``count`` samples to ``target``."""
    if count == target:
        return np.eye(count, dtype=np.float32)
    whole = np.zeros((target, count), np.float32)
    for first, matrix, top in _blocks(count, target):
        whole[top : top + len(matrix), first : first + matrix.shape[1]] = matrix
    return whole


@lru_cache(maxsize=16)
def _blocks(count: int, target: int) -> list[tuple[int, Pixels, int]]:
    """Return for each block of results: the first sample it is made of, its weights, its first place."""
    scale = count / target
    reach = _LOBES * max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale - 0.5
    blocks: list[tuple[int, Pixels, int]] = []
    for top in range(0, target, _BLOCK):
        own = centres[top : top + _BLOCK, None]
        first = max(0, int(np.ceil(own[0, 0] - reach)))
        last = min(count, int(np.floor(own[-1, 0] + reach)) + 1)
        distance = (np.arange(first, last) - own) / max(scale, 1.0)
        matrix = np.where(np.abs(distance) < _LOBES, np.sinc(distance) * np.sinc(distance / _LOBES), 0.0)
        blocks.append((first, (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32), top))
    return blocks
