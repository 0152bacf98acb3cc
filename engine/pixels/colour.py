"""Between the planes of a film and RGB: matrix, range and chroma siting, in float32.

libswscale is not used for this. Its 16-bit and float outputs map white to 65280/65535 (measured
with libswscale 9.5: half a level too dark on average), and its 8-bit output rounds before the
networks see a pixel.

Chroma is enlarged by linear interpolation and reduced by the filters whose result is exactly the
chroma that was enlarged. A film that passes through unchanged so comes back bit for bit, as long as
its colours lie inside RGB.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .coding import LUMA_WEIGHTS, Layout, ToRgb, numbers_from_rgb, numbers_to_rgb
from .frame import Colour, Pixels

Plane = NDArray[np.float32]
Samples = NDArray[np.uint8 | np.uint16]
Places = NDArray[np.intp]

_UNSPECIFIED = 2


def resolve_matrix(colour: Colour, width: int, height: int) -> int:
    """Return the matrix of a film: the one it names, else the one that players assume.

    Players take an untagged film of 1280 columns or more than 576 lines for BT.709, a smaller one
    for BT.601.
    """
    if colour.matrix in LUMA_WEIGHTS:
        return colour.matrix
    return 1 if width >= 1280 or height > 576 else 6


def is_known_matrix(matrix: int) -> bool:
    """Whether planes of this matrix can be converted; RGB (0) and "does not say" (2) included."""
    return matrix in LUMA_WEIGHTS or matrix in (0, _UNSPECIFIED)


def same_matrix(one: int, other: int) -> bool:
    """Whether two known matrices are the same by different numbers."""
    return LUMA_WEIGHTS.get(one) == LUMA_WEIGHTS.get(other)


def rgb_from_planes(
    planes: list[Samples], layout: Layout, *, matrix: int, full_range: bool, clip: bool = True
) -> Pixels:
    """Convert the planes of one picture to RGB.

    Args:
        planes: Y, U, V or Y or R, G, B as ``layout`` says; [H, W] of unsigned samples.
        matrix: A number of libav that ``resolve_matrix`` returns; of no use to RGB.
        full_range: Whether black is 0 and white the largest number; RGB always is.
        clip: Whether to clip colours outside RGB.

    Returns:
        [1, 3, H, W] float32, [0, 1] if clipped.
    """
    height, width = planes[0].shape
    out = np.empty((1, 3, height, width), np.float32)
    numbers = numbers_to_rgb(layout, matrix=matrix, full_range=full_range)
    if layout.kind == "rgb":
        for channel, plane in enumerate(planes):
            np.divide(plane, numbers.top, out=out[0, channel], dtype=np.float32)
        return out
    if layout.kind == "grey":
        luma = (planes[0].astype(np.float32) - numbers.black) / numbers.luma_span
        out[:] = np.clip(luma, 0, 1, out=luma) if clip else luma
        return out
    u, v = ((plane.astype(np.float32) - numbers.neutral) / numbers.chroma_span for plane in planes[1:3])
    u, v = (_enlarge(plane, layout, height, width) for plane in (u, v))
    for rows in _bands(height):
        part = out[0, :, rows]
        _mix(planes[0][rows], u[rows], v[rows], numbers, out=part)
        if clip:
            np.clip(part, 0, 1, out=part)
    return out


def rgb_at(
    planes: Sequence[Samples], layout: Layout, rows: Places, columns: Places, *, matrix: int, full_range: bool
) -> Pixels:
    """Return some pixels of ``rgb_from_planes``, clipped, to the last bit, without those between them.

    Args:
        planes, layout, matrix, full_range: As for ``rgb_from_planes``.
        rows, columns: Which.

    Returns:
        [1, 3, rows, columns] float32.
    """
    if layout.kind != "yuv":
        few = [plane[np.ix_(rows, columns)] for plane in planes]
        return rgb_from_planes(few, layout, matrix=matrix, full_range=full_range)
    numbers = numbers_to_rgb(layout, matrix=matrix, full_range=full_range)
    out = np.empty((1, 3, len(rows), len(columns)), np.float32)
    u, v = (_chroma_at(plane, layout, numbers, rows, columns) for plane in planes[1:3])
    _mix(planes[0][np.ix_(rows, columns)], u, v, numbers, out=out[0])
    return np.clip(out, 0, 1, out=out)


def planes_from_rgb(
    pixels: Pixels, layout: Layout, *, matrix: int, full_range: bool, clip: bool = True
) -> list[Samples]:
    """Convert RGB to the planes of one picture, rounding half to even.

    Args:
        pixels: [1, 3, H, W] float32.
        layout, matrix, full_range: As for ``rgb_from_planes``.
        clip: Whether values outside [0, 1] are clipped, or only what the planes cannot hold.

    Returns:
        Planes as ``rgb_from_planes`` takes them; chroma has (W + 1) // 2 columns where halved.
    """
    height, width = pixels.shape[2:]
    numbers = numbers_from_rgb(layout, matrix=matrix, full_range=full_range)
    top = numbers.top
    if layout.kind == "rgb":
        return [_quantised(np.clip(channel, 0, 1) * top, layout, top) for channel in pixels[0]]
    codes = np.empty((height, width), layout.dtype)
    u, v = np.empty((2, height, width) if layout.kind == "yuv" else (2, 0, 0), np.float32)
    for rows in _bands(height):
        rgb = pixels[0, :, rows]
        if clip:
            rgb = np.clip(rgb, 0, 1)
        luma = rgb[0] * numbers.red
        luma += rgb[1] * numbers.green
        luma += rgb[2] * numbers.blue
        if layout.kind == "yuv":
            np.multiply(rgb[2] - luma, numbers.u_of_blue, out=u[rows])
            np.multiply(rgb[0] - luma, numbers.v_of_red, out=v[rows])
        luma *= numbers.luma_span
        luma += numbers.black
        codes[rows] = _quantised(luma, layout, top)
    if layout.kind == "grey":
        return [codes]
    chroma = (_quantised(_reduce(plane, layout) + numbers.neutral, layout, top) for plane in (u, v))
    return [codes, *chroma]


def _mix(codes: Samples, pb: Plane, pr: Plane, numbers: ToRgb, *, out: Plane) -> None:
    """Write the RGB, [3, H, W], of luma as samples and of chroma around 0."""
    luma = (codes.astype(np.float32) - numbers.black) / numbers.luma_span
    np.add(luma, pr * numbers.red_of_v, out=out[0])
    np.add(luma, pb * numbers.blue_of_u, out=out[2])
    luma -= pb * numbers.green_of_u
    np.subtract(luma, pr * numbers.green_of_v, out=out[1])


def _chroma_at(plane: Samples, layout: Layout, numbers: ToRgb, rows: Places, columns: Places) -> Plane:
    """Return some pixels of enlarged chroma, around 0."""
    near, far = _sources(rows, plane.shape[0], halved=layout.half_height)
    upper, lower = (
        (plane[side].astype(np.float32) - numbers.neutral) / numbers.chroma_span for side in (near, far)
    )
    some = _between(upper, lower, (near == far)[:, None])
    near, far = _sources(columns, plane.shape[1], halved=layout.half_width, left=layout.left)
    if layout.left:
        return (some[:, near] + some[:, far]) * np.float32(0.5)
    return _between(some[:, near], some[:, far], near == far)


def _sources(places: Places, count: int, *, halved: bool, left: bool = False) -> tuple[Places, Places]:
    """Return from which two samples of so many each place is made; one twice where it is that one alone."""
    if not halved:
        return places, places
    near = places // 2
    return near, np.clip(near + np.where(places % 2 == 1, 1, 0 if left else -1), 0, count - 1)


def _between(near: Plane, far: Plane, alone: NDArray[np.bool_]) -> Plane:
    return np.where(alone, near, near * np.float32(0.75) + far * np.float32(0.25))


def _quantised(values: Plane, layout: Layout, top: np.float32) -> Samples:
    """Round half to even; writes into ``values``."""
    np.rint(values, out=values)
    return np.clip(values, 0, top, out=values).astype(layout.dtype)


def _bands(height: int) -> list[slice]:
    """Return slices of rows small enough for a core's cache."""
    return [slice(top, top + 16) for top in range(0, height, 16)]


