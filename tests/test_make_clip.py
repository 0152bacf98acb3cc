"""The film that the demonstration restores."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "make_clip.py"


def draw(path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), str(path), "--size", "64x48", "--frames", "8"], check=True)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "film.mp4"
    draw(path)
    return path


@pytest.fixture(scope="module")
def pictures(film: Path) -> np.ndarray:
    with av.open(str(film)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_the_same_film_is_drawn_every_time(film: Path, tmp_path: Path) -> None:
    draw(tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").read_bytes() == film.read_bytes()


def test_it_is_in_black_and_white_and_not_flat(pictures: np.ndarray) -> None:
    assert pictures.shape == (8, 48, 64, 3)
    assert np.ptp(pictures.astype(int), axis=3).max() <= 2
    assert pictures.std() > 25


def test_it_moves_and_has_one_cut_in_the_middle(pictures: np.ndarray) -> None:
    steps = np.abs(np.diff(pictures.astype(int), axis=0)).mean((1, 2, 3))
    assert steps.min() > 2
    assert steps.argmax() == 3
    assert steps[3] > 2 * np.delete(steps, 3).max()


def test_it_has_sound_of_its_own_length(film: Path) -> None:
    with av.open(str(film)) as container:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert container.streams.audio[0].codec_context.name == "aac"
    assert abs(len(samples) / 44100 - 8 / 6) < 0.05
    assert np.abs(samples).max() > 0.3
