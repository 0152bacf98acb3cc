"""One stage in a process of its own: what it tells is kept at once, and it ends in time.

A stage tells what it knows so far as a line of JSON after ``@@``; the last one counts. Needs the standard
library alone, since it goes along.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from gpu_facts import clocks
from results import CUT_OFF, DONE, FAILED, Results
from stages import Stage

MARK = "@@"
RUNNING = "running"

_PR_SET_PDEATHSIG = 1  # of Linux's sys/prctl.h


def run_stage(
    stage: Stage, program: list[str], variables: dict[str, str], results: Results, home: Path, left: float
) -> str:
    """Run a stage and note what it tells; return one line on how it ended.

    Args:
        home: Its standard error is added to ``log.txt`` there.
        left: Seconds until all must end. A stage that this cuts off, and not its own limit, is not settled.
    """
    began = time.monotonic()
    before = clocks()
    told: dict[str, Any] = {}
    said: list[str] = []
    with (home / "log.txt").open("ab") as log:
        log.write(f"\n=== {stage.name}: {' '.join(program)}\n".encode())
        log.flush()
        position = log.tell()
        process = subprocess.Popen(
            program,
            cwd=home / "pack" / "reel" / "reel",
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )

        def listen() -> None:
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    if line.startswith(MARK.encode()):
                        with suppress(ValueError):  # cut off in the middle of a line
                            told.update(json.loads(line[len(MARK) :]))
                            results.note(stage.name, state=RUNNING, result=dict(told))
                    elif line.strip():
                        said.append(line.decode(errors="replace").strip())

        listening = threading.Thread(target=listen)
        listening.start()
        try:
            status: int | None = process.wait(timeout=min(stage.limit, left))
        except subprocess.TimeoutExpired:
            status = None
        finally:
            # Whatever it has started goes with it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            listening.join()
        log.write("".join(f"{line}\n" for line in said).encode())
    if stage.program[:1] == ("-m",) and said:  # pytest's last line is its result
        told["line"] = said[-1]
    seconds = time.monotonic() - began
    if status is None and left < stage.limit:
        results.note(stage.name, state="interrupted", why="the time was over", result=told)
        return f"interrupted after {seconds:.0f} s: the time was over"
    state = {0: DONE, None: CUT_OFF}.get(status, FAILED)
    words = (home / "log.txt").read_bytes()[position:].decode(errors="replace")
    why = None if state == DONE else _why(status, words.removesuffix("\n".join([*said, ""])), said, stage)
    fields = {"state": state, "seconds": round(seconds, 1), "result": told, "why": why}
    results.note(stage.name, **fields, clocks={"before": before, "after": clocks()})
    return f"{state} in {seconds:.0f} s{f' ({why[:300]})' if why else ''}"


def _end_with_parent() -> None:
    """Have this process killed when the one that started it is: it would keep the GPU from the next run."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _why(status: int | None, errors: str, said: list[str], stage: Stage) -> str:
    if status is None:
        return f"stopped after {stage.limit} s"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return f"exit status {status}: {['no words for it', *said, *lines][-1]}"
