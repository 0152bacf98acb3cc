"""What the starter networks are measured on is not what they were trained on."""

import importlib.util
import sys
from pathlib import Path

import pytest

TRAINING = Path(__file__).resolve().parents[1] / "training"


@pytest.fixture(scope="module")
def material():
    spec = importlib.util.spec_from_file_location("training_material", TRAINING / "material.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look for their module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_no_film_is_both_trained_and_measured_on(material):
    measured = {clip.file for clip in material.KEPT_CLIPS.values()}
    trained = {clip.file for clip in material.MOVING_CLIPS}
    assert {clip.file for clip in material.SHARP_CLIPS} <= trained
    assert len(measured) == 5
    assert measured & trained == set()


def test_no_photo_is_both_trained_and_measured_on(material, monkeypatch):
    monkeypatch.setattr(material, "read", lambda path: path.name)
    measured, trained = material.photos(kept=True), material.photos(kept=False)
    assert (len(measured), len(trained)) == (4, 20)
    assert set(measured) & set(trained) == set()


def test_a_film_is_cut_where_its_picture_changes_at_once(material, monkeypatch):
    import numpy as np

    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(2)]
    film = [np.roll(scene, 8 * i, axis=1) // 8 + 100 for scene in scenes for i in range(9)]
    film[9:] = [frame - 90 for frame in film[9:]]
    monkeypatch.setattr(material, "frames", lambda clip: film)
    assert [len(piece) for piece in material.shots(["a film"])] == [9, 9]


def test_the_documents_name_every_film_and_what_it_is_used_for(material):
    text = (TRAINING / "README.md").read_text(encoding="utf-8")
    clips = [*material.KEPT_CLIPS.values(), *material.MOVING_CLIPS]
    assert [clip.file for clip in clips if clip.file[:15] not in text] == []


def test_a_camera_shows_what_its_path_leads_to(monkeypatch):
    import numpy as np

    monkeypatch.syspath_prepend(str(TRAINING))
    import motion

    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    path = np.zeros((5, 4))
    path[:, 0], path[:, 1] = 4 * np.arange(-2, 3), -3 * np.arange(-2, 3)  # whole pixels to the right and up
    monkeypatch.setattr(motion, "smooth_path", lambda *_, **__: path)
    monkeypatch.setattr(motion, "place_in", lambda *_: np.array([149.5, 149.5]))
    frames = motion.camera_sequence(rng, [picture], 5, 128, layers=0.0)
    assert frames.shape == (5, 128, 128, 3)
    for index, frame in enumerate(frames):
        top, left = 86 - 3 * (index - 2), 86 + 4 * (index - 2)
        np.testing.assert_array_equal(frame, picture[top : top + 128, left : left + 128])
