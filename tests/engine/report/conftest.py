"""A film that is six pictures, and the run that a report is of."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import reel
from reel.engine.runs.settings import Settings


@pytest.fixture(scope="module")
def film(tmp_path_factory, write_pictures) -> Path:
    """Six numbered pictures of different grey; a film of variable rate would be no different."""
    folder = tmp_path_factory.mktemp("film") / "film"
    write_pictures(folder, [np.full((48, 64, 3), 40 * n + 10, np.uint8) for n in range(6)])
    return folder


@pytest.fixture
def summary(film, tmp_path):
    made = reel.restore(film, tmp_path / "made.mkv", order=(), settings=Settings(rate=Fraction(2)))
    return replace(made, course=replace(made.course, shots=(Fraction(0), Fraction(1), Fraction(2))))
