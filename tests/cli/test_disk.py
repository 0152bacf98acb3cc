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
    ("output", "size"), [("out.mkv", "256k"), ("out.mp4", "256k"), ("frames/", "256k"), ("photo.png", "8k")]
)
def test_a_disk_that_fills_up_during_a_run_leaves_nothing(
    small_disk, noise, tiny_store, output: str, size: str
) -> None:
    film = noise(1 if output == "photo.png" else 30)
    coding = {".mkv": ("--codec", "ffv1"), ".mp4": ("--crf", "0")}.get(Path(output).suffix, ())
    options = ("--store", tiny_store, "--order", "edvr-m", "--cuts", "off", *coding)
    assert_full(small_disk(size, *RUN, film, "-o", f"disk/{output}", *options), output.rstrip("/"))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_last_page_counts_too(small_disk, noise, suffix: str, tmp_path) -> None:
    """The end of a file is written when it is closed: what fails there is not lost either."""
    options = ("--order", "--crf", "0", "--cuts", "off")
    film = noise(3)
    assert small_disk("4m", *RUN, film, "-o", f"whole{suffix}", *options).returncode == 0
    pages = (tmp_path / f"whole{suffix}").stat().st_size // 4096
    assert_full(small_disk(pages * 4096, *RUN, film, "-o", f"disk/out{suffix}", *options), f"out{suffix}")


def assert_full(result: subprocess.CompletedProcess[str], output: str) -> None:
    assert result.returncode == 1, result
    assert result.stderr.splitlines()[-2:] == [
        f"error: The disk is full; disk/{output} could not be finished.",
        "       Make room, or name an output elsewhere with -o.",
    ]
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
