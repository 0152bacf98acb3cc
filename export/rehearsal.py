"""Seeded weights for the full-size networks: to check a machine before a gigabyte is fetched.

Each array is drawn from a generator seeded by its own name, so it depends on nothing else. The gains keep
signals in range through every layer, and every branch (attention, offsets, flow) is alive: a graph that
lost one would differ from Paddle. The pictures mean nothing.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..models.spec import Kind, Network

Weights = dict[str, NDArray[np.float32]]

RELU = 2**0.5  # keeps the variance through a rectifier

# The first pattern that is found in a name gives the standard deviation of a convolution's weights, times
# the square root of what one output sums over.
_GAINS: dict[Kind, tuple[tuple[str, float], ...]] = {
    Kind.INTERPOLATE: (
        (r"predict_flow[3456]\.weight$", 0.8),
        (r"(predict_flow2|dc_conv7)(\.0)?\.weight$", 0.05),  # motion of about a pixel
        (r"deconv\d\.weight$", 1.0),
        (r"upfeat\d\.weight$", 0.5),
        (r"rectifyNet\.block5(\.0)?\.weight$", 0.01),
        (r"rectifyNet\.block1(\.0)?\.weight$", 1.0),
        (r"(rectifyNet|ctxNet)\.block[234]\.conv2\.weight$", 0.5),
        (r"initScaleNets_filter[12]\.2\.weight$", 0.15),  # kernels near the mean of their taps
        (r"initScaleNets_filter", 1.2),
        (r"depthNet\.4\.weight$", 0.3),  # logarithm of depth
        (r"^flow\.flow\d\.weight$", 0.3),  # dain-s: motion of about a pixel, at each level
        (r"^(meet\.head|rectifier\.leave)\.weight$", 0.05),
        (r"^rectifier\.block\d\.conv2\.weight$", 0.15),
        (r"", RELU),
    ),
    Kind.UPSCALE: (
        (r"(feature_extractor|reconstructor)\.block\d+\.conv2\.weight$", 0.15),
        (r"conv_offset_mask\.weight$", 0.5),  # offsets of about half a pixel
        (r"tAtt_\d\.weight$", 0.3),  # the sum over channels stays where the sigmoid is steep
        (r"conv_last\.weight$", 0.05),  # a small correction of the enlarged frame
        (r"^base\.weight$", 0.5),
        (r"", RELU),
    ),
    Kind.COLOURISE: (
        (r"layers\.11\.0\.weight_orig$", 1.0),
        (r"", RELU),
    ),
}


def rehearsal_weights(network: Network, layout: Mapping[str, tuple[int, ...]]) -> Weights:
    """Return seeded weights, float32, for the names and shapes that a network has."""
    weights = {name: _drawn(network.kind, name, shape) for name, shape in layout.items()}
    for name in layout:
        if name.endswith(".weight_orig"):
            left, right = _singular_vectors(weights[name])
            stem = name.removesuffix("weight_orig") + "spectral_norm."
            weights[f"{stem}weight_u"], weights[f"{stem}weight_v"] = left, right
    return weights


def _drawn(kind: Kind, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) > 1:
        gain = next(gain for pattern, gain in _GAINS[kind] if re.search(pattern, name))
        # A transposed convolution of stride 2 and width 4 sums over a quarter of its taps.
        transposed = re.search(r"\.(deconv|upfeat)\d\.weight$", name) is not None
        summed = shape[0] * 4 if transposed else int(np.prod(shape[1:]))
        return (rng.standard_normal(shape, np.float32) * np.float32(gain / summed**0.5)).astype(np.float32)
    return _vector(name, shape, rng)


def _vector(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    if name.endswith("running_var"):
        return rng.uniform(0.8, 1.2, shape).astype(np.float32)
    if re.search(r"initScaleNets_filter[12]\.2\.bias$", name):
        return (0.25 + 0.02 * rng.standard_normal(shape)).astype(np.float32)
    if name.endswith("_variance"):
        # A spectrally normalised convolution and a rectifier leave about a quarter of the variance.
        variance = 1.0 if name.startswith("layers.0.") else 0.25
        return rng.uniform(0.8 * variance, 1.2 * variance, shape).astype(np.float32)
    if name.endswith("gamma"):  # attention: zero, as a fresh network has it, would hide the whole branch
        return np.full(shape, 0.5, np.float32)
    if name.endswith("weight_g"):
        return np.full(shape, 12.0, np.float32)  # strong enough that the colour shows
    if re.search(r"(\.bn\d?|downsample\.1|layers\.\d+(\.\d+)*|depthNet\.1)\.weight$", name):  # batch norm
        last_of_residual_block = re.search(r"layers\.0\.\d+\.\d+\.bn[23]\.weight$", name)
        centre = 0.3 if last_of_residual_block else 1.0
        return rng.uniform(0.8 * centre, 1.2 * centre, shape).astype(np.float32)
    return (0.02 * rng.standard_normal(shape)).astype(np.float32)


def _singular_vectors(weight: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the first left and right singular vectors of a convolution's weights, by power iteration.

    Spectral normalisation divides by what they span; random vectors would make it explode.
    """
    matrix = weight.reshape(weight.shape[0], -1)
    left = np.ones(matrix.shape[0], np.float32)
    right = np.ones(matrix.shape[1], np.float32)
    for _ in range(8):
        right = _unit(left @ matrix)
        left = _unit(matrix @ right)
    return left, right


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
