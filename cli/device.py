"""The device of a command, said once, and the store as that device wants it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..models.store import Store

if TYPE_CHECKING:
    from ..engine.artifacts import BestArtifacts
    from ..engine.backend import Backend


@contextmanager
def chosen_device(options: argparse.Namespace, *, needed: bool) -> Generator[tuple[BestArtifacts, Backend]]:
    """Open what ``--device`` and ``--store`` name, and say which device it is; the CPU if none is needed."""
    from ..engine.artifacts import BestArtifacts
    from ..engine.backends.choice import chosen_backend

    with chosen_backend(options.device if needed else "cpu") as choice:
        if needed:
            print(choice.why, file=sys.stderr)
        yield BestArtifacts(Store(options.store), choice.backend.precisions), choice.backend
