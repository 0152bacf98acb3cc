"""A contact sheet is bounded, its pictures lie where they should, and its words can be read."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from reel.engine.trial.contact_sheet import Row, contact_sheet, picture_for, shape_of

PAPER = (24, 24, 24)


@pytest.mark.parametrize("size", [(64, 48), (1920, 1080), (3840, 2160), (7680, 1000), (500, 7000)])
@pytest.mark.parametrize(("columns", "rows"), [(2, 1), (2, 3), (4, 3), (13, 3), (13, 99)])
def test_a_sheet_is_bounded_and_keeps_the_shape_of_pictures(columns: int, rows: int, size) -> None:
    width, height = size
    shape = shape_of(columns, rows, width=width, height=height)
    assert columns * rows * shape.width * shape.height <= 8.2e6
    assert shape.width <= 960
    assert shape.width / shape.height == pytest.approx(width / height, rel=0.1)


def test_a_few_pictures_are_large_enough_to_judge_by() -> None:
    assert shape_of(2, 3, width=2560, height=1920).width == 960
    assert shape_of(4, 3, width=2560, height=1440).width >= 640
    assert shape_of(2, 3, width=64, height=48).width == 160


def test_every_picture_lies_in_its_row_and_column() -> None:
    shape = shape_of(3, 2, width=320, height=240)
    colours = [(250, 10 * place, 30 * number) for place in range(2) for number in range(3)]
    pictures = [Image.new("RGB", (shape.width, shape.height), colour) for colour in colours]
    rows = [Row(f"row {place}", tuple(pictures[3 * place : 3 * place + 3])) for place in range(2)]
    sheet = np.asarray(contact_sheet(["before", "a", "b"], rows, shape))
    for place, colour in enumerate(colours):
        ys, xs = np.nonzero((sheet == colour).all(2))
        assert len(ys) == shape.width * shape.height  # nothing lies over it
        row, column = divmod(place, 3)
        assert ys.min() // (sheet.shape[0] // 2) == row
        assert xs.mean() // (sheet.shape[1] / 3) == column


@pytest.mark.parametrize("width", [160, 320, 960])
def test_a_label_that_is_too_long_goes_on_in_the_next_line_within_its_column(width: int) -> None:
    shape = shape_of(3, 1, width=width, height=width)
    assert shape.width == width
    black = Image.new("RGB", (width, width), (1, 2, 3))
    row = Row("0:00:01.0  dark", (black, black, black))
    long = "order=dain-depth+deoldify-artistic+edvr-m, render_factor=20, time-step=0.333333333333333333333"
    plain = contact_sheet(["before", "a", "b"], [row], shape)
    sheet = contact_sheet(["before", long, "b"], [row], shape)
    assert sheet.width == plain.width
    assert sheet.height > plain.height or width == 960
    head = np.asarray(sheet)[: sheet.height - width - 60]
    inked = (head != PAPER).any(2).any(0)
    column = width + 12
    assert inked[column + 12 : 2 * column].any()
    assert not inked[2 * column : 2 * column + 10].any()  # the gap before the next column


def test_what_must_not_be_overlooked_stands_above_all_in_another_colour() -> None:
    shape = shape_of(2, 1, width=320, height=240)
    grey = Image.new("RGB", (shape.width, shape.height), (90, 90, 90))
    row = Row("", (grey, grey))
    plain = np.asarray(contact_sheet(["before", "after"], [row], shape))
    loud = np.asarray(contact_sheet(["before", "after"], [row], shape, warning="REHEARSAL: random"))
    assert loud.shape[0] > plain.shape[0]
    colourful = np.ptp(loud.astype(int), axis=2) > 60
    assert colourful[:30].any()
    assert not (np.ptp(plain.astype(int), axis=2) > 60).any()


def test_pixels_are_rounded_and_clipped() -> None:
    pixels = np.zeros((1, 3, 4, 4), np.float32)
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = 1.5, 0.5, -1.0
    picture = picture_for(pixels, shape_of(1, 1, width=4, height=4))
    assert (np.asarray(picture) == (255, 128, 0)).all()
