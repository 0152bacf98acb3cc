"""A film tried before hours of work: samples of it, a contact sheet, and what all of it would take."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_sample_is_what_start_and_end_would_give(facts, reel_run, make_film, shots, tmp_path) -> None:
    film = make_film("film.mp4", shots, rate=Fraction(10), sound=7.0)
    words = ["--order", "dain", "edvr-m"]
    said = facts(film, *words, "--preview", "--samples", "3x0.5s")
    assert said["preview"] == str(tmp_path / "film.preview")
    assert [sample["why"] for sample in said["samples"]] == ["dark", "bright", "most motion"]
    for number, sample in enumerate(said["samples"], start=1):
        alone = tmp_path / "alone.mp4"
        reel_run(film, *words, "--start", sample["start"], "--end", sample["end"], "-o", alone, "-y")
        assert (tmp_path / f"film.preview/sample-{number}.mp4").read_bytes() == alone.read_bytes()
    names = {path.name for path in (tmp_path / "film.preview").iterdir()}
    assert names == {"sheet.png", "report.html", "sample-1.mp4", "sample-2.mp4", "sample-3.mp4"}
    assert not (tmp_path / "film.restored.mp4").exists()
    assert not list(tmp_path.glob(".*"))


def test_samples_lie_in_the_part_that_is_asked_for(facts, reel_run, film, tmp_path) -> None:
    said = facts(film, "--order", "--preview", "--samples", "2x0.3s", "--start", "3", "--end", "6.5")
    starts = [sample["start"] for sample in said["samples"]]
    assert all(3 <= start < 6.3 for start in starts)
    assert said["settings"][0]["whole_film"]["frames"] == 35
    alone = tmp_path / "alone.mp4"
    reel_run(film, "--order", "--start", starts[1], "--end", starts[1] + 0.3, "-o", alone)
    assert (tmp_path / "film.preview/sample-2.mp4").read_bytes() == alone.read_bytes()


def test_samples_show_the_film_and_not_its_leader(facts, film) -> None:
    said = facts(film, "--order", "--preview", "--samples", "3x0.5s")
    dark, bright, motion = said["samples"]
    assert 3 <= dark["start"] < 5
    assert 5 <= bright["start"] < 7
    assert 1 <= motion["start"] < 9


def test_what_all_of_it_would_take_is_said_in_one_line_and_in_the_summary(facts, reel_run, film, tmp_path):
    words = [film, "--order", "dain", "deoldify", "--render-factor", "2"]
    outcome = reel_run(*words, "--preview", "--samples", "2x1s")
    assert outcome.out == f"{tmp_path / 'film.preview'}\n"
    line = outcome.err.splitlines()[-1]
    assert re.fullmatch(
        r"all of it: 200 frames, about [\d.]+ (s|min) \([\d.e-]+ s a frame, mostly \w+\), "
        r"[\d.]+ [kM]B and as much again while it is joined",
        line,
    ), line
    (tried,) = facts(*words, "--preview", "--samples", "2x1s", "-y")["settings"]
    whole = tried["whole_film"]
    assert whole["frames"] == 200
    assert set(whole["seconds_per_frame"]) == {"decode", "networks", "encode", "analysis", "dain", "deoldify"}
    assert [run["frames"] for run in tried["runs"]] == [20, 20]
    reel_run(*words)
    size = (tmp_path / "film.restored.mp4").stat().st_size
    assert size / 3 < whole["bytes"] < size * 3


def test_a_preview_leaves_the_unfinished_work_of_the_whole_film_alone(
    reel_run, film, tmp_path, stopped_after
) -> None:
    words = [film, "--order", "deoldify", "--render-factor", "2"]
    with stopped_after(60):
        assert reel_run(*words).code == 130
    job = tmp_path / ".film.restored.mp4.reel-job"
    before = files(job)
    assert before
    outcome = reel_run(*words, "--preview", "--samples", "1x0.3s", "--fresh")
    assert outcome.code == 0, outcome.err
    assert str(job) not in outcome.err
    assert files(job) == before
    assert ", after " in reel_run(*words).err


def test_an_earlier_preview_stays_unless_told_otherwise_and_only_its_own_files_go(
    reel_run, failure, film, tmp_path
) -> None:
    words = [film, "--order", "--samples", "2x0.3s", "--preview"]
    assert reel_run(*words).code == 0
    folder = tmp_path / "film.preview"
    (folder / "notes.txt").write_text("mine")
    before = files(folder)
    what, remedy = failure("reel-run", *words)
    assert what == f"{folder} is there already."
    assert "--overwrite" in remedy
    assert files(folder) == before
    assert reel_run(*words, "--samples", "1x0.3s", "-y").code == 0
    assert sorted(files(folder)) == ["notes.txt", "report.html", "sample-1.mp4", "sheet.png"]
    assert not list(tmp_path.glob(".*"))


def test_a_dry_run_says_what_would_be_tried_and_writes_nothing(reel_run, film, tmp_path) -> None:
    outcome = reel_run(film, "--sweep", "order=deoldify,edvr-m", "--samples", "2x0.5s", "--dry-run")
    assert outcome.code == 0
    assert outcome.out == ""
    first, second, places, *_ = outcome.err.splitlines()
    assert " -> deoldify -> " in first
    assert " -> edvr-m -> " in second
    where = r"\d:\d\d \(dark\), \d:\d\d \(most motion\)"
    assert re.fullmatch(rf"2 samples of 0.5 s, at {where}; kept in {tmp_path}/film.preview", places)
    assert [path.name for path in tmp_path.iterdir() if path.name != "tiny"] == ["film.mp4"]


def test_pictures_are_tried_as_pictures(facts, write_pictures, pictures, tmp_path) -> None:
    write_pictures(tmp_path / "scans", pictures(40))
    said = facts(tmp_path / "scans", "--rate", "10", "--order", "edvr-m", "--preview", "--samples", "2x0.2s")
    names = sorted(path.name for path in (tmp_path / "scans.preview").iterdir() if path.suffix == ".png")
    assert names == [*(f"sample-{n}.00000{k}.png" for n in (1, 2) for k in (1, 2)), "sheet.png"]
    size = sum((tmp_path / f"scans.preview/{name}").stat().st_size for name in names[:4])
    assert said["settings"][0]["whole_film"]["bytes"] == pytest.approx(size * 10, rel=0.01)
    assert said["settings"][0]["whole_film"]["frames"] == 40


@pytest.mark.parametrize(("count", "frames"), [(1, 1), (2, 2), (9, 9)])
def test_a_film_shorter_than_its_samples_is_tried_whole(facts, make_film, pictures, count, frames) -> None:
    said = facts(make_film("short.mp4", pictures(count)), "--order", "edvr-m", "--preview")
    (tried,) = said["settings"]
    assert [run["frames"] for run in tried["runs"]] == [frames]
    assert [sample["why"] for sample in said["samples"]] == ["all of it"]
    assert tried["whole_film"]["frames"] == frames


def test_a_film_of_nothing_but_black_is_tried_with_a_word(reel_run, make_film) -> None:
    film = make_film("black.mp4", [np.zeros((48, 64, 3), np.uint8)] * 40, rate=Fraction(10))
    outcome = reel_run(film, "--order", "--preview", "--samples", "2x0.5s")
    assert outcome.code == 0
    said = [line for line in outcome.err.splitlines() if line.startswith("warning: ")]
    assert said == [f"warning: {film} is black or blank wherever it was looked at, and so is its sample."]


def test_what_cannot_be_tried_is_told_in_one_sentence_before_any_work(
    failure, film, write_pictures, pictures, make_film, tmp_path
) -> None:
    write_pictures(tmp_path, pictures(1))
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    other = make_film("other.mp4", pictures(3))
    (tmp_path / "sealed.preview").write_text("a file")
    before = files(tmp_path)
    for words, sentence in (
        ([tmp_path / "000001.png"], "is a photo: a preview would be all of it."),
        ([tmp_path / "noise.mp4"], "is neither a film nor a photo that can be read."),
        ([tmp_path / "none.mp4"], f"There is no file {tmp_path / 'none.mp4'}."),
        ([film, other], "A preview is of one film, and here are 2."),
        ([film, "-o", "/proc/reel/out.mp4"], "/proc/reel cannot be written to (No such file or directory)."),
        ([film, "-o", tmp_path / "sealed.mp4"], f"{tmp_path / 'sealed.preview'} is"),
        ([film, "--report", tmp_path / "no/a.html"], "a.html cannot be written."),
        (
            [film, "-o", f"{tmp_path}/x/", "--compare"],
            "A preview of pictures has no film of before and after.",
        ),
        ([film, "--summary", tmp_path / "no/facts.json"], "facts.json cannot be written."),
        ([film, "--codec", "h2645"], "There is no encoder h2645."),
    ):
        what, _ = failure("reel-run", *words, "--order", "--preview", "--samples", "1x0.2s")
        assert sentence in what
    assert files(tmp_path) == before
    assert not [path for path in tmp_path.glob(".*") if path.is_dir()]


def test_a_preview_that_is_stopped_leaves_nothing_and_says_so(reel_run, film, tmp_path, monkeypatch) -> None:
    import reel.engine.trial.preview as module

    run, left = module.run, [2]

    def stopped(*arguments, **options):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return run(*arguments, **options)

    monkeypatch.setattr(module, "run", stopped)
    outcome = reel_run(film, "--order", "--preview", "--samples", "3x0.2s")
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1].startswith("Stopped. ")
    assert [path.name for path in tmp_path.iterdir() if path.name != "tiny"] == ["film.mp4"]


def test_networks_are_loaded_once_for_all_samples_and_given_back(reel_run, film, monkeypatch) -> None:
    from reel.engine.backends.cpu import CpuBackend, CpuSession

    loaded, closed = [], []
    load, close = CpuBackend.load, CpuSession.close
    monkeypatch.setattr(CpuBackend, "load", lambda *a, **k: loaded.append(a[1].name) or load(*a, **k))
    monkeypatch.setattr(CpuSession, "close", lambda session: closed.append(1) or close(session))
    words = [film, "--order", "dain", "deoldify", "--render-factor", "1", "--samples", "3x0.2s"]
    assert reel_run(*words, "--preview").code == 0
    assert len(loaded) == len(set(loaded)) == len(closed) == 5
