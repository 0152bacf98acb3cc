"""The same command again: what is finished stays, and the film is the one that an undisturbed run makes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reel.engine.job.segments import Division

PARTS = Division(4, 9)


class BrokenOffError(Exception):
    """What ends a run here."""


@pytest.fixture(autouse=True)
def short_segments(monkeypatch) -> None:
    monkeypatch.setattr("reel.engine.writing.sink.division_for", lambda film: PARTS)


@pytest.fixture
def broken_off(reel_run, stopped_after) -> Callable[..., object]:
    """Run a command that breaks off before a frame of the result, as if the power failed."""

    def call(frames: int, *words: object) -> object:
        with stopped_after(frames, BrokenOffError) as patched:
            patched.setattr("reel.engine.job.journal.SLOW", 1e9)  # segments alone are kept
            patched.setattr("reel.engine.job.journal._JUDGED_BY", 1)
            with pytest.raises(BrokenOffError):
                reel_run(*words)
        return None

    return call


@pytest.fixture
def film(make_film, pictures) -> Path:
    """Three shots with sound."""
    shots = [
        pictures(n, low=low, high=high, seed=n) for n, low, high in ((9, 20, 90), (6, 150, 240), (8, 20, 90))
    ]
    return make_film("film.mp4", [picture for shot in shots for picture in shot], sound=0.9)


@pytest.fixture
def letterboxed(make_film, pictures) -> Path:
    """A film with black borders, in which something shows in one frame."""
    framed = []
    for number, picture in enumerate([*pictures(9), *pictures(12, seed=4)]):
        framed.append(np.zeros((72, 64, 3), np.uint8))
        framed[-1][10:58] = picture
        if number == 13:
            framed[-1][62:66, 20:40] = 20  # too dark to be told from black
    return make_film("film.mp4", framed)


@pytest.fixture
def uneven(make_film, pictures, tmp_path, reel_run) -> Path:
    """A film whose rate varies."""
    import av

    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        stamps = np.cumsum(np.random.default_rng(3).integers(15, 90, 23))
        for stamp, picture in zip(stamps, pictures(23), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="bgr0")
            frame.pts, frame.time_base = int(stamp), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


ORDERS = [
    ["--order"],
    ["--order", "dain", "deoldify", "edvr-m"],
    ["--order", "edvr-m", "dain"],
    ["--order", "dain", "edvr-m", "--remove-duplicates"],
    ["--order", "dain", "--fps", "60"],
    ["--order", "dain", "--time-step", "0.4", "--cuts", "off"],
    ["--order", "edvr-m", "--start", "0.12", "--end", "0.8"],
    ["--order", "dain", "edvr-m", "--parity", "ppgan"],
]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("film", order) for order in ORDERS),
        *(("uneven", ORDERS[place]) for place in (0, 2, 3, 4)),
        ("letterboxed", ["--order", "dain", "edvr-m", "--crop", "auto", "--size", "1080x90"]),
    ],
)
def test_a_run_that_broke_off_twice_makes_the_same_film(
    reel_run, broken_off, request, tmp_path, options: list[str], kind: str
) -> None:
    words = [request.getfixturevalue(kind), *options, "--codec", "ffv1", "--render-factor", "2"]
    assert reel_run(*words, "-o", tmp_path / "whole.mkv").code == 0
    for frames in (10, 3):
        broken_off(frames, *words, "-o", tmp_path / "parts.mkv")
    outcome = reel_run(*words, "-o", tmp_path / "parts.mkv")
    assert outcome.code == 0, outcome.err
    assert ", after " in outcome.err
    assert (tmp_path / "parts.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def longer(make_film, pictures) -> Path:
    """Three shots, so long that a run which goes on need not look back at the film's beginning."""
    shots = [
        pictures(n, low=low, high=high, seed=n)
        for n, low, high in ((22, 20, 90), (18, 150, 240), (20, 20, 90))
    ]
    return make_film("longer.mp4", [picture for shot in shots for picture in shot])


