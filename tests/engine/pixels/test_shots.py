"""Cuts found in films that flicker, flash, fade and move."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reel.engine.pixels.frame import Frame
from reel.engine.pixels.shots import mark_cuts
from reel.engine.reading.source import open_source

# Looked at frame by frame; every other frame of these clips continues the one before it, among them
# whip pans, a shaking camera, a dissolve, animals that fill the picture, and telecine.
TRUE_CUTS = {
    "a-bomb_blast_effects_part.mp4": [0, 44, 134, 299],
    "bbb_telecine_23.mkv": [0],
    "imageio_cockatoo.mp4": [0],
    "media3_bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4": [0, 6],
    "media3_roadtrip-vp92-10bit.webm": [0, 42, 69],
    "media3_sample.avi": [0],
    "moviepy_chaplin.mp4": [0],
    "moviepy_no_duration.webm": [0],
    "torchcodec_nasa_13013.mp4": [0, 240],
}


def scene(seed: int, height: int = 120, width: int = 400) -> np.ndarray:
    """Return a wide picture of soft shapes, [height, width] in [0.1, 0.9]."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    across, down = np.fft.fftfreq(width), np.fft.fftfreq(height)
    keep = np.exp(-((across[None] ** 2 + down[:, None] ** 2) * 1500))
    soft = np.fft.ifft2(np.fft.fft2(noise) * keep).real
    return 0.5 + 0.4 * soft / np.abs(soft).max()


def view(picture: np.ndarray, left: int = 0) -> np.ndarray:
    return picture[:, left : left + 160]


def cuts_of(pictures: list[np.ndarray]) -> list[int]:
    step = Fraction(1, 24)
    frames = [
        Frame(np.repeat(np.clip(picture, 0, 1)[None, None], 3, 1).astype(np.float32), n * step, step)
        for n, picture in enumerate(pictures)
    ]
    marked = list(mark_cuts(iter(frames)))
    assert [frame.time for frame in marked] == [frame.time for frame in frames]
    assert all(new.pixels is old.pixels for new, old in zip(marked, frames, strict=True))
    return [number for number, frame in enumerate(marked) if frame.cut]


A, B, C = scene(1), scene(2), scene(3)


def test_the_first_frame_begins_a_shot_even_alone() -> None:
    assert cuts_of([]) == []
    assert cuts_of([view(A)]) == [0]
    assert cuts_of([view(A), view(A)]) == [0]


def test_a_hard_cut_is_found_wherever_it_is() -> None:
    for place in range(1, 10):
        assert cuts_of([view(A)] * place + [view(B)] * (10 - place)) == [0, place]


def test_short_shots_are_found() -> None:
    assert cuts_of([view(A)] * 5 + [view(B)] * 3 + [view(C)] * 5) == [0, 5, 8]


def test_a_cut_between_moving_shots_is_found() -> None:
    assert cuts_of([view(A, 3 * n) for n in range(12)] + [view(B, 5 * n) for n in range(12)]) == [0, 12]


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("count", [1, 2])
def test_a_flash_is_no_cut(level: float, count: int) -> None:
    flash = [np.full((120, 160), level)] * count
    assert cuts_of([view(A)] * 6 + flash + [view(A)] * 6) == [0]


def test_a_half_bright_flash_and_a_damaged_frame_are_no_cuts() -> None:
    torn = view(A).copy()
    torn[:70] = np.random.default_rng(4).uniform(0, 1, (70, 160))
    assert cuts_of([view(A)] * 6 + [0.4 + 0.6 * view(A)] + [view(A)] * 6 + [torn] + [view(A)] * 6) == [0]


def test_a_cut_next_to_a_flash_is_found() -> None:
    cuts = cuts_of([view(A)] * 6 + [np.ones((120, 160))] + [view(B)] * 6)
    assert cuts in ([0, 6], [0, 7], [0, 6, 7])


@pytest.mark.parametrize("seconds", [0.5, 1.0, 3.0])
def test_a_fade_through_black_and_a_dissolve_are_no_cuts(seconds: float) -> None:
    count = int(24 * seconds)
    shares = np.linspace(0, 1, count)
    down = [(1 - share) * view(A) for share in shares]
    up = [share * view(B) for share in shares]
    assert cuts_of([view(A)] * 5 + down + up + [view(B)] * 5) == [0]
    mixed = [(1 - share) * view(A) + share * view(B) for share in shares]
    assert cuts_of([view(A)] * 5 + mixed + [view(B)] * 5) == [0]


@pytest.mark.parametrize("speed", [1, 4, 9])
def test_a_pan_is_no_cut(speed: int) -> None:
    assert cuts_of([view(A, speed * n) for n in range(24)]) == [0]


def test_flicker_grain_and_dust_are_no_cuts_and_hide_none() -> None:
    noise = np.random.default_rng(6)

    def worn(picture: np.ndarray) -> np.ndarray:
        bright = noise.uniform(0.6, 1.3) * picture + noise.uniform(-0.1, 0.1)
        bright = bright + noise.normal(0, 0.08, picture.shape)
        for _ in range(6):
            y, x = noise.integers(0, 110), noise.integers(0, 150)
            bright[y : y + 8, x : x + 6] = noise.choice([0.0, 1.0])
        return bright

    pictures = [worn(view(A, n)) for n in range(30)] + [worn(view(B, 2 * n)) for n in range(30)]
    assert cuts_of(pictures) == [0, 30]


def test_black_frames_are_one_shot_and_what_follows_them_another() -> None:
    black = np.zeros((120, 160))
    grain = [black + np.random.default_rng(n).normal(0.02, 0.005, black.shape) for n in range(8)]
    assert cuts_of(grain) == [0]
    assert cuts_of(grain + [view(A)] * 8) == [0, 8]


def test_held_frames_are_no_cuts() -> None:
    assert cuts_of([view(A, 6 * (n // 2)) for n in range(24)]) == [0]


def test_tiny_pictures_are_judged_too() -> None:
    first, second = np.random.default_rng(8).uniform(0, 1, (2, 8, 8))
    assert cuts_of([first] * 4 + [second] * 4) == [0, 4]


def test_frames_are_asked_for_two_ahead_and_no_more() -> None:
    taken = 0

    def frames():
        nonlocal taken
        for number in range(20):
            taken += 1
            yield Frame(np.zeros((1, 3, 8, 8), np.float32), Fraction(number), Fraction(1))

    marked = mark_cuts(frames())
    next(marked)
    assert taken == 3


@pytest.mark.parametrize("name", TRUE_CUTS)
def test_the_cuts_of_real_clips_are_found_and_no_others(clips: Path, name: str) -> None:
    with open_source(clips / name) as source:
        marked = [frame.cut for frame in mark_cuts(source.frames())]
    assert [number for number, cut in enumerate(marked) if cut] == TRUE_CUTS[name]
