"""What is on the terminal while reel works: progress, warnings, and a way on after Ctrl-C."""

from __future__ import annotations

import fcntl
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
from reel.cli.terminal import ProgressDisplay

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
    said = [line for line in err.splitlines()[2:] if not line.startswith("restoring: ")]
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
        "import sys, time; import reel.engine.pipeline as pipeline; from reel.cli.run import main\n"
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
    assert "100%" in states[-1]
    assert "30/30 frames" in states[-1]
    assert "�" not in written
