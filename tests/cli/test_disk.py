"""A full disk, for real: a small file system in a mount namespace of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

_RUN_ON_SMALL_DISK = """\
mount -t tmpfs -o size="$1" reel-test "$2" || exit 99
place=$2
shift 2
"$@"
code=$?
find "$place" -mindepth 1 -not -name .keep
exit $code
"""


@pytest.fixture
def small_disk(tmp_path: Path):
    """Run a command with a file system of so many bytes on ``disk``; its stdout ends with what is left."""
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare, to mount a small file system")
    (tmp_path / "disk").mkdir()

    def run(size: str | int, *command: object) -> subprocess.CompletedProcess[str]:
        program = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _RUN_ON_SMALL_DISK, "sh"]
        words = [size, "disk", *command]
        result = subprocess.run([*program, *map(str, words)], cwd=tmp_path, capture_output=True, text=True)
        if result.returncode == 99 or result.stderr.startswith("unshare:"):
            pytest.skip(f"needs leave to mount a small file system ({result.stderr.strip()})")
        return result

    return run


RUN = (sys.executable, "-m", "reel.cli.run")


@pytest.fixture
def noise(make_film) -> Callable[[int], Path]:
    """Make a film of this many frames that cannot be compressed."""
    random = np.random.default_rng(3)
    return lambda count: make_film(
        "film.mkv", [random.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(count)], codec="ffv1"
    )


@pytest.mark.parametrize(
    ("output", "size"), [("out.mkv", "256k"), ("out.mp4", "256k"), ("frames/", "288k"), ("photo.png", "8k")]
)
def test_a_disk_that_fills_up_during_a_run_leaves_no_result_and_keeps_what_is_finished(
    small_disk, noise, tiny_store, output: str, size: str
) -> None:
    film = noise(1 if output == "photo.png" else 30)
    coding = {".mkv": ("--codec", "ffv1"), ".mp4": ("--crf", "0")}.get(Path(output).suffix, ())
    options = ("--store", tiny_store, "--order", "edvr-m", "--cuts", "off", *coding)
    result = small_disk(size, *RUN, film, "-o", f"disk/{output}", *options)
    assert_full(result, output.rstrip("/"))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_every_page_counts_from_the_first_to_the_last(small_disk, noise, suffix: str, tmp_path) -> None:
    """Manifest, segment, its card, joining, and the end of the file, which is written when it is closed."""
    options = ("--order", "--crf", "0", "--cuts", "off")
    film = noise(3)
    failed = 0
    for pages in range(4, 60):
        # From 4 KiB on: what runs out later each time is what is written later.
        result = small_disk(pages * 4096, *RUN, film, "-o", f"disk/out{suffix}", *options)
        if result.returncode == 0:
            assert result.stdout.splitlines() == [f"disk/out{suffix}"] * 2
            break
        failed += 1
        assert_full_somewhere(result)
    assert failed > 4
    assert result.returncode == 0


def test_a_run_goes_on_once_there_is_room(small_disk, noise, tiny_store, tmp_path) -> None:
    """The job lies on the disk that fills up, and the result beside it."""
    film = noise(30)
    options = ("--store", tiny_store, "--order", "edvr-m", "--cuts", "off", "--codec", "ffv1")
    words = " ".join(f"'{word}'" for word in (*RUN, film, "-o", "disk/out.mkv", *options))
    script = f"{words}; echo first $?; mount -o remount,size=64m disk; {words}; echo second $?"
    result = small_disk("256k", "sh", "-c", script)
    assert "first 1\n" in result.stdout, result
    assert "second 0\n" in result.stdout, result
    assert ", after " in result.stderr  # frames of the first run
    assert result.stdout.splitlines()[-1] == "disk/out.mkv"


def test_an_output_folder_that_is_read_only_is_said_before_any_work(small_disk, noise, tmp_path) -> None:
    words = " ".join(f"'{word}'" for word in (*RUN, noise(3), "-o", "disk/out.mkv", "--order"))
    for work in ("", f"--work-dir {tmp_path}"):
        result = small_disk("1m", "sh", "-c", f"mount -o remount,ro disk; {words} {work}")
        assert result.returncode == 1
        assert result.stdout == ""
        assert result.stderr.splitlines()[-2:] == [
            "error: disk cannot be written to (Read-only file system).",
            "       Name an output in another folder with -o.",
        ]


def assert_full(result: subprocess.CompletedProcess[str], output: str) -> None:
    assert result.returncode == 1, result
    assert result.stderr.splitlines()[-2:] == [
        f"error: The disk is full; disk/{output} could not be finished.",
        "       Make room, or name an output elsewhere with -o.",
    ]
    assert "Traceback" not in result.stderr
    left = set(result.stdout.splitlines())
    job = f"disk/.{output}.reel-job"
    assert (job in left) == (f"What is finished is kept in {job};" in result.stderr)
    assert all(path.startswith(job) for path in left - {f"disk/{output}"}), left
    assert f"disk/{output}" not in left or output == "frames"


def assert_full_somewhere(result: subprocess.CompletedProcess[str]) -> None:
    """Whichever file it was: one sentence that speaks of room, and no result."""
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    what, remedy = result.stderr.splitlines()[-2:]
    assert "full" in what or "are free" in what or "No space left" in what, result
    assert "room" in remedy or "--work-dir" in remedy
    assert all(".reel-job" in path for path in result.stdout.splitlines()), result
