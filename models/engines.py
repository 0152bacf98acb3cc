"""Engines beside the graphs that they were built from, each with a card that says what it is valid for.

    <artifact>/engines/<graph>-<key>/card.json, engine.plan

A folder appears whole, by a rename, or not at all. The key is a digest of all that the engine depends on;
one that was built for anything else than what is here now is never used.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .card import read_card
from .frame_range import InputRange
from .gpu import Gpu
from .store import file_digest
from .tensorrt_library import version_of

ENGINE_REVISION = 1
"""Raised whenever engines are built in another way: what is older is then built anew."""

LEVEL = 3
"""How hard TensorRT looks for quick kernels, 0 to 5; its own default. More takes longer to build."""

CARD, PLAN = "card.json", "engine.plan"


@dataclass(frozen=True, slots=True)
class Basis:
    """All that an engine depends on.

    Attributes:
        network, precision, graph: What it runs.
        graph_sha256: Digest of the ONNX file.
        inputs: The shapes that it takes.
        outputs: Names of its outputs, in order.
        gpu: What it was built on.
        tensorrt: Full version.
        flags: Of network and builder, by the names that TensorRT has for them.
        sampled: Whether deformable convolution was written as sampling, for want of it (8.6).
        level, revision: ``LEVEL`` and ``ENGINE_REVISION`` at the time.
    """

    network: str
    precision: str
    graph: str
    graph_sha256: str
    inputs: tuple[InputRange, ...]
    outputs: tuple[str, ...]
    gpu: Gpu
    tensorrt: str
    flags: tuple[str, ...]
    sampled: bool = False
    level: int = LEVEL
    revision: int = ENGINE_REVISION

    @property
    def key(self) -> str:
        """Digest of it, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def folder(self) -> str:
        """Name of the folder of such an engine."""
        return f"{self.graph}-{self.key}"

    def covers(self, shapes: Mapping[str, Sequence[int]]) -> bool:
        """Tell whether it takes inputs of these shapes."""
        return all(given.name in shapes and given.covers(shapes[given.name]) for given in self.inputs)


@dataclass(frozen=True, slots=True)
class EngineCard:
    """What an engine is.

    Attributes:
        basis: All that it depends on.
        size, sha256: Of its file; bytes.
        seconds: That building it took.
        created: When, ISO 8601, UTC.
    """

    basis: Basis
    size: int
    sha256: str
    seconds: float
    created: str


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine in the store."""

    folder: Path
    card: EngineCard

    @property
    def artifact(self) -> Path:
        """The folder of the graphs that it is one of."""
        return self.folder.parent.parent

    @property
    def plan(self) -> Path:
        """Its file."""
        return self.folder / PLAN

    def damage(self) -> str | None:
        """Return what is wrong with its file, or None."""
        if not self.plan.is_file():
            return f"{PLAN} is missing"
        if self.plan.stat().st_size != self.card.size or file_digest(self.plan) != self.card.sha256:
            return f"{PLAN} is not the file that was built"
        return None


def build_flags(tensorrt: str, precision: str) -> tuple[str, ...]:
    """Return the flags that an engine is built with.

    From TensorRT 10 on the types are those of the graph, and nothing else. 8.6 chooses them itself and has
    to be told that it may take float16. Its convolutions need cuDNN but for those of two sources.
    """
    if version_of(tensorrt) >= (10, 0):
        return ("STRONGLY_TYPED",)
    half = ("FP16",) if precision == "fp16" else ()
    return ("EXPLICIT_BATCH", *half, "EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS")


def engines_of(artifact: Path, graph: str) -> list[Engine]:
    """Return the engines of a graph beside it, without looking into their files.

    Folders whose card cannot be read or contradicts its place are left out.
    """
    found: list[Engine] = []
    for path in sorted((artifact / "engines").glob(f"{graph}-*/{CARD}")):
        card = _read_card(path)
        if card is not None and card.basis.graph == graph and card.basis.folder == path.parent.name:
            found.append(Engine(path.parent, card))
    return found


def all_engines(artifact: Path) -> list[Engine]:
    """Return all engines beside the graphs of an artifact (see ``engines_of``)."""
    names = {path.name.rpartition("-")[0] for path in (artifact / "engines").glob("[!.]*")}
    return [engine for name in sorted(names) for engine in engines_of(artifact, name)]


def find_engine(artifact: Path, basis: Basis) -> Engine | None:
    """Return the undamaged engine that was built from exactly this, or None."""
    for engine in engines_of(artifact, basis.graph):
        if engine.card.basis == basis and engine.damage() is None:
            return engine
    return None


def build_command(artifact: Path, network: str) -> str:
    """Return what a user types to build the engines of a network's graphs, which lie in this folder."""
    card = read_card(artifact / CARD)
    rehearsal = " --rehearsal" if card is not None and card.rehearsal else ""
    return f"reel-export {network}{rehearsal} --device cuda"


