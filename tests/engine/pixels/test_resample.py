"""Resizing against Pillow, bit for bit."""

import numpy as np
import pytest
from reel.engine.pixels.resample import resize, resize_bytes, weights

Image = pytest.importorskip("PIL.Image", reason="needs Pillow, the reference")

# Square, landscape, portrait, tall enough for the vertical pass to come first, one side unchanged, enlarged.
SIZES = [
    ((64, 64), (32, 32)),
    ((50, 80), (64, 64)),
    ((80, 50), (64, 64)),
    ((200, 30), (64, 64)),
    ((64, 64), (50, 80)),
    ((64, 64), (90, 138)),
    ((64, 64), (64, 200)),
    ((360, 640), (320, 320)),
    ((161, 121), (512, 512)),
    ((9, 7), (1, 2)),
]


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_bytes_are_resized_exactly_as_pillow_does(before, after):
    picture = np.random.default_rng(0).integers(0, 256, (*before, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(picture).resize(after[::-1], Image.BILINEAR))
    found = resize_bytes(picture.transpose(2, 0, 1)[None], *after)[0].transpose(1, 2, 0)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("before", "after"), SIZES)
def test_floats_are_resized_without_rounding(before, after):
    picture = np.random.default_rng(1).random(before, np.float32)
    expected = np.asarray(Image.fromarray(picture).resize(after[::-1], Image.BILINEAR))
    np.testing.assert_allclose(resize(picture[None, None], *after)[0, 0], expected, atol=2e-6)


def test_a_flat_picture_stays_flat():
    assert np.allclose(weights(37, 64).sum(axis=1), 1.0)
    assert (resize_bytes(np.full((1, 3, 37, 53), 200, np.uint8), 64, 64) == 200).all()
