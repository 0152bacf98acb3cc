"""Restore thousands of damaged files, which may give a film or an error: ``python benchmarks/fuzz.py``.

Small sound films and photos of many kinds are damaged at random: bytes changed, blocks cut out, repeated,
swapped or blanked, ends cut off. Processes of their own restore them, many files each, so that what kills
one is noticed, as is a file that takes too long or too much memory. Prints a table and every file that broke
something, which can be made again by its seed and number.
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fuzz_seeds import KINDS, write_seeds

HERE = Path(__file__).resolve().parent
LONGEST = 30.0  # seconds for one file before it is taken to hang
MOST = 3 << 30  # bytes for a process: pictures of up to 2**27 pixels are no reason to refuse a file


@dataclass
class Tally:
    """What the files came to."""

    files: int = 0
    restored: int = 0
    refused: int = 0
    broken: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    ate_memory: list[str] = field(default_factory=list)
    peak: int = 0
    slowest: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Everything that must not be."""
        return [*self.broken, *self.died, *self.hung, *self.ate_memory]


def main() -> int:
    """Run the command and return its exit code."""
    grammar = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    grammar.add_argument("--files", type=int, default=3000)
    grammar.add_argument("--first", type=int, default=0, help="number of the first file")
    grammar.add_argument("--seed", type=int, default=1)
    grammar.add_argument("--processes", type=int, default=2)
    grammar.add_argument("--keep", type=Path, help="a folder for the files that broke something")
    grammar.add_argument("--json", type=Path, help="where to write the figures")
    options = grammar.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reel-fuzz-") as folder:
        scratch = options.keep or Path(folder)
        numbers = range(options.first, options.first + options.files)
        tally, reasons = fuzz(scratch, numbers, seed=options.seed, processes=options.processes, say=print)
    seconds = time.monotonic() - began
    print(f"\n{tally.files} files of {len(KINDS)} kinds in {seconds:.0f} s, seed {options.seed}")
    for name in ("restored", "refused", "broken", "died", "hung", "ate_memory"):
        value = getattr(tally, name)
        print(f"{name.replace('_', ' '):12} {value if isinstance(value, int) else len(value)}")
    print(f"{'most memory':12} {tally.peak / 1e6:.0f} MB\n{'slowest':12} {tally.slowest:.1f} s")
    for reason, count in reasons.most_common(12):
        print(f"  {count:5} {reason}")
    if options.json:
        options.json.write_text(json.dumps(asdict(tally), indent=2) + "\n")
    return 1 if tally.faults else 0


def fuzz(
    scratch: Path, numbers: range, *, seed: int, processes: int, say: Callable[[str], None]
) -> tuple[Tally, Counter[str]]:
    """Restore the damaged files of these numbers, and return what they came to and why they were refused."""
    seeds = scratch / "seeds"
    seeds.mkdir(parents=True)
    write_seeds(seeds)
    tally, reasons = Tally(), Counter[str]()
    lock, todo = threading.Lock(), queue.SimpleQueue[int]()
    for number in numbers:
        todo.put(number)

    def take(state: str, number: int, detail: str, peak: int, seconds: float) -> None:
        with lock:
            tally.files += 1
            tally.peak, tally.slowest = max(tally.peak, peak), max(tally.slowest, seconds)
            if state in ("restored", "refused"):
                setattr(tally, state, getattr(tally, state) + 1)
                if state == "refused":
                    reasons[_general(detail)] += 1
            else:
                getattr(tally, state).append(f"file {number} of seed {seed}: {detail}")
                say(f"{state}: file {number} of seed {seed} ({KINDS_BY_NAME[number % len(KINDS)]}): {detail}")
            if tally.files % 500 == 0:
                say(f"{tally.files} files")

    def work(place: int) -> None:
        own = scratch / f"process {place}"
        own.mkdir()
        worker: _Worker | None = None
        try:
            while True:
                try:
                    number = todo.get_nowait()
                except queue.Empty:
                    return
                worker = worker or _Worker(seeds, own, seed)
                answer = worker.ask(number)
                if answer is None or answer.peak > MOST:
                    state = "ate_memory" if answer else worker.end
                    detail = f"{answer.peak >> 20} MB" if answer else f"exit code {worker.code}"
                    take(state, number, detail, 0, 0.0)
                    worker.close()
                    worker = None
                else:
                    take(answer.state, number, answer.detail, answer.peak, answer.seconds)
        finally:
            if worker is not None:
                worker.close()

    threads = [threading.Thread(target=work, args=(place,)) for place in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally, reasons


KINDS_BY_NAME = sorted(kind.name for kind in KINDS)


@dataclass(frozen=True)
class _Answer:
    number: int
    state: str
    detail: str
    peak: int
    seconds: float


class _Worker:
    """A process that restores files until it dies."""

    def __init__(self, seeds: Path, scratch: Path, seed: int) -> None:
        words = [sys.executable, str(HERE / "fuzz_worker.py"), str(seeds), str(scratch), "--seed", str(seed)]
        self._process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.end = "died"
        self.code: int | None = None

    def ask(self, number: int) -> _Answer | None:
        """Have a file restored; None where the process died of it or had to be killed."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Timer(LONGEST, self._kill)
        late.start()
        try:
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            late.cancel()
        if not line:
            self.code = process.wait()
            return None
        return _Answer(**json.loads(line))

    def _kill(self) -> None:
        self.end = "hung"
        self._process.kill()

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _general(message: str) -> str:
    """Return a message without what differs from file to file."""
    words = ("…" if "/" in word or any(c.isdigit() for c in word) else word for word in message.split())
    return " ".join(words)


if __name__ == "__main__":
    sys.exit(main())
