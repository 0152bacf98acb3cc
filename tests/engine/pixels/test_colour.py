"""Planes to RGB and back: exact against the definition, and undone without loss."""

import numpy as np
import pytest
from reel.engine.pixels.colour import Layout, planes_from_rgb, resolve_matrix, rgb_from_planes
from reel.engine.pixels.frame import Colour

_GREY = np.full((1, 4), 128, np.uint8)
_BLUER_TO_THE_RIGHT = [_GREY, np.array([[128, 148]], np.uint8), _GREY[:, :2]]
WEIGHTS = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("full_range", [False, True])
def test_rgb_is_what_the_matrix_defines(matrix: int, bits: int, full_range: bool) -> None:
    noise = np.random.default_rng(1)
    dtype = np.uint8 if bits == 8 else np.uint16
    y, u, v = noise.integers(0, 2**bits, (3, 32, 32)).astype(dtype)
    pixels = rgb_from_planes([y, u, v], Layout("yuv", bits), matrix=matrix, full_range=full_range)
    red, blue = WEIGHTS[matrix]
    top, step = 2**bits - 1, 2.0 ** (bits - 8)
    black, white, span = (0, top, top) if full_range else (16 * step, 219 * step, 224 * step)
    luma = (y - float(black)) / white
    pb, pr = ((plane - 128 * step) / span for plane in (u, v))
    r, b = luma + 2 * (1 - red) * pr, luma + 2 * (1 - blue) * pb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    expected = np.clip(np.stack([r, g, b])[None], 0, 1)
    assert pixels.dtype == np.float32
    assert np.abs(pixels - expected).max() < 1e-6


def test_black_and_white_of_the_limited_range_are_0_and_1() -> None:
    planes = [np.array([[16, 235]], np.uint8), *(np.full((1, 2), 128, np.uint8) for _ in range(2))]
    pixels = rgb_from_planes(planes, Layout("yuv", 8), matrix=6, full_range=False)
    assert pixels[0, :, 0, 0].tolist() == [0, 0, 0]
    assert pixels[0, :, 0, 1].tolist() == [1, 1, 1]


@pytest.mark.parametrize("size", [(16, 24), (15, 23), (2, 2), (1, 1)])
@pytest.mark.parametrize("halves", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("full_range", [False, True])
def test_planes_that_become_rgb_come_back_bit_for_bit(
    size: tuple[int, int], halves: tuple[bool, bool], left: bool, bits: int, full_range: bool
) -> None:
    noise = np.random.default_rng(2)
    height, width = size
    layout = Layout("yuv", bits, half_width=halves[0], half_height=halves[1], left=left)
    scale = 2 ** (bits - 8)
    small = (-(-height // (1 + halves[1])), -(-width // (1 + halves[0])))
    planes = [
        noise.integers(90 * scale, 160 * scale, size).astype(layout.dtype),
        *(noise.integers(108 * scale, 148 * scale, small).astype(layout.dtype) for _ in range(2)),
    ]
    pixels = rgb_from_planes(planes, layout, matrix=6, full_range=full_range)
    again = planes_from_rgb(pixels, layout, matrix=6, full_range=full_range)
    for plane, back in zip(planes, again, strict=True):
        np.testing.assert_array_equal(plane, back)


def test_chroma_on_the_even_columns_is_interpolated_between_them() -> None:
    layout = Layout("yuv", 8, half_width=True)
    planes = [
        np.full((1, 4), 128, np.uint8),
        np.array([[128, 148]], np.uint8),
        np.full((1, 2), 128, np.uint8),
    ]
    blue = rgb_from_planes(planes, layout, matrix=6, full_range=False)[0, 2, 0]
    share = (blue - blue[0]) / (blue[2] - blue[0])
    np.testing.assert_allclose(share, [0, 0.5, 1, 1], atol=1e-5)


def test_chroma_between_the_columns_is_interpolated_by_quarters() -> None:
    layout = Layout("yuv", 8, half_width=True, left=False)
    planes = [
        np.full((1, 4), 128, np.uint8),
        np.array([[128, 148]], np.uint8),
        np.full((1, 2), 128, np.uint8),
    ]
    blue = rgb_from_planes(planes, layout, matrix=6, full_range=False)[0, 2, 0]
    share = (blue - blue[0]) / (blue[3] - blue[0])
    np.testing.assert_allclose(share, [0, 0.25, 0.75, 1], atol=1e-5)


def test_reducing_chroma_keeps_a_flat_colour_and_removes_the_finest_stripes() -> None:
    layout = Layout("yuv", 8, half_width=True, half_height=True)
    pixels = np.full((1, 3, 16, 16), 0.5, np.float32)
    pixels[0, 2, :, ::2] += 0.1
    pixels[0, 2, :, 1::2] -= 0.1
    chroma = planes_from_rgb(pixels, layout, matrix=6, full_range=False)[1]
    assert np.abs(chroma[:, 1:-1].astype(int) - 128).max() <= 1


def test_eight_bit_rgb_is_the_level_over_255_and_rounds_half_to_even() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256)
    pixels = rgb_from_planes([levels] * 3, Layout("rgb", 8), matrix=0, full_range=True)
    np.testing.assert_array_equal(pixels[0, 0, 0], np.arange(256, dtype=np.float32) / np.float32(255))
    noise = np.random.default_rng(3).uniform(-0.2, 1.2, (1, 3, 40, 40)).astype(np.float32)
    noise[0, 0, 0, :2] = 0.5, 1.5 / 255
    planes = planes_from_rgb(noise, Layout("rgb", 8), matrix=0, full_range=True)
    np.testing.assert_array_equal(np.stack(planes), np.rint(np.clip(noise[0], 0, 1) * 255))


def test_the_pixels_handed_in_are_not_written_to() -> None:
    pixels = np.random.default_rng(4).uniform(-1, 2, (1, 3, 8, 8)).astype(np.float32)
    before = pixels.copy()
    for kind in ("rgb", "yuv", "grey"):
        planes_from_rgb(pixels, Layout(kind, 8), matrix=1, full_range=False)
    np.testing.assert_array_equal(pixels, before)


def test_a_film_that_names_no_matrix_gets_the_one_that_players_assume() -> None:
    assert resolve_matrix(Colour(), 640, 480) == 6
    assert resolve_matrix(Colour(), 720, 576) == 6
    assert resolve_matrix(Colour(), 1280, 536) == 1
    assert resolve_matrix(Colour(), 960, 720) == 1
    assert resolve_matrix(Colour(matrix=9), 640, 480) == 9
    assert resolve_matrix(Colour(matrix=5), 1920, 1080) == 5
