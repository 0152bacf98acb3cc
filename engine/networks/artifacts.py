"""Which export of a network a device is given: the one in the precision that it runs best."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from ...models.spec import Network
from ...models.store import Artifact, Store

_log = logging.getLogger(__name__)


class Artifacts(Protocol):
    """Where a run has its networks from."""

    def find(self, network: Network) -> Artifact:
        """Return the artifact to run.

        Raises:
            StoreError: The network has not been exported, or by another version, or a file is damaged.
        """
        ...


class BestArtifacts:
    """A store, of which a device is given what it runs best (see ``Artifacts``).

    Args:
        store: The store.
        precisions: As ``engine.networks.backend.Backend.precisions``.
    """

    def __init__(self, store: Store, precisions: Sequence[str]) -> None:
        self._store = store
        self._precisions = precisions
        self._told: set[str] = set()

    def find(self, network: Network) -> Artifact:
        """Return the artifact to run: trained weights before random ones, then the best precision."""
        found = [
            (artifacts[0].card.rehearsal, place)
            for place, precision in enumerate(self._precisions)
            if (artifacts := self._store.usable(network, precision=precision))
        ]
        _, place = min(found, default=(False, 0))
        artifact = self._store.find(network, precision=self._precisions[place])
        if place and network.name not in self._told:
            self._told.add(network.name)
            _log.warning(
                "%s runs in %s; `reel-export %s --precision %s` would make it quicker on this device.",
                network.name,
                self._precisions[place],
                network.name,
                self._precisions[0],
            )
        return artifact
