"""Where segments end, and that a run goes on after those that are finished."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from reel.engine.job.folder import Job, job_folder
from reel.engine.job.identity import Identity
from reel.engine.job.segments import Division, division_for
from reel.engine.pixels.frame import Format, Frame
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.sink import Sink, open_sink
from reel.tests.engine.moving_frames import (
    LOSSLESS,
    NTSC,
    PARTS,
    BrokenOffError,
    broken_off,
    even,
    film_of,
    frames_of,
    write,
)


def segment_lengths(path: Path, frames: Sequence[Frame]) -> list[int]:
    """Return how many frames lie in each segment that a run leaves which ends before the end."""
    job = Job(job_folder(path), lambda: Identity(()), result=path)
    ffv1 = Encoding(codec="ffv1")
    with broken_off(open_sink(path, film_of(frames), encoding=ffv1, division=PARTS, job=job)) as sink:
        for frame in frames:
            sink.write(frame)
    return [card.frames for card in job.cards]


def test_segments_end_before_a_cut_or_when_they_are_long(tmp_path: Path) -> None:
    frames = frames_of(38, even(38))
    lengths = segment_lengths(tmp_path / "a.mkv", frames)
    # Cuts before 5, 6, 16, 18 and 30; none leaves a segment of fewer than 3 frames.
    assert lengths == [5, 7, 4, 7, 7, 7]


@pytest.mark.parametrize(
    ("width", "height", "depth", "most"), [(64, 48, 8, 240), (2560, 1920, 8, 145), (7680, 4320, 10, 48)]
)
def test_large_frames_make_short_segments(width: int, height: int, depth: int, most: int) -> None:
    assert division_for(Format(width, height, NTSC, 1 / NTSC, depth=depth)).most == most


def stopped_and_resumed(path: Path, frames: Sequence[Frame], stops: Sequence[int], **options) -> Path:
    """Write a film in several runs, each stopped before the frame of that number, without a word."""
    restarts: list[int] = []
    for stop in [*stops, None]:
        job = Job(job_folder(Path(str(path).rstrip("/"))), lambda: Identity(()), result=Path(path))
        sink = open_sink(path, film_of(frames), division=PARTS, job=job, **options)
        with sink if stop is None else broken_off(sink):
            done = sink.position.frames
            restarts.append(done)
            assert sink.position.until == (frames[done].time if done else None)
            for frame in frames[done:stop]:
                sink.write(frame)
    assert restarts[-1] > 0
    return path


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("a.mp4", LOSSLESS),
        ("a.mkv", Encoding(codec="ffv1", pix_fmt="bgr0")),
        ("a.mkv", LOSSLESS),
        ("a.ts", LOSSLESS),
        ("a.mpg", Encoding()),
        ("a.webm", Encoding(crf=30)),
        ("a.mp4", Encoding(codec="av1", preset="10")),
        ("frames/", None),
    ],
)
def test_a_run_that_was_stopped_goes_on_to_the_same_file(
    tmp_path: Path, monkeypatch, name: str, encoding: Encoding | None, journal: bool
) -> None:
    monkeypatch.setattr("reel.engine.job.journal.SLOW", 0.0 if journal else 1e9)
    if not journal:
        monkeypatch.setattr("reel.engine.job.journal._JUDGED_BY", 1)
    frames = frames_of(38, even(38))
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = write(f"{tmp_path}/whole/{name}", film_of(frames), frames, PARTS, encoding=encoding)
    stops = (3, 6, 8, 8, 20, 37) if journal else (6, 14, 14, 38)
    parts = stopped_and_resumed(f"{tmp_path}/parts/{name}", frames, stops, encoding=encoding)
    if name == "frames/":
        for file in sorted(Path(whole).iterdir()):
            assert file.read_bytes() == (Path(parts) / file.name).read_bytes()
        assert len(list(Path(parts).iterdir())) == 38
    else:
        assert Path(whole).read_bytes() == Path(parts).read_bytes()
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [name.rstrip("/")]


def test_slow_frames_are_kept_one_by_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("reel.engine.job.journal.SLOW", 0.0)
    frames = frames_of(9, even(9))
    path = tmp_path / "a.mp4"
    for expected, more in ((0, 2), (2, 0), (2, 3), (5, 3)):
        job = Job(job_folder(path), lambda: Identity(()), result=path)
        sink = open_sink(path, film_of(frames), division=Division(9, 9), job=job)
        with broken_off(sink):
            assert sink.position.frames == expected
            for frame in frames[expected : expected + more]:
                sink.write(frame)


def test_no_frame_of_a_film_that_changed_is_kept(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("reel.engine.job.journal.SLOW", 0.0)
    frames, path, changed = frames_of(9, even(9)), tmp_path / "a.mp4", list[bool]()

    def watch() -> None:
        if changed:
            raise BrokenOffError

    def sink() -> Sink:
        job = Job(job_folder(path), lambda: Identity(()), result=path, watch=watch)
        return open_sink(path, film_of(frames), division=PARTS, job=job)

    with broken_off(sink()) as first:
        for number, frame in enumerate(frames[:5]):
            changed.extend([True] * (number == 2))
            with suppress(BrokenOffError):
                first.write(frame)
    changed.clear()
    with broken_off(sink()) as second:
        assert second.position.frames == 2
