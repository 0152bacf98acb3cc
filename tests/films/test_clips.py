"""Every real clip through no network and through a cheap one: the right film comes out, or a refusal."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

MILLISECOND = Fraction(1, 1000)
_WORK = 5_000_000  # pixels of a clip that are put through, to bound the time of these tests

# What is refused, with the words that say so. Anything else that fails is an error of reel.
REFUSED = (
    "has no pictures",
    "holds only sound",
    "changes from",
    "PQ",
    "HLG",
    "holds no frame",
)


# What is special about these lies beyond their first frames.
WHOLE = (
    "decord_corrupted.mp4",
    "media3_sample_with_invalid_nalu.mp4",
    "media3_sample_android_slow_motion.mp4",
    "bbb_telecine_23.mkv",
)


def clip_names() -> list[str]:
    shared = os.environ.get("REEL_SHARED") or Path(__file__).resolve().parents[3] / "shared"
    folder = Path(shared, "data", "clips")
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else ["none"]


def stretch_of(path: Path, *, share: Fraction) -> tuple[Fraction, Fraction | None]:
    """Return the part of a clip that is put through; the whole one where that is short."""
    with av.open(str(path)) as film:
        video = film.streams.best("video")
        if video is None or not video.width:
            return Fraction(0), None
        length = Fraction(film.duration or 1_000_000, 1_000_000)
        rate = min(Fraction(video.average_rate or 25), Fraction(60))
        wanted = min(36 * share, max(3, _WORK * share // (video.width * video.height))) / rate
    if length <= wanted or (path.name in WHOLE and share == 1):
        return Fraction(0), None
    # Between frames, where rounding decides nothing.
    start = Fraction(0) if share == 1 else (int((length - wanted) / 2 * rate) + Fraction(1, 2)) / rate
    return start, (start or -1 / rate / 2) + wanted


def bounds(start: Fraction, end: Fraction | None) -> list[str]:
    words = ["--start", f"{float(start):.5f}"] if start else []
    return words if end is None else [*words, "--end", f"{float(end):.5f}"]


def telecined(outcome: Any) -> bool:
    return any("is telecined" in line for line in outcome.warnings)


def output_for(name: str, folder: Path) -> Path:
    suffix = Path(name).suffix
    return folder / f"out{suffix if suffix in ('.mp4', '.mov') else '.mkv'}"


def refusal(outcome: Any) -> str:
    """Return the sentence of a refusal that is documented."""
    sentence = next((line for line in outcome.err.splitlines() if line.startswith("error: ")), "")
    assert outcome.code == 1, outcome.err
    assert any(words in sentence for words in REFUSED), outcome.err
    return f"refused: {sentence.removeprefix('error: ')}"


@pytest.mark.parametrize("name", clip_names())
def test_a_clip_comes_through_no_network_as_it_was(
    clips: Path, tmp_path: Path, reel_run, see, compared, noted: Callable[..., None], name: str
) -> None:
    given, result = clips / name, output_for(name, tmp_path)
    start, end = stretch_of(given, share=Fraction(1))
    outcome = reel_run(given, "-o", result, *bounds(start, end), "--order")
    if outcome.code:
        noted(name, "none", None, refusal(outcome))
        return
    before, after = see(given, start, end), see(result)
    compared(before, after, outcome.warnings, whole=end is None)
    assert after.size == before.size
    assert after.aspect == before.aspect
    for tag, was in zip(after.tags, before.tags, strict=True):
        assert tag == was or was == 2
    if not telecined(outcome):
        for was, came in zip(before.means, after.means, strict=True):
            np.testing.assert_allclose(came, was, atol=1.5)  # chroma of 4:4:4 is halved
        if before.end is not None:
            assert abs(after.end - after.first - (before.end - before.first)) <= max(before.tick, MILLISECOND)
    noted(name, "none", after, "; ".join(short(line) for line in outcome.warnings) or "as it was")


@pytest.mark.parametrize("name", clip_names())
def test_a_clip_comes_through_networks_with_its_times_and_tracks(
    clips: Path, tmp_path: Path, reel_run, see, compared, noted: Callable[..., None], name: str
) -> None:
    given, result = clips / name, tmp_path / "out.mkv"
    start, end = stretch_of(given, share=Fraction(1, 9))
    with av.open(str(given)) as film:
        video = film.streams.best("video")
        small = video is not None and video.width * video.height <= 30_000
    order = ["dain", "edvr-m"] if small else ["dain"]
    outcome = reel_run(given, "-o", result, *bounds(start, end), "--order", *order)
    if outcome.code:
        noted(name, " ".join(order), None, refusal(outcome))
        return
    before, after = see(given, start, end), see(result)
    scale = 4 if small else 1
    assert after.size == (before.size[0] * scale, before.size[1] * scale)
    if not telecined(outcome):
        assert len(after.times) == 2 * len(before.times)
        near = max(before.tick, after.tick, MILLISECOND)
        for was, came in zip(before.times, after.times[::2], strict=True):
            assert abs((came - after.first) - (was - before.first)) <= near
    compared(before, after, outcome.warnings, whole=end is None, times=False)
    noted(name, " ".join(order), after, "twice the frames, in step")


def short(warning: str) -> str:
    """Return a warning without the folders in it."""
    return " ".join(word.rpartition("/")[2] if word.startswith("/") else word for word in warning.split())