def _enlarge(plane: Plane, layout: Layout, height: int, width: int) -> Plane:
    if layout.half_height:
        plane = _double_between(plane.T)[:, :height].T
    if layout.half_width:
        plane = (_double_on_even(plane) if layout.left else _double_between(plane))[:, :width]
    return plane


def _reduce(plane: Plane, layout: Layout) -> Plane:
    if layout.half_width:
        plane = _halve_on_even(plane) if layout.left else _halve_between(plane)
    if layout.half_height:
        plane = _halve_between(plane.T).T
    return plane


def _double_on_even(x: Plane) -> Plane:
    out = _doubled_memory(x)
    out[:, 0::2] = x
    out[:, 1:-1:2] = (x[:, :-1] + x[:, 1:]) * np.float32(0.5)
    out[:, -1] = x[:, -1]
    return out


def _double_between(x: Plane) -> Plane:
    out = _doubled_memory(x)
    near, far = x * np.float32(0.75), x * np.float32(0.25)
    out[:, 2::2] = near[:, 1:] + far[:, :-1]
    out[:, 1:-1:2] = near[:, :-1] + far[:, 1:]
    out[:, 0], out[:, -1] = x[:, 0], x[:, -1]
    return out


def _doubled_memory(x: Plane) -> Plane:
    """Return room for twice the columns, laid out as ``x`` is: a transposed view stays fast."""
    by_columns = x.flags.f_contiguous and not x.flags.c_contiguous
    return np.empty((x.shape[0], 2 * x.shape[1]), np.float32, order="F" if by_columns else "C")


