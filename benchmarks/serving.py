"""The protocol of a contender's process: load, run once, save the output, then run when told to.

Imports nothing beyond the standard library and numpy: the process may belong to another environment.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Run = Callable[[], np.ndarray]

_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def serve(load: Callable[[], Run], target: Path, *, versions: dict[str, str] | None = None) -> None:
    """Answer on standard output, a line of JSON for each line on standard input.

    Args:
        load: Builds the contender, and returns what runs it once.
            Where it has an attribute ``not_counted``, so many seconds of its last run are not counted.
        target: File for the output of the first run, which is not measured.
        versions: Of libraries that only this environment has.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print; what they print is for the log

    def answer(**fields: object) -> None:
        answers.write(json.dumps({"contest": fields}) + "\n")
        answers.flush()

    try:
        began = time.perf_counter()
        run = load()
        loaded = time.perf_counter() - began
        np.save(target, run())
        answer(load_seconds=loaded, versions=versions or {})
        for _ in sys.stdin:
            began, before = time.perf_counter(), processor_seconds()
            run()
            taken, computed = time.perf_counter() - began, processor_seconds() - before
            taken -= getattr(run, "not_counted", 0.0)
            peak = max(resource.getrusage(who).ru_maxrss for who in _WHO) * 1024
            answer(seconds=taken, processor_seconds=computed, peak_bytes=peak)
    except Exception as error:  # whatever stops a contender is a result of the contest
        answer(failure=" ".join(f"{type(error).__name__}: {error}".split())[:300])
        raise


def processor_seconds() -> float:
    """Return what this process and its children that have ended have computed, on all processors."""
    used = [resource.getrusage(who) for who in _WHO]
    return sum(one.ru_utime + one.ru_stime for one in used)
