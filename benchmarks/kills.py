"""Kill runs of reel-run with SIGKILL, start them again, and compare: ``python benchmarks/kills.py``.

A small film is restored again and again with tiny networks. Half of the kills come at a random moment, half
right before or after a random operation on a file, from the first one on the manifest to the last one of the
joined film, so that each of these is hit in time. Every film that is finished must be the undisturbed one, to
the byte. Prints a line for each film and a table, and writes it as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tiny import put_tiny

ROOT = Path(__file__).resolve().parents[1]
OUTPUTS = ("out.mp4", "out.mkv", "frames/")


@dataclass
class Tally:
    """What the kills came to."""

    kills: int = 0
    kills_at_files: int = 0
    resumes: int = 0
    films: int = 0
    frames_needed: int = 0
    frames_made: int = 0
    bytes_lost: int = 0
    left_over: int = 0


def main() -> int:
    """Run the command and return its exit code."""
    grammar = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    grammar.add_argument("--kills", type=int, default=100)
    grammar.add_argument("--seed", type=int, default=1)
    grammar.add_argument("--json", type=Path, help="where to write the figures")
    options = grammar.parse_args()
    with tempfile.TemporaryDirectory(prefix="reel-kills-") as folder:
        tally = kill(Path(folder), options.kills, seed=options.seed, say=print)
    figures = asdict(tally)
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):18} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if tally.bytes_lost or tally.left_over else 0


def kill(folder: Path, kills: int, *, seed: int, say: Callable[[str], object], frames: int = 110) -> Tally:
    """Kill so many runs in all, and return what it came to.

    Args:
        folder: An empty one, to work in.
        kills: How many.
        seed: Of what is random.
        say: Told how it goes.
        frames: How many the film has.
    """
    store, film = folder / "store", folder / "film.mp4"
    _make(store, film, frames)
    chance, tally = random.Random(seed), Tally()
    undisturbed = {
        output: _Run(folder / f"undisturbed{number}", output, store, film)
        for number, output in enumerate(OUTPUTS)
    }
    while tally.kills < kills:
        output = OUTPUTS[tally.films % len(OUTPUTS)]
        whole = undisturbed[output]
        if not whole.finished:
            whole.measure()
        run = _Run(folder / f"killed{tally.films}", output, store, film)
        _kill_until_done(run, whole, chance, tally, kills)
        lost = run.lost(whole)
        tally.bytes_lost += lost
        tally.left_over += len(run.left_over())
        tally.films += 1
        tally.frames_needed += whole.made()
        say(f"{output}: {run.killed} kills, {run.made()} frames made of {whole.made()}, {lost} bytes differ")
        shutil.rmtree(run.folder)
    return tally


class _Run:
    """The runs that one film takes.

    Attributes:
        seconds, operations: How long the last one took, and what it did to files.
    """

    def __init__(self, folder: Path, output: str, store: Path, film: Path) -> None:
        self.folder = folder
        self.killed = 0
        self.finished = False
        self.seconds = 0.0
        self.operations = 0
        self._output = output
        self._store = store
        self._film = film
        folder.mkdir()

    def start(self, *, die_at: int = 0, slow: bool = False, wait: float | None = None) -> bool:
        """Start the command; False where it was killed, by itself at an operation or after a while."""
        words = [self._film, "-o", f"{self.folder}/{self._output}", "--store", self._store]
        words += ["--order", "dain", "edvr-m"]
        words += [] if self._output.endswith("/") else ["--preset", "veryfast"]
        counts = self.folder.with_name(f"{self.folder.name}.counts")
        program = [sys.executable, __file__, "--child", die_at, int(slow), counts, *words]
        began = time.monotonic()
        with subprocess.Popen(
            list(map(str, program)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                _, said = process.communicate(timeout=wait)
            except subprocess.TimeoutExpired:
                process.kill()
                _, said = process.communicate()
        self.seconds = time.monotonic() - began
        # Killed after its very last step, a run has left nothing to do.
        done = process.returncode == 0 or b"is there already" in said
        if not done and process.returncode != -signal.SIGKILL:
            raise SystemExit(f"reel-run failed with {process.returncode}:\n{said.decode()}")
        self.finished = done
        self.killed += not self.finished
        return self.finished

    def measure(self) -> None:
        """Run it undisturbed."""
        self.start()
        self.operations = int(self.folder.with_name(f"{self.folder.name}.counts").read_text())

    def made(self) -> int:
        """How many frames were made in all of its runs."""
        path = self.folder.with_name(f"{self.folder.name}.counts.frames")
        return path.stat().st_size if path.exists() else 0

    def files(self) -> dict[str, bytes]:
        """The result: one film, or its pictures by name."""
        path = self.folder / self._output
        return {
            file.name: file.read_bytes() for file in (sorted(path.iterdir()) if path.is_dir() else [path])
        }

    def lost(self, whole: _Run) -> int:
        """How many bytes are not those of the undisturbed film."""
        ours, theirs = self.files(), whole.files()
        return sum(
            abs(len(mine) - len(its)) + sum(a != b for a, b in zip(mine, its, strict=False))
            for name in {*ours, *theirs}
            if (mine := ours.get(name, b"")) != (its := theirs.get(name, b""))
        )

    def left_over(self) -> list[str]:
        """Names of what lies beside the result."""
        return [path.name for path in self.folder.iterdir() if path.name != self._output.rstrip("/")]


def _kill_until_done(run: _Run, whole: _Run, chance: random.Random, tally: Tally, kills: int) -> None:
    slow = chance.random() < 0.5  # as if frames came slowly, so that each of them is kept
    while not run.finished:
        if tally.kills >= kills or run.killed > 12:
            run.start(slow=slow)
        elif chance.random() < 0.5:
            run.start(slow=slow, wait=chance.uniform(0.2, 1.1) * whole.seconds)
        else:
            run.start(slow=slow, die_at=chance.randint(1, max(1, whole.operations)))
            tally.kills_at_files += not run.finished
        if not run.finished:
            tally.kills += 1
        tally.resumes += run.killed > 0 and (run.finished or run.killed > 1)
    tally.frames_made += run.made()


def _make(store: Path, film: Path, frames: int) -> None:
    """Make the tiny networks of the tests, and a film of two shots with sound."""
    put_tiny(store, "dain", "edvr-m")
    clip = [sys.executable, ROOT / "scripts" / "make_clip.py", film, "--frames", frames, "--size", "48x32"]
    subprocess.run([*map(str, clip), "--fps", "24"], check=True, stdout=subprocess.DEVNULL)


def child(die_at: int, slow: bool, counts: Path, words: list[str]) -> int:
    """Be reel-run, and die at that operation on a file; count them, and the frames made."""
    from reel.cli import run
    from reel.engine.job import journal, records, segments
    from reel.engine.writing import film_join

    count = 0

    def struck(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for owner, name in (
        *((Path, name) for name in ("replace", "rename", "unlink", "rmdir", "mkdir", "touch")),
        (os, "fsync"),
        (os, "unlink"),
        (os, "rmdir"),
        (records.Records, "append"),
        (film_join, "packet_of"),
    ):
        setattr(owner, name, struck(getattr(owner, name)))
    made = segments.Segments.write
    with counts.with_name(f"{counts.name}.frames").open("ab", buffering=0) as file:

        def write(self: Any, frame: Any) -> None:
            file.write(b".")
            made(self, frame)

        segments.Segments.write = write  # type: ignore[method-assign]
        journal.SLOW = 0.0 if slow else journal.SLOW
        code = run.main(words)
    counts.write_text(str(count))
    return code


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        sys.exit(child(int(sys.argv[2]), sys.argv[3] == "1", Path(sys.argv[4]), sys.argv[5:]))
    sys.exit(main())
