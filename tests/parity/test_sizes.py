"""Both DAINs on real pictures that move by a known step, at all kinds of sizes, with no seam at the edges."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from reel.engine.pixels.frame import Frame
from reel.engine.pixels.parity import Parity
from reel.engine.reading.source import open_source
from reel.engine.stages.cadence import Cadence
from reel.engine.stages.interpolate import Interpolate, padding_for


@pytest.fixture(scope="module")
def picture(clips):
    """[1, 3, 360, 640]."""
    with open_source(clips / "moviepy_chaplin.mp4") as source:
        return next(islice(source.frames(), 40, None)).pixels


@pytest.mark.parametrize(
    "size", [(64, 64), (65, 127), (100, 75), (131, 90), (72, 213)], ids=lambda s: f"{s[1]}x{s[0]}"
)
@pytest.mark.parametrize("name", ["dain", "dain-depth"])
def test_frames_of_any_size_are_interpolated_without_a_seam(loaded, picture, name, size):
    height, width = size
    a, middle, b = (picture[:, :, 100 + n : 100 + n + height, 200 + n : 200 + n + width] for n in (0, 1, 2))
    frames = [Frame(pixels, Fraction(n, 25), Fraction(1, 25), n) for n, pixels in enumerate((a, b))]
    _, found, *_ = Interpolate(loaded(name), Cadence(factor=Fraction(2)))(iter(frames))
    assert found.pixels.shape == middle.shape
    assert np.isfinite(found.pixels).all()
    wrong = np.abs(found.pixels - middle)[0].mean(axis=0)
    assert wrong.mean() < 0.05  # it shows the picture, though the weights are random
    # A side that fits is not padded, and has the edge that the network gives it.
    padding = padding_for(height, width, 64, Parity.CORRECT)
    rows, columns = wrong.mean(axis=1), wrong.mean(axis=0)
    sides = {
        "top": (padding.top, rows),
        "bottom": (padding.bottom, rows[::-1]),
        "left": (padding.left, columns),
        "right": (padding.right, columns[::-1]),
    }
    for side, (padded, profile) in sides.items():
        if padded:
            assert profile[:4].max() < 3 * wrong.mean(), f"{side}: {profile[:6]}"
