"""One picture of many: samples of a film below each other, and beside each what settings make of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..pixels.frame import Pixels
from ..writing.partial import reported

_PIXELS = 8_000_000  # of a sheet at most: what any viewer shows at once, and at most 20 MB
_WIDEST, _NARROWEST = 960, 160  # a picture on it; what is smaller is enlarged
_GAP = 12
_SMALLEST, _LARGEST = 18, 36  # height of letters, a 24th of what a picture is wide
_LINE = 4 / 3  # a line of them, in their height
_PAPER, _INK, _FAINT, _LOUD = (24, 24, 24), (240, 240, 240), (170, 170, 170), (255, 110, 90)


@dataclass(frozen=True, slots=True)
class Row:
    """A sample and what became of it.

    Attributes:
        label: Where it is in the film.
        pictures: One for each column.
    """

    label: str
    pictures: tuple[Image.Image, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a picture on a sheet, pixels."""

    width: int
    height: int


def shape_of(columns: int, rows: int, *, width: int, height: int) -> Shape:
    """Return how large pictures may be, so that all of them fit on a sheet.

    Args:
        columns, rows: How many there are.
        width, height: Of the largest of them as it is shown, its pixels square.
    """
    # All that a sheet holds beside pictures is little; it is bounded by them.
    fits = (_PIXELS / (columns * rows) * width / height) ** 0.5
    across = round(max(min(width, _WIDEST, fits), min(_NARROWEST, fits), 1))
    return Shape(across, max(1, round(across * height / width)))


def picture_for(pixels: Pixels, shape: Shape) -> Image.Image:
    """Return [1, 3, H, W] pixels, RGB in [0, 1], as a picture of that size on a sheet."""
    rows = np.clip(pixels[0].transpose(1, 2, 0) * 255 + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(rows).resize((shape.width, shape.height), Image.Resampling.LANCZOS)


def contact_sheet(
    heads: Sequence[str], rows: Sequence[Row], shape: Shape, *, warning: str | None = None
) -> Image.Image:
    """Lay out a sheet.

    Args:
        heads: What each column is.
        rows: From the top; each has as many pictures as there are heads, all of ``shape``.
        shape: Their size.
        warning: What must not be overlooked.
    """
    size = min(max(shape.width // 24, _SMALLEST), _LARGEST)
    font, step = ImageFont.load_default(size), round(size * _LINE)
    labels = [_broken(head, shape.width, font) for head in heads]
    width = _GAP + len(heads) * (shape.width + _GAP)
    warnings = _broken(warning, width - 2 * _GAP, font) if warning else []
    top = _GAP + step * (len(warnings) + max(map(len, labels)))
    each = step + shape.height + _GAP
    sheet = Image.new("RGB", (width, top + each * len(rows)), _PAPER)
    pen = ImageDraw.Draw(sheet)

    def write(lines: Sequence[str], left: int, top: int, ink: tuple[int, int, int]) -> None:
        for number, line in enumerate(lines):
            pen.text((left, top + number * step), line, fill=ink, font=font)

    write(warnings, _GAP, _GAP // 2, _LOUD)
    for column, label in enumerate(labels):
        left = _GAP + column * (shape.width + _GAP)
        write(label, left, _GAP // 2 + step * len(warnings), _INK)
        for place, row in enumerate(rows):
            sheet.paste(row.pictures[column], (left, top + place * each + step))
    for place, row in enumerate(rows):
        write(_broken(row.label, width - 2 * _GAP, font)[:1], _GAP, top + place * each, _FAINT)
    return sheet


def write_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as PNG.

    Raises:
        OutputError: There is no room, or no permission.
    """
    with reported(path):
        sheet.save(path, "PNG", optimize=False)
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _broken(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Break a label into lines that fit, after spaces where there are any, else wherever it must be."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        line = word
        while font.getlength(line) > width and len(line) > 1:
            fitting = next(
                (end for end in range(len(line) - 1, 1, -1) if font.getlength(line[:end]) <= width), 1
            )
            lines.append(line[:fitting])
            line = line[fitting:]
    return [*lines, line]
