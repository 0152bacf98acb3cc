"""A film of shots that differ, and what the summary of a preview says."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def shots(pictures) -> list[np.ndarray]:
    """Ten seconds: black leader, shots of several kinds, and white at the end."""
    blank = np.zeros((48, 64, 3), np.uint8)
    return [
        *[blank] * 10,
        *pictures(20, low=90, high=150, seed=1),
        *pictures(20, low=5, high=60, seed=2),
        *pictures(20, low=190, high=250, seed=3),
        *pictures(20, low=90, high=150, seed=4)[::-1],
        *[blank + 255] * 10,
    ]


@pytest.fixture
def film(make_film, shots) -> Path:
    return make_film("film.mp4", shots, rate=Fraction(10))


@pytest.fixture
def facts(reel_run, tmp_path):
    """Run a preview and return what its summary says."""

    def call(*words: object) -> dict:
        outcome = reel_run(*words, "--summary", tmp_path / "facts.json")
        assert outcome.code == 0, outcome.err
        return json.loads((tmp_path / "facts.json").read_text())

    return call
