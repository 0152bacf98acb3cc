"""Restores damaged files one after the other; what kills it is found by whoever started it."""

from __future__ import annotations

import argparse
import json
import logging
import random
import resource
import sys
import time
import traceback
from fractions import Fraction
from pathlib import Path

from fuzz_seeds import mutated
from reel.engine.backends.cpu import CpuBackend
from reel.engine.runs import pipeline
from reel.engine.runs.settings import Settings
from reel.engine.writing.encoding import Encoding
from reel.errors import ReelError
from reel.models.store import Store

_ROOM = 6 << 30  # bytes of address space, of which most is only reserved


def main() -> None:
    """Take numbers of files from standard input, and answer each with a line of JSON."""
    grammar = argparse.ArgumentParser(description=__doc__)
    grammar.add_argument("seeds", type=Path)
    grammar.add_argument("scratch", type=Path)
    grammar.add_argument("--seed", type=int, required=True)
    options = grammar.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_ROOM, _ROOM))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.disable(logging.CRITICAL)
    seeds = sorted(options.seeds.iterdir())
    for line in sys.stdin:
        number = int(line)
        given = seeds[number % len(seeds)]
        chance = random.Random(options.seed * 1_000_003 + number)
        path = options.scratch / f"{number}-{given.name}"
        path.write_bytes(mutated(given.read_bytes(), chance))
        began = time.monotonic()
        state, detail = _restored(path, chance)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = {"number": number, "state": state, "detail": detail, "peak": used * 1024}
        print(json.dumps({**answer, "seconds": time.monotonic() - began}), flush=True)
        if state != "broken":
            path.unlink()


def _restored(path: Path, chance: random.Random) -> tuple[str, str]:
    """Return whether a result came, a refusal, or a mistake of reel's, and the words for it."""
    part = chance.random() < 0.3
    settings = Settings(
        order=(),
        start=Fraction(1, 10) if part else None,
        end=Fraction(3, 10) if part and chance.random() < 0.5 else None,
        encoding=Encoding(codec="ffv1"),
        overwrite=True,
        fresh=True,
    )
    photo = path.name.rpartition("-")[2].startswith("photo")
    output = path.with_name("out.png" if photo else "out.mkv")
    try:
        if photo:
            settings = Settings(order=(), overwrite=True, fresh=True)
        plan = pipeline.plan(path, output, settings, Store(path.with_name("no store")))
        summary = pipeline.run(plan, settings, CpuBackend())
    except ReelError as error:
        return "refused", error.message
    except MemoryError:
        return "refused", "There is not enough memory."
    except Exception:
        return "broken", traceback.format_exc(limit=-4)
    return "restored", f"{summary.frames} frames"


if __name__ == "__main__":
    main()
