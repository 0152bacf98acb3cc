"""Export one network: find its weights, convert and check in a process of its own, put it into the store."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import ExportError, WeightsError
from ..models.card import EXPORT_REVISION, Card, GraphFile, Parity, artifact_key
from ..models.spec import PRECISIONS, Network
from ..models.store import Artifact, Store, file_digest
from .download import fetch
from .hashes import RECORD
from .process import Said, failure, run_apart
from .weights import holds_ncnn
from .worker import HALVES, Request

LIBRARIES = (
    ("paddlepaddle", "paddlepaddle-gpu"),
    ("paddle2onnx",),
    ("onnx",),
    ("onnxruntime", "onnxruntime-gpu"),
)
"""What makes the graphs, each under the names that it is published by."""

Step = Callable[[str], None]
"""Called with a few words on what comes next."""

Download = Callable[[int, int | None], None]
"""Called with the bytes received so far and the total, None where unknown."""

_WORKER = (sys.executable, "-m", "reel.export.worker")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Weights:
    """Where the weights of an export come from: a file or folder, or None for rehearsal weights."""

    path: Path | None
    sha256: str

    @property
    def label(self) -> str:
        return "rehearsal" if self.path is None else self.path.name


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to: the artifact, and whether it was there already."""

    artifact: Artifact
    fresh: bool


def rehearsal() -> Weights:
    """Return seeded weights for any network; they depend on the exporter's revision alone."""
    return Weights(None, hashlib.sha256(f"rehearsal {EXPORT_REVISION}".encode()).hexdigest())


def given_weights(network: Network, path: Path) -> Weights:
    """Return the weights of a network in a file, or in a folder that holds files for several.

    In a folder the official file name or ``<network>.npz`` is looked for; for DAIN also its unpacked
    program.

    Raises:
        WeightsError: There is no such file, or the folder holds nothing for this network.
    """
    if not path.exists():
        raise WeightsError(f"There is no file {path}.", "Check what is given to --weights.")
    if path.is_dir():
        names = [f"{network.name}.npz", *(source.filename for source in network.weights)]
        found = [path / name for name in names if (path / name).exists()]
        programs = [
            f for f in (path, *path.glob("*/")) if (f / "model").is_file() or (f / "__model__").is_file()
        ]
        if holds_ncnn(path) and network.name == "dain-depth":
            found = [path]
        if not found and network.name == "dain":
            found = programs
        if not found:
            raise WeightsError(
                f"{path} holds no weights for {network.name}.", f"Put {' or '.join(names)} there."
            )
        path = found[0]
    return Weights(path.resolve(), _digest(path))


def official_weights(network: Network, store: Store, progress: Download | None = None) -> Weights:
    """Return the official weights, downloaded into the store on their first use.

    Raises:
        WeightsError: No source can be reached, or a file is not what it should be.
    """
    if not network.weights:
        raise WeightsError(f"{network.name} has no official weights.", "Give a file with --weights.")
    folder = store.folder / "weights"
    # What is here is taken before a server is asked again that had nothing the last time.
    sources = sorted(network.weights, key=lambda source: not (folder / source.filename).exists())
    for position, source in enumerate(sources, start=1):
        try:
            path = fetch(source, folder, progress=progress)
            return Weights(path, _digest(path))
        except WeightsError as error:
            if position == len(sources):
                raise
            _log.warning("%s Trying the next source.", error.message)
    raise AssertionError("unreachable")


def export(
    network: Network, weights: Weights, store: Store, *, precision: str = "fp32", step: Step | None = None
) -> Exported:
    """Export a network in one precision (see ``export_each``)."""
    return export_each(network, weights, store, (precision,), step=step)[0]


