"""Damaged files give a film or an error: never a crash, a hang or a process that eats memory."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import fuzz

    return fuzz


def test_damaged_files_of_every_kind_harm_nothing(fuzz, tmp_path: Path) -> None:
    count = 8 * len(fuzz.KINDS)
    tally, _ = fuzz.fuzz(tmp_path, range(9000, 9000 + count), seed=7, processes=2, say=print)
    assert tally.faults == []
    assert tally.files == count == tally.restored + tally.refused
    assert tally.restored > count / 3
    assert tally.refused > count / 10


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("os.abort()", "died"),
        ("time.sleep(60)", "hung"),
        ("print(json.dumps(dict(number=number, state='broken', detail='x', peak=1, seconds=1)))", "broken"),
        (
            "print(json.dumps(dict(number=number, state='refused', detail='x', peak=1 << 40, seconds=1)))",
            "ate_memory",
        ),
    ],
)
def test_what_must_not_be_is_noticed(fuzz, tmp_path: Path, monkeypatch, line: str, kind: str) -> None:
    worker = tmp_path / "worker" / "fuzz_worker.py"
    worker.parent.mkdir()
    answer = (
        "print(json.dumps(dict(number=number, state='restored', detail='', peak=1, seconds=1)), flush=True)"
    )
    worker.write_text(
        "import json, os, sys, time\n"
        "for line in sys.stdin:\n"
        "    number = int(line)\n"
        f"    if number == 2:\n        {line}\n"
        f"    else:\n        {answer}\n    sys.stdout.flush()\n"
    )
    monkeypatch.setattr(fuzz, "HERE", worker.parent)
    monkeypatch.setattr(fuzz, "LONGEST", 5.0)
    monkeypatch.setattr(fuzz, "write_seeds", lambda folder: [])
    said: list[str] = []
    tally, _ = fuzz.fuzz(tmp_path / "scratch", range(5), seed=1, processes=1, say=said.append)
    assert tally.files == 5
    assert tally.restored == 4
    assert len(tally.faults) == len(getattr(tally, kind)) == len(said) == 1
    assert "file 2 of seed 1" in said[0]


def test_a_damaged_file_is_the_same_every_time(fuzz) -> None:
    from fuzz_seeds import mutated

    data = bytes(range(256)) * 20
    made = [mutated(data, random.Random(number)) for number in range(200)]
    assert made == [mutated(data, random.Random(number)) for number in range(200)]
    assert sum(result != data for result in made) >= 198
    assert sum(len(result) < len(data) for result in made) > 20
    sys.modules.pop("fuzz_seeds", None)
