"""What is on the terminal while reel works: progress, warnings, and a way on after Ctrl-C."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from reel.cli.terminal import Pace, ProgressDisplay

RUN = (sys.executable, "-m", "reel.cli.run")


@pytest.fixture
def long_film(make_film) -> Path:
    """A film of noise, so that what is made of it soon shows on the disk, long enough to be interrupted."""
    random = np.random.default_rng(3)
    noise = [random.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(20)]
    return make_film("long.mp4", noise * 60, sound=0.5)


@pytest.mark.parametrize(
    ("output", "sent"),
    [
        ("out.mp4", signal.SIGINT),
        ("frames/", signal.SIGINT),
        ("frames/%06d.png", signal.SIGINT),
        ("out.mp4", signal.SIGTERM),
    ],
)
def test_a_run_that_is_stopped_keeps_what_is_finished_and_says_how_to_go_on(
    long_film, tiny_store, tmp_path, output: str, sent: signal.Signals
) -> None:
    (place := tmp_path / "outputs").mkdir()
    words = [*RUN, long_film, "-o", f"outputs/{output}", "--store", tiny_store, "--order", "edvr-m"]
    with subprocess.Popen(
        list(map(str, words)), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 120
        while not list(place.glob(".*/*.segment")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    (job,) = place.glob(".*")
    said = [line for line in err.splitlines()[2:] if not line.startswith(("device: ", "restoring: "))]
    kept = f"What is finished is kept in outputs/{job.name}; run the same command again to go on."
    assert said == [f"Stopped. {kept}"]
    assert [path for path in place.iterdir() if path.name != "frames"] == [job]


def test_a_run_that_is_stopped_before_anything_is_finished_leaves_nothing(
    long_film, tiny_store, tmp_path
) -> None:
    words = [*RUN, long_film, "-o", "outputs/out.mp4", "--store", tiny_store, "--order", "edvr-m"]
    (tmp_path / "outputs").mkdir()
    with subprocess.Popen(list(map(str, words)), cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "edvr-m" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].startswith("Stopped. ")
    kept = list((tmp_path / "outputs").iterdir())
    assert bool(kept) == ("is kept in" in err.splitlines()[-1])


def test_the_second_interrupt_ends_it_at_once(make_film, pictures, tiny_store, tmp_path) -> None:
    film = make_film("film.mp4", pictures(3))
    stubborn = (
        "import sys, time; import reel.engine.runs.pipeline as pipeline; from reel.cli.run import main\n"
        "def run(*a, **k):\n"
        "    try: print('begun', flush=True); time.sleep(60)\n"
        "    finally: print('cleaning up', flush=True); time.sleep(60)\n"
        "pipeline.run = run; sys.exit(main())"
    )
    words = [sys.executable, "-c", stubborn, film, "--order", "--store", tiny_store]
    with subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "cleaning up\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.endswith("Stopped at once.\n")


def test_only_the_path_is_on_stdout(reel_run, make_film, pictures, tmp_path) -> None:
    film = make_film("film.mp4", pictures(3))
    outcome = reel_run(film, "-o", tmp_path / "out.mp4", "--order")
    assert outcome.out == f"{tmp_path / 'out.mp4'}\n"
    first, work, progress, last = outcome.err.splitlines()
    assert first == f"{film}: 64x48, 25 fps -> no network -> 64x48, 25 fps"
    job = tmp_path / ".out.mp4.reel-job"
    assert work == f"unfinished work is kept in {job} (about 276 bytes, as much again while it is joined)"
    assert progress.startswith("restoring: 3/3 frames")
    assert re.fullmatch(r"3 frames in 0:0\d, \d+\.\d\d fps", last)


def test_without_a_terminal_progress_is_a_plain_line_now_and_then(monkeypatch, capsys) -> None:
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr("reel.cli.terminal.time.monotonic", lambda: float(next(clock)))
    with ProgressDisplay("restoring") as display:
        for count in range(1, 9):
            display(count, 8)
    lines = capsys.readouterr().err.splitlines()
    assert 2 < len(lines) < 6
    assert all(
        re.fullmatch(r"restoring: \d/8 frames(, \d\.\d\d fps(, \d:\d\d left)?)?", line) for line in lines
    )
    assert "left" in lines[1]
    assert lines[-1].startswith("restoring: 8/8 frames")
    assert "left" not in lines[-1]


def test_downloads_are_counted_in_megabytes_from_where_they_go_on(monkeypatch, capsys) -> None:
    now = [0.0]
    monkeypatch.setattr("reel.cli.terminal.time.monotonic", lambda: now[0])
    with ProgressDisplay("downloading dain", data=True) as display:
        for count in (40_000_000, 60_000_000, 100_000_000):
            display(count, 100_000_000)
            now[0] += 20.0
        now[0] += 20.0
        display(5_000_000, None)
    assert capsys.readouterr().err.splitlines() == [
        "downloading dain: 60.0/100.0 MB, 1.00 MB/s, 0:40 left",
        "downloading dain: 100.0/100.0 MB, 1.50 MB/s",
        "downloading dain: 5.0 MB",
    ]


def _on_a_terminal(columns: int, *words: object, cwd: Path) -> tuple[int, str]:
    """Run a command with its stderr on a terminal, and return its exit code and what it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(list(map(str, words)), cwd=cwd, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # how Linux reports that the other end is closed
            break
        if not data:
            break
        written += data
    os.close(ours)
    return process.wait(), written.decode()


def test_no_time_is_foretold_from_the_first_frame_which_may_be_a_copy(monkeypatch, capsys) -> None:
    now = [0.0]
    monkeypatch.setattr("reel.cli.terminal.time.monotonic", lambda: now[0])
    with ProgressDisplay("restoring") as display:
        for moment, count in ((0.0, 0), (10.0, 1), (70.0, 2), (130.0, 3)):
            now[0] = moment
            display(count, 100)
    assert capsys.readouterr().err.splitlines() == [
        "restoring: 1/100 frames, 0.10 fps",
        "restoring: 2/100 frames, 0.029 fps, 57:10 left",
        "restoring: 3/100 frames, 0.023 fps, 1:10:03 left",
    ]


def test_the_time_left_follows_what_went_on_lately() -> None:
    pace = Pace()
    for count in range(101):  # titles that stand still, ten frames a second
        pace.note(count, count / 10)
    assert pace.speed == pytest.approx(10)
    for count in range(101, 201):  # and then the film, one in ten seconds
        pace.note(count, 10 + (count - 100) * 10.0)
    assert pace.speed == pytest.approx(0.1)


def test_lines_in_a_file_name_the_shot_and_become_fewer_with_the_hours(monkeypatch, capsys) -> None:
    now = [0.0]
    monkeypatch.setattr("reel.cli.terminal.time.monotonic", lambda: now[0])
    with ProgressDisplay("restoring") as display:
        for count in range(7200):  # ten hours, a frame in five seconds
            now[0] = count * 5.0
            if count % 100 == 0:
                display.shot(count // 100 + 1)
            display(count, 9000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "restoring: shot 1, 2/9000 frames, 0.20 fps, 12:29:50 left"
    assert lines[-1].startswith("restoring: shot 72, 71")
    assert 100 < len(lines) < 400
    assert max(map(len, lines)) < 80


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


@pytest.mark.parametrize("columns", [200, 80, 60, 50, 40, 30, 20])
def test_what_is_least_missed_goes_first_where_columns_are_few(monkeypatch, columns: int) -> None:
    now = [0.0]
    monkeypatch.setattr("reel.cli.terminal.time.monotonic", lambda: now[0])
    shown = _Screen()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((columns, 24)))
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _: (columns, 24))
    with ProgressDisplay("restoring") as display:
        display.shot(137)
        for count in (10_000, 10_001, 10_300):
            now[0] += 225.0
            display(count, 172_800)
    assert "it/s" not in shown.getvalue()  # as tqdm would begin by itself
    line = re.split(r"[\r\n]+", shown.getvalue().rstrip())[-1].rstrip()
    assert len(line) <= columns
    everything = ["restoring", "6%", "|", "shot 137", "10300", "/172800", "0.67 fps", "67:42:30 left"]
    kept = [part for part in everything if part in line]
    assert (
        kept
        == {
            200: everything,
            80: everything,
            60: ["6%", "|", "10300", "/172800", "0.67 fps", "67:42:30 left"],
            50: ["6%", "10300", "/172800", "0.67 fps", "67:42:30 left"],
            40: ["6%", "10300", "0.67 fps", "67:42:30 left"],
            30: ["6%", "67:42:30 left"],
            20: ["6%", "67:42:30 left"],
        }[columns]
    )


@pytest.mark.parametrize("columns", [80, 60])
def test_on_a_terminal_a_bar_shows_speed_and_time_left_within_one_line(
    make_film, pictures, tiny_store, tmp_path, columns: int
) -> None:
    film = make_film("film.mp4", pictures(30))
    words = (*RUN, film.name, "-o", "out.mp4", "--store", tiny_store, "--order", "edvr-m")
    code, written = _on_a_terminal(columns, *words, cwd=tmp_path)
    assert code == 0
    states = [part for part in re.split(r"[\r\n]+", written) if part.startswith("restoring")]
    assert len(states) > 1
    assert max(map(len, states)) <= columns
    assert any(re.search(r"\d+/30 frames, \d+\.\d\d fps, \d:\d\d left", state) for state in states)
    assert all("shot 1, " in state for state in states[1:]) == (columns == 80)
    assert "100%" in states[-1]
    assert "30/30 frames" in states[-1]
    assert "�" not in written