def export_each(
    network: Network,
    weights: Weights,
    store: Store,
    precisions: Sequence[str],
    *,
    step: Step | None = None,
) -> tuple[Exported, ...]:
    """Export a network into the store, but for what is there already exactly so and undamaged.

    Args:
        precisions: Some of ``spec.PRECISIONS``. The float16 graphs are made from the float32 ones, be they
            made now or there already.
        step: Told what comes next, for a display.

    Returns:
        What each precision came to, in the order asked for.

    Raises:
        WeightsError: The weights do not fit the network.
        ExportError: The conversion failed, or a graph differs from Paddle. Nothing is stored then.
        StoreError: The store cannot be written.
    """
    versions = library_versions()
    there = {precision: _found(network, weights, store, precision, versions) for precision in PRECISIONS}
    missing = tuple(precision for precision in precisions if there[precision] is None)
    made = _make(network, weights, store, missing, there["fp32"], versions, step) if missing else {}
    return tuple(
        Exported(artifact, fresh=False) if (artifact := there[precision]) else Exported(made[precision], True)
        for precision in precisions
    )


def _found(
    network: Network, weights: Weights, store: Store, precision: str, versions: dict[str, str]
) -> Artifact | None:
    key = artifact_key(network.name, precision, weights.sha256, versions)
    for artifact in store.artifacts(network, precision=precision):
        if artifact.card.key == key and store.damage(artifact) is None:
            return artifact
    return None


def _make(
    network: Network,
    weights: Weights,
    store: Store,
    precisions: tuple[str, ...],
    full: Artifact | None,
    versions: dict[str, str],
    step: Step | None,
) -> dict[str, Artifact]:
    """Make artifacts, all of them or none, and keep them. ``full`` is the float32 one, if there is one."""
    request = Request(
        network=network.name,
        weights=None if weights.path is None else str(weights.path),
        precisions=precisions,
        full=None if full is None else str(full.folder.absolute()),
    )
    with store.writing() as scratch:
        try:
            measured = _run_worker(network, request, scratch, step)
            made: dict[str, Artifact] = {}
            for precision in precisions:
                (finished := scratch / f"finished {precision}").mkdir()
                origin = scratch / HALVES if precision == "fp16" else scratch
                graphs: dict[str, GraphFile] = {}
                for graph in network.graphs:
                    target = (origin / f"{graph.name}.onnx").rename(finished / f"{graph.name}.onnx")
                    graphs[graph.name] = GraphFile(target.name, target.stat().st_size, file_digest(target))
                card = Card(
                    network=network.name,
                    precision=precision,
                    revision=EXPORT_REVISION,
                    weights=weights.label,
                    weights_sha256=weights.sha256,
                    rehearsal=weights.path is None,
                    versions=versions,
                    created=datetime.now(UTC).isoformat(timespec="microseconds"),
                    graphs=graphs,
                    parity=measured[precision],
                )
                made[precision] = store.keep(finished, card)
            return made
        except OSError as error:
            raise ExportError(
                f"The export of {network.name} could not be written: {error.strerror or error}.",
                "Free some space, or choose another folder with --store.",
            ) from error


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that make the graphs.

    Raises:
        ExportError: One of them is not installed.
    """
    versions: dict[str, str] = {}
    for names in LIBRARIES:
        found = {name: version for name in names if (version := _version(name))}
        if not found:
            raise ExportError(
                f"{names[0]}, which exporting needs, is not installed.",
                "Install with `pip install --no-deps --require-hashes -r requirements/export.txt`.",
            )
        versions |= found
    return versions


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _digest(path: Path) -> str:
    if path.is_dir():  # an unpacked program, or the ncnn port
        ours = (RECORD, ".lock")  # of the download
        files = sorted(file for file in path.iterdir() if file.is_file() and file.name not in ours)
        facts = [(file.name, file_digest(file)) for file in files]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return file_digest(path)


def _run_worker(
    network: Network, request: Request, folder: Path, step: Step | None
) -> dict[str, tuple[Parity, ...]]:
    """Return what was measured, by precision; the files are in the folder."""

    def heard(said: Said) -> None:
        if step and "step" in said:
            step(said["step"])

    ended = run_apart(_WORKER, asdict(request), folder, heard)
    if "parity" not in ended.result:
        raise failure(
            ended,
            folder,
            what=f"The export of {network.name}",
            remedy="Check memory and disk space, and that the versions of requirements/export.txt are "
            "installed.",
        )
    measured: dict[str, list[dict[str, Any]]] = ended.result["parity"]
    return {precision: tuple(Parity(**figures) for figures in rows) for precision, rows in measured.items()}
