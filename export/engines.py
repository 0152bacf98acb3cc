"""The engines of an exported network: built where they are not there yet or no longer valid, and stored."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..errors import ExportError
from ..models.engines import (
    PLAN,
    Basis,
    Engine,
    EngineCard,
    build_flags,
    find_engine,
    keep_engine,
    timing_cache,
)
from ..models.frame_range import FrameRange, Size, frame_ranges, input_ranges
from ..models.gpu import Gpu, find_gpu
from ..models.spec import Network
from ..models.store import Artifact, Store, file_digest
from ..models.tensorrt_library import load_tensorrt, version_of
from .engine_worker import TIMING, Wanted, plan_name
from .process import Said, failure, run_apart

Step = Callable[[str], None]
"""Called with a few words on what comes next."""

Check = Callable[[Engine, Path], None]
"""Raises a ReelError if an engine makes something else than the ONNX file that it was built from."""

_WORKER = (sys.executable, "-m", "reel.export.engine_worker")


@dataclass(frozen=True, slots=True)
class Engines:
    """What building came to: the engines, and how many of them were not there before."""

    engines: tuple[Engine, ...]
    fresh: int


def bases(
    network: Network, artifact: Artifact, *, sizes: Iterable[Size], gpu: Gpu, tensorrt: str
) -> list[tuple[Basis, FrameRange]]:
    """Return what the engines of a network depend on, one for each graph and size of frames."""
    return [
        (
            Basis(
                network=network.name,
                precision=artifact.card.precision,
                graph=graph.name,
                graph_sha256=artifact.card.graphs[graph.name].sha256,
                inputs=input_ranges(network, graph, frames),
                outputs=tuple(tensor.name for tensor in graph.outputs),
                gpu=gpu,
                tensorrt=tensorrt,
                flags=build_flags(tensorrt, artifact.card.precision),
                sampled=version_of(tensorrt) < (10, 0),
            ),
            frames,
        )
        for frames in frame_ranges(network, sizes)
        for graph in network.graphs
    ]


def build_engines(
    network: Network,
    artifact: Artifact,
    store: Store,
    *,
    sizes: Iterable[Size] = (),
    check: Check | None = None,
    step: Step | None = None,
) -> Engines:
    """Build the engines of an exported network for this GPU, but for those that are there and undamaged.

    Each one that is finished is kept, also when a later one fails or is interrupted.

    Args:
        sizes: (height, width) of the films; none: a range that most films fit into.
        check: Looks at each engine before it is kept.
        step: Told what comes next, for a display.

    Raises:
        BackendError: There is no GPU, no driver, or no TensorRT.
        ExportError: TensorRT built none.
        StoreError: The store cannot be written.
    """
    gpu = find_gpu()
    tensorrt: str = load_tensorrt().__version__
    found: dict[str, Engine] = {}
    missing: list[tuple[Basis, FrameRange]] = []
    for basis, frames in bases(network, artifact, sizes=sizes, gpu=gpu, tensorrt=tensorrt):
        engine = find_engine(artifact.folder, basis)
        if engine is None:
            missing.append((basis, frames))
        else:
            found[basis.key] = engine
    if missing:
        timing = timing_cache(store.folder, gpu, tensorrt)
        with store.writing() as scratch:
            try:
                built = _run_worker(artifact, missing, scratch, timing, check, step)
            except OSError as error:
                raise ExportError(
                    f"The engines of {network.name} could not be written: {error.strerror or error}.",
                    "Free some space, or choose another folder with --store.",
                ) from error
        found |= {engine.card.basis.key: engine for engine in built}
    return Engines(tuple(found.values()), len(missing))


def _run_worker(
    artifact: Artifact,
    missing: list[tuple[Basis, FrameRange]],
    scratch: Path,
    timing: Path,
    check: Check | None,
    step: Step | None,
) -> list[Engine]:
    if timing.is_file():
        (scratch / TIMING).write_bytes(timing.read_bytes())
    wanted = [asdict(Wanted(str(artifact.path(basis.graph)), basis)) for basis, _ in missing]
    built: list[Engine] = []

    def heard(said: Said) -> None:
        if "building" in said:
            _tell(step, missing[said["building"]], said["share"])
        if "built" in said:
            index = said["built"]
            built.append(_kept(artifact, scratch, missing[index][0], index, said["seconds"], check))
            _keep_timing(scratch / TIMING, timing)
            if index + 1 < len(missing):
                _tell(step, missing[index + 1], 0.0)

    _tell(step, missing[0], 0.0)
    ended = run_apart(_WORKER, wanted, scratch, heard)
    if len(built) < len(missing):
        basis = missing[len(built)][0]
        raise failure(
            ended,
            scratch,
            what=f"TensorRT, building the engine of {basis.graph} of {basis.network},",
            remedy="Check with nvidia-smi that the GPU works and has memory free, and run the same command "
            "again.",
        )
    return built


def _tell(step: Step | None, building: tuple[Basis, FrameRange], share: float) -> None:
    if step:
        basis, frames = building
        height, width = frames.most
        done = f": {share:.0%}" if share else ""
        step(f"building the engine of {basis.graph} for frames up to {width}x{height}{done}")


def _kept(
    artifact: Artifact, scratch: Path, basis: Basis, index: int, seconds: float, check: Check | None
) -> Engine:
    """Look at a finished engine and move it to its place in the store."""
    (finished := scratch / f"engine-{index}").mkdir()
    plan = (scratch / plan_name(index)).rename(finished / PLAN)
    card = EngineCard(
        basis=basis,
        size=plan.stat().st_size,
        sha256=file_digest(plan),
        seconds=seconds,
        created=datetime.now(UTC).isoformat(timespec="microseconds"),
    )
    if check is not None:
        check(Engine(finished, card), artifact.path(basis.graph))
    return keep_engine(artifact.folder, finished, card)


def _keep_timing(written: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = written.with_name("timing.partial")
    partial.write_bytes(written.read_bytes())  # a copy: the worker goes on with its own
    partial.replace(place)
