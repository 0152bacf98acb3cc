"""Grey and chroma against Pillow and OpenCV, level by level."""

import numpy as np
import pytest
from reel.engine.pixels.luma import grey_bytes, luma, with_chroma, with_chroma_bytes


def every_kind_of_colour():
    """RGB bytes [1, 3, 256, 768]: random ones, and all corners and edges of the cube."""
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (1, 3, 256, 768), dtype=np.uint8)
    colours[:, :, :, :256] = rng.choice(np.array([0, 1, 127, 128, 254, 255], np.uint8), (1, 3, 256, 256))
    return colours


def test_grey_is_pillows_grey():
    image = pytest.importorskip("PIL.Image", reason="needs Pillow, the reference")
    colours = every_kind_of_colour()
    expected = np.asarray(image.fromarray(colours[0].transpose(1, 2, 0)).convert("LA").convert("RGB"))
    np.testing.assert_array_equal(grey_bytes(colours)[0, 0], expected[..., 0])


def test_chroma_is_merged_as_paddlegans_predictor_merges_it():
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV, the reference")
    coloured = every_kind_of_colour()
    grey = np.random.default_rng(1).integers(0, 256, (1, 1, 256, 768), dtype=np.uint8)
    colour_yuv = cv2.cvtColor(coloured[0].transpose(1, 2, 0), cv2.COLOR_BGR2YUV)
    merged = cv2.cvtColor(np.repeat(grey[0], 3, axis=0).transpose(1, 2, 0), cv2.COLOR_BGR2YUV)
    merged[:, :, 1:] = colour_yuv[:, :, 1:]
    expected = cv2.cvtColor(merged, cv2.COLOR_YUV2BGR)
    np.testing.assert_array_equal(with_chroma_bytes(grey, coloured)[0].transpose(1, 2, 0), expected)


def test_the_correct_merge_is_that_of_opencv_with_the_right_order_of_channels():
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV, the reference")
    coloured = every_kind_of_colour()
    grey = np.random.default_rng(1).integers(0, 256, (1, 1, 256, 768), dtype=np.uint8)
    yuv = cv2.cvtColor(coloured[0].transpose(1, 2, 0), cv2.COLOR_RGB2YUV)
    yuv[:, :, 0] = grey[0, 0]
    expected = cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB).astype(int)
    found = with_chroma(grey.astype(np.float32) / 255, coloured.astype(np.float32) / 255)
    # OpenCV rounds to bytes between, and clips chroma that its bytes cannot hold.
    held = (yuv[:, :, 1:] > 0).all(axis=2) & (yuv[:, :, 1:] < 255).all(axis=2)
    difference = np.abs(np.rint(found[0].transpose(1, 2, 0) * 255) - expected).max(axis=2)
    assert held.mean() > 0.8
    assert difference[held].max() <= 2


def test_merging_a_picture_with_itself_changes_nothing():
    picture = np.random.default_rng(2).random((1, 3, 16, 16), np.float32)
    np.testing.assert_allclose(with_chroma(luma(picture), picture), picture, atol=1e-6)
