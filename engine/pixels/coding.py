"""How the planes of a film code colour: their layout, and the numbers that matrix and range come to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Weights of red and blue in luma, by libav's number of the matrix (ITU-T H.273, table 4).
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC 73.682
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),  # BT.2020 of constant luminance, of which this is the nearest linear form
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the planes of a picture hold its samples.

    Attributes:
        kind: "yuv", "grey" or "rgb".
        bits: Bits per sample.
        half_width, half_height: Whether chroma has half the columns, half the rows.
        left: Whether a chroma column lies on the even luma columns (MPEG-2 and later) and not
            between two of them (JPEG, MPEG-1). Rows always lie between two luma rows.
    """

    kind: str
    bits: int
    half_width: bool = False
    half_height: bool = False
    left: bool = True

    @property
    def dtype(self) -> type[np.uint8 | np.uint16]:
        return np.uint8 if self.bits <= 8 else np.uint16


@dataclass(frozen=True, slots=True)
class ToRgb:
    """The numbers by which planes become RGB: the first four and the last are code values."""

    black: np.float32
    luma_span: np.float32
    neutral: np.float32
    chroma_span: np.float32
    red_of_v: np.float32
    green_of_u: np.float32
    green_of_v: np.float32
    blue_of_u: np.float32
    top: np.float32


@dataclass(frozen=True, slots=True)
class FromRgb:
    """The numbers by which RGB becomes planes: weights of luma, of differences from it, and code values."""

    red: np.float32
    green: np.float32
    blue: np.float32
    u_of_blue: np.float32
    v_of_red: np.float32
    luma_span: np.float32
    black: np.float32
    neutral: np.float32
    top: np.float32


def numbers_to_rgb(layout: Layout, *, matrix: int, full_range: bool) -> ToRgb:
    """Return the numbers for planes of this layout, matrix and range (see ``rgb_from_planes``)."""
    black, luma_span, neutral, chroma_span = _code_range(layout.bits, full_range)
    red, blue = LUMA_WEIGHTS[matrix] if layout.kind == "yuv" else (0.0, 0.0)
    green = 1 - red - blue
    return ToRgb(
        black=black,
        luma_span=luma_span,
        neutral=neutral,
        chroma_span=chroma_span,
        red_of_v=np.float32(2 * (1 - red)),
        green_of_u=np.float32(2 * (1 - blue) * blue / green),
        green_of_v=np.float32(2 * (1 - red) * red / green),
        blue_of_u=np.float32(2 * (1 - blue)),
        top=np.float32(2**layout.bits - 1),
    )


def numbers_from_rgb(layout: Layout, *, matrix: int, full_range: bool) -> FromRgb:
    """Return the numbers for planes of this layout, matrix and range (see ``planes_from_rgb``)."""
    black, luma_span, neutral, chroma_span = _code_range(layout.bits, full_range)
    red, blue = LUMA_WEIGHTS[matrix] if layout.kind != "rgb" else (0.0, 0.0)
    return FromRgb(
        red=np.float32(red),
        green=np.float32(1 - red - blue),
        blue=np.float32(blue),
        u_of_blue=np.float32(chroma_span / (2 * (1 - blue))),
        v_of_red=np.float32(chroma_span / (2 * (1 - red))),
        luma_span=luma_span,
        black=black,
        neutral=neutral,
        top=np.float32(2**layout.bits - 1),
    )


def _code_range(bits: int, full_range: bool) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Return black, the span of luma, neutral chroma and the span of chroma, in code values."""
    grey = np.float32(2 ** (bits - 1))
    if full_range:
        top = np.float32(2**bits - 1)
        return np.float32(0), top, grey, top
    step = 2.0 ** (bits - 8)
    return np.float32(16 * step), np.float32(219 * step), grey, np.float32(224 * step)
