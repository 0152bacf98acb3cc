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


def test_a_frame_read_at_its_shifts_is_the_middle_frame(monkeypatch):
    import cv2
    import numpy as np

    monkeypatch.syspath_prepend(str(TRAINING))
    from motion import CELL, camera_sequence, turned

    rng = np.random.default_rng(1)
    noise = cv2.GaussianBlur(rng.random((500, 500, 3)), (0, 0), 6)
    picture = np.rint(255 * (noise - noise.min()) / (noise.max() - noise.min())).astype(np.uint8)
    size, inner = 128, slice(24, -24)
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    for _ in range(8):
        made, moved = camera_sequence(rng, [picture], 5, size, layers=0.0)
        frames, shifts = turned(made, rng, shifts=moved)
        assert shifts.shape == (5, size // CELL, size // CELL, 2)
        unread = read = 0.0
        for frame, shift in zip(frames, shifts, strict=True):
            by_pixel = cv2.resize(shift, (size, size), interpolation=cv2.INTER_LINEAR)
            found = cv2.remap(frame, x + by_pixel[..., 0], y + by_pixel[..., 1], cv2.INTER_CUBIC)
            read += np.abs(found.astype(int) - frames[2])[inner, inner].mean()
            unread += np.abs(frame.astype(int) - frames[2])[inner, inner].mean()
        assert read < 5.0
        assert read < 0.5 * unread or unread < 5.0