def _halve_on_even(x: Plane) -> Plane:
    """Undo ``_double_on_even``: taps -1 2 6 2 -1 over 8, written as predict and update.

    These are the analysis filters of Le Gall and Tabatabai (1988): zero at the highest frequency,
    so they keep aliasing out, and exact on what linear interpolation made.
    """
    x = _pad_to_even(x)
    even, odd = x[:, 0::2], x[:, 1::2]
    missed: Plane = odd - even
    missed[:, :-1] -= (even[:, 1:] - even[:, :-1]) * np.float32(0.5)
    missed *= np.float32(0.25)
    out: Plane = even + missed
    out[:, 1:] += missed[:, :-1]
    out[:, 0] += missed[:, 0]
    return out


def _halve_between(x: Plane) -> Plane:
    """Undo ``_double_between``: taps -1 3 3 -1 over 4."""
    single = x.shape[1] % 2 == 1 and x.shape[1] > 1
    x = _pad_to_even(x)
    even, odd = x[:, 0::2], x[:, 1::2]
    out: Plane = (even + odd) * np.float32(0.75)
    out[:, 1:] -= odd[:, :-1] * np.float32(0.25)
    out[:, :-1] -= even[:, 1:] * np.float32(0.25)
    out[:, 0] -= even[:, 0] * np.float32(0.25)
    out[:, -1] -= odd[:, -1] * np.float32(0.25)
    if single:  # The last sample stands alone: solve for it what the enlargement did.
        out[:, -1] = (x[:, -1] - out[:, -2] * np.float32(0.25)) * np.float32(4 / 3)
    return out


def _pad_to_even(x: Plane) -> Plane:
    return np.concatenate((x, x[:, -1:]), axis=1) if x.shape[1] % 2 else x