def test_an_even_grid_of_times_is_kept_to_by_a_run_that_goes_on_with_one_that_went_on(
    reel_run, broken_off, longer, tmp_path
) -> None:
    words = [longer, "--order", "dain", "--fps", "60", "--codec", "ffv1"]
    assert reel_run(*words, "-o", tmp_path / "whole.mkv").code == 0
    for frames in (75, 40):  # each of them finishes segments
        broken_off(frames, *words, "-o", tmp_path / "parts.mkv")
    assert reel_run(*words, "-o", tmp_path / "parts.mkv").code == 0
    assert (tmp_path / "parts.mkv").read_bytes() == (tmp_path / "whole.mkv").read_bytes()


def test_shots_are_counted_from_the_beginning_of_the_film_when_a_run_goes_on(
    reel_run, broken_off, longer, tmp_path, monkeypatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr("reel.cli.terminal.ProgressDisplay.shot", lambda _, number: told.append(number))
    words = [longer, "--order", "deoldify", "--render-factor", "1", "-o", tmp_path / "out.mkv"]
    for frames in (35, 10):  # within the second shot, within the third
        broken_off(frames, *words)
    assert told == [1, 2, 3]
    broken_off(10, *words)
    assert reel_run(*words).code == 0
    assert told == [1, 2, 3, 3]


def test_pictures_go_on_from_pictures(reel_run, broken_off, write_pictures, pictures, tmp_path) -> None:
    write_pictures(tmp_path / "in", pictures(20))
    words = [tmp_path / "in", "--order", "dain", "edvr-m"]
    assert reel_run(*words, "-o", f"{tmp_path}/whole/").code == 0
    broken_off(25, *words, "-o", f"{tmp_path}/parts/")
    assert not (tmp_path / "parts").exists()
    assert reel_run(*words, "-o", f"{tmp_path}/parts/").code == 0
    whole = {file.name: file.read_bytes() for file in (tmp_path / "whole").iterdir()}
    assert len(whole) == 40
    assert {file.name: file.read_bytes() for file in (tmp_path / "parts").iterdir()} == whole


def test_the_job_may_lie_elsewhere(reel_run, broken_off, film, tmp_path) -> None:
    (work := tmp_path / "work").mkdir()
    words = [film, "--order", "dain", "--work-dir", work]
    broken_off(20, *words)
    assert len(list(work.iterdir())) == 1
    assert not list(tmp_path.glob(".*"))
    outcome = reel_run(*words)
    assert outcome.code == 0
    assert ", after " in outcome.err
    assert list(work.iterdir()) == []


def test_a_dry_run_makes_no_job_and_tells_where_it_would_be(reel_run, film, tmp_path) -> None:
    outcome = reel_run(film, "--order", "--dry-run")
    assert f"kept in {tmp_path / '.film.restored.mp4.reel-job'}" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def changed_content(film: Path, **_: object) -> list[str]:
    film.write_bytes(film.read_bytes() + b"\0")
    return []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed_content, "film.mp4 has changed"),
        (lambda **_: ["--crf", "18"], "--crf was not given and is 18"),
        (lambda **_: ["--times", "3"], "--times was 2 and is 3"),
        (lambda **_: ["--cuts", "off"], "--cuts was True and is False"),
    ],
)
def test_what_changed_since_is_named_and_fresh_starts_over(
    reel_run, broken_off, failure, film, tmp_path, change, words: str
) -> None:
    broken_off(20, film, "--order", "dain")
    options = change(film=film)
    what, remedy = failure("reel-run", film, "--order", "dain", *options)
    assert words in what
    assert "--fresh" in remedy
    outcome = reel_run(film, "--order", "dain", *options, "--fresh")
    assert outcome.code == 0
    assert ", after " not in outcome.err


def test_another_export_of_a_network_is_noticed(broken_off, failure, film, own_store, monkeypatch) -> None:
    broken_off(20, "--store", own_store, film, "--order", "dain")
    import reel.engine.job.identity as module

    digest = module.hashlib.sha256(b"other")
    monkeypatch.setattr(
        module,
        "_facts_of_networks",
        lambda artifacts: iter([module.Fact("the export of dain", digest.hexdigest(), opaque=True)]),
    )
    what, _ = failure("reel-run", "--store", own_store, film, "--order", "dain")
    assert "the export of dain has changed" in what


