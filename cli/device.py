"""The device of a command, and the store as that device wants it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..models.store import Store

if TYPE_CHECKING:
    from ..engine.networks.artifacts import BestArtifacts
    from ..engine.networks.backend import Backend


@dataclass(frozen=True, slots=True)
class Chosen:
    """What ``--device`` and ``--store`` came to.

    Attributes:
        backend: The device, open.
        store: The networks, as it runs them best.
        why: Which device it is and why; None where none is needed.
    """

    backend: Backend
    store: BestArtifacts
    why: str | None

    def describe(self) -> None:
        """Say which device it is."""
        if self.why is not None:
            print(self.why, file=sys.stderr)


@contextmanager
def chosen_device(options: argparse.Namespace, *, needed: bool) -> Generator[Chosen]:
    """Open the device of a command, which is the CPU if no network needs one.

    Raises:
        BackendError: The one that was named does not work.
    """
    from ..engine.backends.choice import chosen_backend
    from ..engine.networks.artifacts import BestArtifacts

    with chosen_backend(options.device if needed else "cpu") as choice:
        store = BestArtifacts(Store(options.store), choice.backend.precisions)
        yield Chosen(choice.backend, store, choice.why if needed else None)
