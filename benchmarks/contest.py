"""Contenders side by side: each in a process of its own, taking turns, so that all meet the same machine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

WORKER = Path(__file__).with_name("worker.py")

PAUSE = 0.3
"""Seconds between two runs: threads of the one before spin for up to 0.2 s after their work."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to measure.

    Attributes:
        name: In tables.
        program: Command line of its process, which speaks the protocol of ``worker.py``.
        runs: How often it runs at most; None: as often as the others. For what takes minutes.
    """

    name: str
    program: tuple[str, ...]
    runs: int | None = None


@dataclass(slots=True)
class Measured:
    """What a contender came to: time of each run, its peak memory, its difference from the reference.

    ``processor_seconds`` are those that it computed, on all processors together: where others use the
    machine they say more than ``seconds``. ``versions`` are of libraries that only its environment has.
    """

    seconds: list[float] = field(default_factory=list[float])
    processor_seconds: list[float] = field(default_factory=list[float])
    load_seconds: float = 0.0
    peak_bytes: int = 0
    relative_l2: float | None = None
    failure: str | None = None
    versions: dict[str, str] = field(default_factory=dict[str, str])


class Running:
    """A contender's process while it is entered; ``output`` is what its first, unmeasured run gave."""

    def __init__(self, contender: Contender, folder: Path) -> None:
        self.contender = contender
        self.measured = Measured()
        self.output: np.ndarray | None = None
        self._folder = folder

    def __enter__(self) -> Self:
        log = self._folder / f"{self.contender.name.replace(' ', '-')}.log"
        target = self._folder / f"{self.contender.name.replace(' ', '-')}.npy"
        with log.open("w") as stderr:
            self._process = subprocess.Popen(
                [*self.contender.program, str(target)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        ready = self._answer()
        if "failure" in ready:
            self.measured.failure = ready["failure"]
        else:
            self.measured.load_seconds = ready["load_seconds"]
            self.measured.versions = ready["versions"]
            self.output = np.load(target)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()  # closes the pipes too

    def run(self) -> None:
        """Let it run once, and note how long it took and how much memory it has taken so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "failure" in answer:
            self.measured.failure = answer["failure"]
            return
        self.measured.seconds.append(answer["seconds"])
        self.measured.processor_seconds.append(answer["processor_seconds"])
        self.measured.peak_bytes = answer["peak_bytes"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith('{"contest"'):
                return json.loads(line)["contest"]
        return {"failure": f"it ended early (exit status {self._process.wait()}); {self._folder} has its log"}


def hold(contenders: list[Contender], folder: Path, *, rounds: int, seconds: float) -> dict[str, Measured]:
    """Let every contender run in turn, for so many rounds or until the time is over, three at least.

    The first contender that works is the reference that outputs are compared with.
    """
    with ExitStack() as stack:
        running: list[Running] = []
        for contender in contenders:
            say(f"  loading {contender.name}")
            running.append(stack.enter_context(Running(contender, folder)))
        outputs = [one.output for one in running if one.output is not None]
        for one in running:
            if one.output is not None:
                one.measured.relative_l2 = relative_l2(outputs[0], one.output)
        began = time.monotonic()
        for done in range(rounds):
            if done >= 3 and time.monotonic() - began > seconds:
                break
            for one in running:
                if one.measured.failure is None and (one.contender.runs is None or done < one.contender.runs):
                    one.run()
                    time.sleep(PAUSE)
        return {one.contender.name: one.measured for one in running}


def relative_l2(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the relative L2 difference of two arrays of one shape; infinity for two of different shapes."""
    if expected.shape != found.shape:
        return float("inf")
    difference = np.linalg.norm(found.astype(np.float64) - expected)
    return float(difference / np.linalg.norm(expected.astype(np.float64)))


def summary(measured: dict[str, Measured], *, base: str) -> dict[str, Any]:
    """Return medians, spreads and the median of each contender's time over that of ``base``, run by run."""
    return {name: _figures(one, measured[base]) for name, one in measured.items()}


def _figures(measured: Measured, base: Measured) -> dict[str, Any]:
    figures = asdict(measured)
    if measured.seconds and base.seconds:
        ordered = sorted(measured.seconds)
        ratios = _ratios(measured.seconds, base.seconds)
        computed = _ratios(measured.processor_seconds, base.processor_seconds)
        figures["times_base_computed"] = statistics.median(computed)
        figures["median"] = statistics.median(ordered)
        figures["spread"] = [ordered[0], ordered[-1]]
        figures["times_base"] = statistics.median(ratios)
        figures["times_base_spread"] = [min(ratios), max(ratios)]
    return figures


def _ratios(mine: list[float], base: list[float]) -> list[float]:
    """Return the ratios turn by turn; one of both may have had fewer turns."""
    return [one / other for one, other in zip(mine, base, strict=False)]


def say(text: str) -> None:
    """Print a line on how far things are."""
    print(text, file=sys.stderr, flush=True)


def threads_available() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))
