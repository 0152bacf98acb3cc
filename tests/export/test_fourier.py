"""A convolution as a product of spectra gives what the convolution gives."""

import numpy as np
import pytest

paddle = pytest.importorskip("paddle", reason="needs PaddlePaddle")
fourier = pytest.importorskip("reel.export.networks.fourier")


def difference(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("size", [(33, 41), (40, 20), (10, 10), (3, 64), (1, 1)])
@pytest.mark.parametrize("length", [3, 7, 11])
def test_the_sum_of_convolutions_of_any_size_is_met(size, length, monkeypatch):
    monkeypatch.setattr(fourier, "AT_ONCE", 2)  # five channels are then transformed in three steps
    rng = np.random.default_rng(length)
    weights = [rng.standard_normal((6, count, length, length)).astype(np.float32) for count in (5, 3)]
    inputs = [paddle.to_tensor(rng.standard_normal((1, count, *size)).astype(np.float32)) for count in (5, 3)]
    expected = sum(
        paddle.nn.functional.conv2d(value, paddle.to_tensor(weight), padding=length // 2)
        for value, weight in zip(inputs, weights, strict=True)
    )
    found = fourier.FourierConvolution(weights)(*inputs)
    assert found.shape == expected.shape
    assert difference(found, expected) < 1e-6


def test_a_tile_is_transformed_to_as_many_numbers_as_it_has_and_back():
    tile = np.random.default_rng(1).standard_normal((fourier.TILE, fourier.TILE))
    found = fourier.transform(tile)
    known = np.fft.fft2(tile)
    assert found.shape == (fourier.TILE**2,)
    # pair u of column pair v: the real and the imaginary part of frequency (u, v)
    assert found[2 * fourier.TILE + 2 * 3] == pytest.approx(known[3, 1].real)
    assert found[2 * fourier.TILE + 2 * 3 + 1] == pytest.approx(known[3, 1].imag)
    assert found[0] == pytest.approx(known[0, 0].real)
    assert found[1] == pytest.approx(known[fourier.HALF, 0].real)


def test_spectra_of_a_motion_of_a_thousand_pixels_are_within_float16():
    convolution = fourier.FourierConvolution([np.zeros((1, 2, 7, 7), np.float32)])
    found = convolution.transformed(paddle.full([1, 2, 40, 40], 1000.0))
    assert np.abs(found.numpy()).max() == pytest.approx(16 * 1000)
