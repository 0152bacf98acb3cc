"""The tiny networks of the tests, for benchmarks of all that is not a network."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

_MAKER = Path(__file__).resolve().parents[1] / "tests" / "cli" / "conftest.py"


def put_tiny(store: Path, *names: str) -> None:
    """Put tiny networks of these names into a store, as an export would."""
    spec = importlib.util.spec_from_file_location("tiny_networks", _MAKER)
    assert spec is not None
    assert spec.loader is not None
    tiny: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tiny
    spec.loader.exec_module(tiny)
    for name in names:
        tiny.put_tiny(store, tiny.network_named(name))
