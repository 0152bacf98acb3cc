"""The store: the folder of exported networks, each with a card that says what it is.

    <store>/<network>/<precision>-<key>/card.json, <graph>.onnx ...

A folder appears whole, by a rename, or not at all. The key is a digest of all that the graphs depend on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from platformdirs import user_cache_path

from ..errors import StoreError
from .card import CARD, EXPORT_REVISION, Card, export_command, precision_option, read_card, write_card
from .spec import Graph

SHIPPED = Path(__file__).with_name("shipped")
"""What comes with reel, laid out as a store: its own networks as exports, so that they run without Paddle."""

_A_DAY = 24 * 60 * 60
_IN_USE = ".in-use"  # locked for as long as somebody works beside it


class GraphSet(Protocol):
    """What the store keeps: the graphs of a network, or others under a name of their own."""

    @property
    def name(self) -> str:
        """What it is called, and its folder."""
        ...

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """Its graphs, each a file."""
        ...


@dataclass(frozen=True, slots=True)
class Artifact:
    """An exported network in the store."""

    folder: Path
    card: Card

    def path(self, graph: str) -> Path:
        """Return the ONNX file of a graph; KeyError where the network has none of that name."""
        return self.folder / self.card.graphs[graph].file

    @property
    def store(self) -> Store:
        """The store that it lies in."""
        return Store(self.folder.parent.parent)

    @property
    def shipped(self) -> bool:
        """Whether it comes with reel, and is in nobody's store."""
        return self.folder.parent.parent == SHIPPED


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def default_store() -> Path:
    """Return ``REEL_STORE`` or, where that is not set, a folder in the user's cache."""
    return Path(os.environ.get("REEL_STORE") or user_cache_path("reel"))


class Store:
    """The folder of exported networks. The constructor touches no file.

    Args:
        folder: Where it lies; None means ``default_store()``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_store()

    def artifacts(self, network: GraphSet, *, precision: str = "fp32") -> list[Artifact]:
        """Return what the store holds of a network, best first, without looking into the graphs.

        Given weights come before rehearsal ones, then newer before older. Folders whose card cannot be
        read or contradicts its place are left out.
        """
        found: list[Artifact] = []
        for path in (self.folder / network.name).glob(f"{precision}-*/{CARD}"):
            card = read_card(path)
            if card and _belongs(card, network, path.parent, precision):
                found.append(Artifact(path.parent, card))
        newest_first = sorted(found, key=lambda artifact: artifact.card.created, reverse=True)
        return sorted(newest_first, key=lambda artifact: artifact.card.rehearsal)

    def usable(self, network: GraphSet, *, precision: str = "fp32") -> list[Artifact]:
        """Return what may run of a network, best first: the store's, what comes with reel, rehearsal ones.

        Left out is what another version of reel exported of weights that it came with: this one has its own.
        """
        shipped = [] if self.folder == SHIPPED else Store(SHIPPED).artifacts(network, precision=precision)
        weights = {artifact.card.weights for artifact in shipped}
        own = [
            artifact
            for artifact in self.artifacts(network, precision=precision)
            if artifact.card.revision == EXPORT_REVISION or artifact.card.weights not in weights
        ]
        return sorted([*own, *shipped], key=lambda artifact: artifact.card.rehearsal)

    def find(self, network: GraphSet, *, precision: str = "fp32") -> Artifact:
        """Return the artifact to run, its files checked against the hashes on its card.

        Raises:
            StoreError: The network has not been exported, or by another version, or a file is damaged.
        """
        artifacts = self.usable(network, precision=precision)
        if not artifacts:
            raise StoreError(
                f"{network.name} has not been exported to {self.folder}.",
                f"Run `reel-export {network.name}{precision_option(precision)}` first.",
            )
        artifact = artifacts[0]
        again = f"Export it again with `{export_command(artifact.card)}`."
        if artifact.card.revision != EXPORT_REVISION:
            raise StoreError(f"{network.name} was exported by another version of reel.", again)
        problem = self.damage(artifact)
        if problem:
            raise StoreError(f"The export of {network.name} is damaged: {problem}.", again)
        return artifact

    def damage(self, artifact: Artifact) -> str | None:
        """Return what is wrong with the files of an artifact, or None."""
        for name, graph in artifact.card.graphs.items():
            path = artifact.path(name)
            if not path.is_file():
                return f"{graph.file} is missing"
            if path.stat().st_size != graph.size or file_digest(path) != graph.sha256:
                return f"{graph.file} is not the file that was exported"
        return None

    @contextmanager
    def writing(self) -> Generator[Path]:
        """Give an empty folder inside the store to work in; it is gone afterwards unless it was kept.

        Raises:
            StoreError: The store cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned()
            scratch = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.folder))
        except OSError as error:
            raise StoreError(
                f"The store {self.folder} cannot be written: {error.strerror}.",
                "Choose another folder with --store or REEL_STORE.",
            ) from error
        try:
            with _held(scratch / _IN_USE):
                yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _remove_abandoned(self) -> None:
        """Remove what exports that were killed left behind; no export takes a day."""
        for path in [*self.folder.glob(".partial-*"), *self.folder.glob("*/.doomed-*")]:
            with suppress(OSError):
                if _is_free(path / _IN_USE) or time.time() - path.stat().st_mtime > _A_DAY:
                    shutil.rmtree(path, ignore_errors=True)

    def keep(self, scratch: Path, card: Card) -> Artifact:
        """Move a finished folder to its place, and remove what it supersedes.

        An older artifact of the same network, precision and kind of weights is superseded.
        """
        write_card(scratch / CARD, card)
        home = self.folder / card.network
        home.mkdir(parents=True, exist_ok=True)
        target = home / f"{card.precision}-{card.key}"
        if target.exists():
            _remove(target)
        scratch.rename(target)
        for path in home.glob(f"{card.precision}-*"):
            if path != target and _superseded(path, card):
                _remove(path)
        return Artifact(target, card)


@contextmanager
def _held(path: Path) -> Generator[None]:
    """Hold a lock that ends with this process, however it ends. Windows has none of the kind."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_free(path: Path) -> bool:
    """Whether whoever held the lock is gone; False where there is none, or it cannot be told."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _belongs(card: Card, network: GraphSet, folder: Path, precision: str) -> bool:
    """Whether a card is of this network and folder, with a file for every graph."""
    complete = set(card.graphs) == {graph.name for graph in network.graphs}
    return complete and card.network == network.name and folder.name == f"{precision}-{card.key}"


def _superseded(folder: Path, card: Card) -> bool:
    old = read_card(folder / CARD)
    return old is None or old.rehearsal == card.rehearsal


def _remove(folder: Path) -> None:
    """Remove a folder so that a half-removed one is never found."""
    doomed = folder.with_name(f".doomed-{folder.name}")
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
