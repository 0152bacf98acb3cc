"""Every failure of reel-run is one sentence and one remedy; no traceback, and nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def film(make_film, pictures) -> Path:
    return make_film("film.mp4", pictures(3), sound=0.12)


def test_a_missing_file_is_said_to_be_missing(failure, untouched) -> None:
    what, remedy = failure("reel-run", untouched / "none.mp4", "-o", untouched / "out.mp4")
    assert what == f"There is no file {untouched / 'none.mp4'}."
    assert "path" in remedy


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("letter.mp4", b"Dear Sir,\nno film is enclosed.\n" * 20),
        ("letter.txt", b"Dear Sir,\nno film is enclosed.\n" * 20),
        ("noise.mp4", np.random.default_rng(1).bytes(5000)),
        ("noise.png", np.random.default_rng(1).bytes(5000)),
        ("empty.mp4", b""),
        ("empty.png", b""),
        ("begun.png", b"\x89PNG\r\n\x1a\n"),
    ],
)
def test_what_is_no_film_is_refused_and_said_what_to_give(
    failure, untouched, tmp_path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    what, remedy = failure("reel-run", tmp_path / name, "-o", f"{untouched}/")
    assert name in what
    assert "Give a film" in remedy


def test_a_film_cut_off_before_its_index_is_refused(failure, film, untouched) -> None:
    film.write_bytes(film.read_bytes()[:400])
    what, _ = failure("reel-run", film, "-o", untouched / "out.mp4")
    assert str(film) in what


def test_sound_alone_is_refused_as_sound(failure, make_film, untouched) -> None:
    what, _ = failure("reel-run", make_film("song.m4a", [], sound=0.3), "-o", untouched / "out.mp4")
    assert what.endswith("holds only sound.")


def test_a_film_of_no_frames_is_refused(failure, film, make_film, pictures, untouched) -> None:
    # A YUV4MPEG file that ends after its header.
    empty = film.with_name("empty.y4m")
    empty.write_bytes(b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n")
    what, _ = failure("reel-run", empty, "-o", untouched / "out.mp4")
    assert what == f"{empty} holds no frame."


def test_a_folder_without_pictures_is_refused(failure, untouched, tmp_path) -> None:
    (tmp_path / "scans").mkdir()
    for given in ("scans", "scans/%06d.png"):
        what, _ = failure("reel-run", tmp_path / given, "-o", untouched / "out.mp4")
        assert what == f"There are no pictures in {tmp_path / given}."
    what, _ = failure("reel-run", tmp_path / "none/%06d.png", "-o", untouched / "out.mp4")
    assert what == f"There is no folder {tmp_path / 'none'}."


@pytest.mark.parametrize("place", ["film.mp4/out.mp4", "film.mp4/", "film.mp4/%d.png", "/proc/reel/out.mp4"])
def test_a_place_that_cannot_be_written_is_named(failure, film, place: str) -> None:
    before = film.read_bytes()
    what, remedy = failure("reel-run", film, "-o", film.parent / place if place[0] != "/" else place)
    assert ("film.mp4" if place[0] != "/" else "/proc") in what
    assert "-o" in remedy
    assert film.read_bytes() == before


def test_a_name_too_long_for_the_system_is_an_error_and_no_traceback(failure, film, untouched) -> None:
    for arguments in ((untouched / ("n" * 300 + ".mp4"),), (film, "-o", untouched / ("n" * 300 + ".mp4"))):
        what, _ = failure("reel-run", *arguments, "--order")
        assert what.endswith("File name too long.")


def test_a_place_that_may_not_be_entered_is_named(failure, reel_run, film, tmp_path, request) -> None:
    reel_run(film, "--order", "--dry-run")  # loads what is only loaded when needed
    (closed := tmp_path / "closed").mkdir(mode=0)
    if os.geteuid() == 0:  # no permission stops root
        tmp_path.chmod(0o700)
        os.seteuid(65534)
        request.addfinalizer(lambda: os.seteuid(0))
    for arguments in ((closed / "film.mp4",), (closed / "film.mp4", "-o", "out.mp4")):
        what, remedy = failure("reel-run", *arguments, "--order")
        assert what == f"{closed / 'film.mp4'} cannot be used: Permission denied."
        assert "permissions" in remedy


def test_an_output_that_is_there_stays_unless_told_otherwise(failure, reel_run, film, tmp_path) -> None:
    output = tmp_path / "mine.mp4"
    output.write_text("precious")
    what, remedy = failure("reel-run", film, "-o", output)
    assert what == f"{output} is there already."
    assert "--overwrite" in remedy
    assert output.read_text() == "precious"
    assert reel_run(film, "-o", output, "--order", "-y").code == 0
    assert reel_run(film, "-o", output, "--order", "--overwrite").code == 0
    assert output.stat().st_size > 1000
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["film.mp4", "mine.mp4"]


def test_pictures_that_are_there_stay_unless_told_otherwise(failure, reel_run, film, tmp_path) -> None:
    (folder := tmp_path / "frames").mkdir()
    (folder / "000009.png").write_text("old")
    (folder / "notes.txt").write_text("kept")
    assert "is there already" in failure("reel-run", film, "-o", folder)[0]
    assert reel_run(film, "-o", folder, "--order", "-y").code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"{number:06d}.png" for number in (1, 2, 3)),
        "notes.txt",
    ]


@pytest.mark.parametrize("sound", [0.0, 0.12])
@pytest.mark.parametrize("link", [None, "symbolic", "hard"])
def test_the_input_is_never_the_output(
    failure, make_film, pictures, tmp_path, sound: float, link: str | None
) -> None:
    film = output = make_film("film.mp4", pictures(3), sound=sound)
    if link:
        output = tmp_path / "link.mp4"
        (output.symlink_to if link == "symbolic" else output.hardlink_to)(film)
    before = film.read_bytes()
    assert "what is read" in failure("reel-run", film, "-o", output, "--overwrite", "--order")[0]
    assert film.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("frames", "frames"),
        ("frames", "frames/%06d.png"),
        ("frames/%06d.png", "frames/"),
        ("frames/%d.png", "frames/%06d.png"),
        ("frames/000001.png", "frames/000001.png"),
        ("frames/000001.png", "frames/"),
    ],
)
def test_pictures_are_never_replaced_by_what_is_made_of_them(
    failure, write_pictures, pictures, tmp_path, source: str, output: str
) -> None:
    write_pictures(tmp_path / "frames", pictures(2))
    before = [path.read_bytes() for path in sorted((tmp_path / "frames").iterdir())]
    what, _ = failure("reel-run", tmp_path / source, "-o", f"{tmp_path}/{output}", "-y", "--order")
    assert "what is read" in what
    assert [path.read_bytes() for path in sorted((tmp_path / "frames").iterdir())] == before


def test_pictures_of_another_name_may_lie_beside_those_they_are_made_of(
    reel_run, write_pictures, pictures, tmp_path
) -> None:
    write_pictures(tmp_path / "frames", pictures(2))
    outcome = reel_run(tmp_path / "frames/%06d.png", "-o", tmp_path / "frames/new%02d.png", "--order")
    assert outcome.code == 0
    assert len(list((tmp_path / "frames").iterdir())) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--codec", "h2645"], ("no encoder h2645", "libx264")),
        (["--codec", "aac"], ("encodes audio", "libx264")),
        (["--codec", "libvpx-vp9", "-o", "{}/out.avi", "--pix-fmt", "rgb24"], ("rgb24", "--pix-fmt")),
        (["--codec", "ffv1", "-o", "{}/out.webm"], ("webm", ".mkv")),
        (["--codec", "ffv1", "-o", "{}/out.mkv", "--crf", "3"], ("no crf", "--crf")),
        (["--codec", "ffv1", "-o", "{}/out.mkv", "--preset", "slow"], ("no preset", "--preset")),
        (["--preset", "brisk"], ("could not be written", "--codec")),
        (["--pix-fmt", "yuv"], ("yuv", "--pix-fmt")),
        (["-o", "{}/out.film"], ("out.film", ".mp4")),
        (["-o", "{}/out"], ("the name out", ".mp4")),
        (["-o", "{}/out.png"], ("one frame", "folder")),
        (["--start", "9"], ("--start 9 lies beyond", "--start")),
        (["--end", "9"], ("--end 9 lies beyond", "--end")),
        (["--start", "0.1", "--end", "0.05"], ("empty", "--end")),
    ],
)
def test_options_that_do_not_fit_leave_nothing(failure, film, untouched, options, words) -> None:
    given = [option.format(untouched) for option in options]
    place = [] if "-o" in options else ["-o", untouched / "out.mp4"]
    what, remedy = failure("reel-run", film, "--order", *place, *given)
    assert words[0] in what
    assert words[1] in remedy


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ([], "name a film"),
        (["--order", "dain"], "name a film"),
        (["film.mp4", "--sharpen"], "--sharpen"),
        (["film.mp4", "--times", "0"], "--times"),
        (["film.mp4", "--times", "2", "--fps", "50"], "not allowed with"),
        (["film.mp4", "--time-step", "1"], "between 0 and 1"),
        (["film.mp4", "--time-step", "half"], "between 0 and 1"),
        (["film.mp4", "--fps", "0"], "frame rate"),
        (["film.mp4", "--fps", "nan"], "frame rate"),
        (["film.mp4", "--render-factor", "0"], "--render-factor"),
        (["film.mp4", "--crf", "-1"], "--crf"),
        (["film.mp4", "--crf", "64"], "lower is better"),
        (["film.mp4", "--start", "1:x"], "h:mm:ss"),
        (["film.mp4", "--order", "dain", "--codec"], "--codec"),
    ],
)
def test_a_command_that_makes_no_sense_is_a_usage_error(reel_run, options: list[str], word: str) -> None:
    outcome = reel_run(*options)
    assert outcome.code == 2
    what, remedy = outcome.error
    assert word.lower() in what.lower()
    assert "reel-run --help" in remedy


@pytest.mark.parametrize("name", ["reel-run", "reel-export"])
def test_an_unknown_network_is_a_usage_error_that_lists_the_known(command, film, name: str) -> None:
    outcome = command(name, *([film, "--order", "dian"] if name == "reel-run" else ["dian"]))
    assert outcome.code == 2
    assert "'dian'" in outcome.error[0]
    for network in ("dain", "deoldify", "deoldify-artistic", "edvr", "edvr-m"):
        assert network in outcome.error[0]


def test_weights_given_to_the_wrong_command_are_sent_to_the_right_one(failure, film) -> None:
    assert "reel-export" in failure("reel-run", film, "--EDVR_weight", "edvr.pdparams")[1]


def test_memory_that_runs_out_is_an_error_and_no_traceback(failure, film, untouched, monkeypatch) -> None:
    def exhausted(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr("reel.engine.runs.chain.mark_cuts", exhausted)
    assert "memory" in failure("reel-run", film, "-o", untouched / "out.mp4")[0]


def test_libraries_write_nothing_of_their_own_on_a_failure(tmp_path, untouched) -> None:
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    program = [sys.executable, "-m", "reel.cli.run", "noise.mp4", "-o", str(untouched / "out.mp4")]
    result = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 2
    assert result.stderr.startswith("error: noise.mp4 is neither")