def why_stale(basis: Basis, *, gpu: Gpu, tensorrt: str, graph_sha256: str) -> str | None:
    """Return what an engine was built for and is no longer so, or None where it is valid here."""
    of_now = {
        "reel's way of building": (basis.revision, ENGINE_REVISION),
        "graph": (basis.graph_sha256[:16], graph_sha256[:16]),
        "GPU": (basis.gpu.name, gpu.name),
        "compute capability": (basis.gpu.compute_capability, gpu.compute_capability),
        "driver": (basis.gpu.driver, gpu.driver),
        "TensorRT": (basis.tensorrt, tensorrt),
    }
    for what, (then, now) in of_now.items():
        if then != now:
            return f"it was built for {what} {then}, and here is {now}"
    return None


def keep_engine(artifact: Path, scratch: Path, card: EngineCard) -> Engine:
    """Move a finished folder, which holds the engine's file, to its place, and remove what it supersedes.

    Of the engines of its graph for the same GPU and the same shapes that is every other one: they cannot be
    used here any more.
    """
    (scratch / CARD).write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")
    home = artifact / "engines"
    home.mkdir(exist_ok=True)
    target = home / card.basis.folder
    if target.exists():
        _remove(target)
    scratch.rename(target)
    for old in engines_of(artifact, card.basis.graph):
        if old.folder != target and _same_place(old.card.basis, card.basis):
            _remove(old.folder)
    return Engine(target, card)


def _same_place(old: Basis, new: Basis) -> bool:
    same_gpu = (old.gpu.name, old.gpu.compute_capability) == (new.gpu.name, new.gpu.compute_capability)
    return same_gpu and old.inputs == new.inputs


def _remove(folder: Path) -> None:
    """Remove a folder so that a half-removed one is never found."""
    doomed = folder.with_name(f".doomed-{folder.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    folder.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def timing_cache(store: Path, gpu: Gpu, tensorrt: str) -> Path:
    """Return the file of what TensorRT has measured on this GPU, for the next engine to be built quicker."""
    facts = json.dumps([asdict(gpu), tensorrt])
    return store / "tensorrt" / f"timing-{hashlib.sha256(facts.encode()).hexdigest()[:16]}.cache"


def _read_card(path: Path) -> EngineCard | None:
    """Return the card in a file, or None where it is not one that this version wrote."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields["basis"] = basis_from(fields["basis"])
        return EngineCard(**fields)
    return None


def basis_from(fields: dict[str, Any]) -> Basis:
    """Return the basis that ``asdict`` made JSON of; raises what reading anything else from it raises."""
    inputs = tuple(
        InputRange(given["name"], tuple(given["least"]), tuple(given["usual"]), tuple(given["most"]))
        for given in fields["inputs"]
    )
    rest: dict[str, Any] = fields | {name: tuple(fields[name]) for name in ("outputs", "flags")}
    rest |= {"inputs": inputs, "gpu": Gpu(**fields["gpu"])}
    return Basis(**rest)
