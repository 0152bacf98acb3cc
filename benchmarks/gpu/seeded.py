"""ONNX files of seeded weights, without the weights: these are drawn again where they are needed.

A rehearsal's weights depend on their names and shapes alone (``reel.export.rehearsal``). What an export makes
of them are the same numbers in another shape, with zeros around them, or times one number for each channel.
Such a tensor is written down as the name of its weights and these numbers; all else of a file is kept as it
is. That makes 1.5 GB of graphs into a few MB, and putting them together takes NumPy alone, without Paddle.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = Mapping[str, Array]

_SMALL = 4096
"""Bytes; a smaller tensor is kept as it is."""

_SIGNS = 256
"""First values of a tensor by whose signs its weights are looked up: scaling leaves them as they are."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a file.

    Attributes:
        size: Its bytes.
        weights: Name of the weights that it is made of; None: it is kept as it is.
        shape: Of the tensor, with the zeros around the weights.
        inner: Of the weights within.
        axis: Whose every channel is multiplied by a number of its own, float64, kept before the piece;
            None: not multiplied.
    """

    size: int
    weights: str | None = None
    shape: tuple[int, ...] = ()
    inner: tuple[int, ...] = ()
    axis: int | None = None


def write_without_weights(source: Path, weights: Weights, target: Path) -> float:
    """Write ``target.json`` and ``target.rest``, of which ``put_together`` makes the ONNX file again.

    Returns:
        The share of the file that is drawn again.
    """
    import onnx
    from onnx import numpy_helper

    content = source.read_bytes()
    by_signs: dict[tuple[int, int], list[str]] = {}
    for name, value in weights.items():
        by_signs.setdefault(_signs(value), []).append(name)
    found: dict[int, tuple[Piece, bytes]] = {}
    for tensor in onnx.load_from_string(content).graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.dtype != np.float32 or value.nbytes < _SMALL:
            continue
        place = content.find(value.tobytes())
        drawn = _as_drawn(value, weights, by_signs)
        if place >= 0 and drawn is not None:
            found[place] = drawn
    pieces: list[Piece] = []
    rest = bytearray()
    done = 0
    for place, (piece, scales) in sorted(found.items()):
        pieces += [Piece(place - done), piece]
        rest += content[done:place] + scales
        done = place + piece.size
    pieces.append(Piece(len(content) - done))
    rest += content[done:]
    target.with_suffix(".json").write_text(json.dumps([asdict(piece) for piece in pieces]))
    target.with_suffix(".rest").write_bytes(rest)
    return sum(piece.size for piece in pieces if piece.weights) / max(len(content), 1)


def put_together(source: Path, weights: Weights, target: Path) -> None:
    """Write the ONNX file that ``write_without_weights`` was given.

    Args:
        source: Path of what it wrote, whatever its suffix.
        weights: Drawn anew, all that the file needs.
        target: File to write.

    Raises:
        ValueError: The weights have other shapes.
    """
    pieces: list[dict[str, Any]] = json.loads(source.with_suffix(".json").read_text())
    with source.with_suffix(".rest").open("rb") as rest, target.open("wb") as file:
        for fields in pieces:
            piece = Piece(**fields)
            if piece.weights is None:
                file.write(rest.read(piece.size))
                continue
            value = weights[piece.weights].reshape(piece.inner)
            if piece.axis is not None:
                scales = np.frombuffer(rest.read(8 * piece.inner[piece.axis]))
                value = _scaled(value, scales, piece.axis)
            whole = np.zeros(piece.shape, np.float32)
            whole[tuple(slice(side) for side in piece.inner)] = value
            file.write(whole.tobytes())


def _as_drawn(
    value: Array, weights: Weights, by_signs: Mapping[tuple[int, int], list[str]]
) -> tuple[Piece, bytes] | None:
    """Return how a tensor is made of some weights, and the bytes of its scales; None where of none."""
    inner = _without_zeros(value)
    for name in by_signs.get(_signs(inner), ()):
        drawn = weights[name].reshape(inner.shape)
        if np.array_equal(drawn, inner):
            return Piece(value.nbytes, name, value.shape, inner.shape), b""
        for axis in range(min(inner.ndim, 2)):
            scales = _scales(drawn, inner, axis)
            if scales is not None:
                return Piece(value.nbytes, name, value.shape, inner.shape, axis), scales.tobytes()
    return None


def _without_zeros(value: Array) -> Array:
    """Return a tensor without the channels of zeros at the ends of its first two axes."""
    for axis in range(min(value.ndim, 2)):
        others = tuple(other for other in range(value.ndim) if other != axis)
        filled = np.flatnonzero(np.any(value, axis=others))
        value = value.take(range(int(filled[-1]) + 1 if filled.size else 0), axis)
    return value


def _signs(value: Array) -> tuple[int, int]:
    flat = value.reshape(-1)[:_SIGNS]
    return math.prod(value.shape), zlib.crc32(np.packbits(flat > 0).tobytes())


def _scales(drawn: Array, value: Array, axis: int) -> Array | None:
    """Return one number for each channel by which weights become a tensor, to the bit; None: there are none.

    A value says between which bounds its factor lies, since it was rounded; a factor between all bounds of
    its channel is looked for.
    """
    others = tuple(other for other in range(value.ndim) if other != axis)
    exact = value.astype(np.float64)
    half = np.spacing(np.abs(value)).astype(np.float64) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.stack([(exact - half) / drawn, (exact + half) / drawn])
    low = np.nanmax(bounds.min(axis=0), axis=others)
    high = np.nanmin(bounds.max(axis=0), axis=others)
    scales = (low + high) / 2
    return scales if np.array_equal(_scaled(drawn, scales, axis), value) else None


def _scaled(drawn: Array, scales: Array, axis: int) -> Array:
    shape = [1] * drawn.ndim
    shape[axis] = -1
    return (drawn * scales.reshape(shape)).astype(np.float32)
