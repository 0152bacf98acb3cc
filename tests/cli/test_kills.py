"""Killed at any moment and started again, a film is the same. The long form is benchmarks/kills.py."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def kills(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("onnx", reason="needs the package onnx to make small networks")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("kills")


def test_runs_that_are_killed_and_started_again_end_with_the_same_bytes(kills, tmp_path) -> None:
    said: list[str] = []
    tally = kills.kill(tmp_path, 8, seed=2, say=said.append, frames=60)
    assert tally.kills == 8
    assert tally.resumes == 8
    assert tally.bytes_lost == 0, said
    assert tally.left_over == 0
