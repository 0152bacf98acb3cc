"""Two runs never work on one job, and no lock outlives its run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from reel.engine.job.lock import Lock
from reel.errors import JobError

HOLD = """
import sys, time
from pathlib import Path
from reel.engine.job.lock import Lock
with Lock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"), pytest.raises(JobError, match="Another run"):
        Lock(tmp_path / "lock").__enter__()
    with Lock(tmp_path / "lock"):
        pass


def test_a_lock_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(JobError, match="Another run"):
            Lock(path).__enter__()
        process.send_signal(signal.SIGKILL)
    with Lock(path):
        pass


def test_a_lock_file_that_was_removed_meanwhile_is_not_trusted(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "lock"
    import reel.engine.job.lock as module

    taken = module.fcntl.flock
    removed: list[bool] = []

    def remove_first(handle: int, how: int) -> None:
        taken(handle, how)
        if not removed:  # as its last holder does when it is done
            removed.append(True)
            path.unlink()

    monkeypatch.setattr(module.fcntl, "flock", remove_first)
    with Lock(path):
        monkeypatch.undo()
        with pytest.raises(JobError, match="Another run"):
            Lock(path).__enter__()