def test_a_film_that_was_only_copied_or_touched_is_the_same_film(reel_run, broken_off, film) -> None:
    broken_off(20, film, "--order", "dain")
    data = film.read_bytes()
    film.unlink()
    film.write_bytes(data)
    os.utime(film, (1, 1))
    assert ", after " in reel_run(film, "--order", "dain").err


@pytest.mark.parametrize("slow", [True, False])
@pytest.mark.parametrize("harm", ["vanishes", "shrinks", "changes"])
def test_an_input_that_is_harmed_while_it_is_read_ends_the_run_and_spoils_nothing(
    reel_run, failure, film, tmp_path, monkeypatch, harm: str, slow: bool
) -> None:
    import reel.engine.job.segments as module

    monkeypatch.setattr("reel.engine.job.journal.SLOW", 0.0 if slow else 0.1)  # each frame is kept, then

    assert reel_run(film, "--order", "dain", "-o", tmp_path / "whole.mp4").code == 0
    data, write, seen = film.read_bytes(), module.Segments.write, []

    def harming(self: object, frame: object) -> None:
        seen.append(frame)
        if len(seen) == 20:
            if harm == "vanishes":
                film.unlink()
            elif harm == "shrinks":
                os.truncate(film, len(data) // 2)
            else:
                film.write_bytes(data[: len(data) // 2] + data[len(data) // 2 :][::-1])
        write(self, frame)

    with monkeypatch.context() as patched:
        patched.setattr(module.Segments, "write", harming)
        what, remedy = failure("reel-run", film, "--order", "dain", "-o", tmp_path / "parts.mp4")
    assert ("vanished" if harm == "vanishes" else "changed") in what
    assert "same command again" in remedy
    film.write_bytes(data)
    outcome = reel_run(film, "--order", "dain", "-o", tmp_path / "parts.mp4")
    assert ", after " in outcome.err
    assert (tmp_path / "parts.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()


def test_the_second_of_two_runs_on_one_job_says_so(reel_run, failure, film, tmp_path, monkeypatch) -> None:
    import reel.engine.job.segments as module

    write, said = module.Segments.write, []

    def meanwhile(self: object, frame: object) -> None:
        if not said:
            said.append("")
            with monkeypatch.context() as patched:
                patched.setattr(module.Segments, "write", write)
                said[0] = failure("reel-run", film, "--order", "dain")[0]
        write(self, frame)

    monkeypatch.setattr(module.Segments, "write", meanwhile)
    assert reel_run(film, "--order", "dain").code == 0
    assert said[0].startswith("Another run is at work on this already")


@pytest.mark.parametrize(
    "place",
    [
        "reel.engine.reading.film.Film._frame",
        "reel.engine.runs.chain.mark_cuts",
        "reel.engine.stages.interpolate.Interpolate._seen",
        "reel.engine.stages.upscale.Upscale._enlarged",
        "reel.engine.writing.film_segment.FilmSegment.write",
        "reel.engine.writing.film_segment.check_segment",
        "reel.engine.writing.film_join._packets",
    ],
)
def test_whatever_raises_the_run_ends_soon_and_leaves_no_thread(
    reel_run, film, tmp_path, monkeypatch, place: str
) -> None:
    def raising(*arguments: object, **options: object) -> None:
        raise BrokenOffError(place)

    monkeypatch.setattr(place, raising)
    before = threading.active_count()
    with pytest.raises(BrokenOffError, match=place.rpartition(".")[2]):
        reel_run(film, "--order", "dain", "edvr-m", "-o", tmp_path / "out.mp4")
    assert threading.active_count() == before
    assert not (tmp_path / "out.mp4").exists()
    monkeypatch.undo()
    assert reel_run(film, "--order", "dain", "edvr-m", "-o", tmp_path / "out.mp4").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "out.mp4"]
