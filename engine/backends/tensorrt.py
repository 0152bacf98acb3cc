"""TensorRT: engines that reel-export built for this GPU, all in one stream of ours and in memory of ours."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from ...errors import BackendError
from ...models.engines import Engine, build_command, engines_of, why_stale
from ...models.frame_range import frame_of
from ...models.gpu import find_gpu
from ...models.manifest import NETWORKS
from ...models.spec import Kind, Network
from ...models.store import Artifact, file_digest
from ...models.tensorrt_library import Logger, Trt, load_tensorrt, logger
from ..device.array import DeviceArray, Value
from ..device.device import Device
from ..networks.backend import Backend, Runner, Session
from .tensorrt_engine import LoadedEngine, Words, failure

# What TensorRT's objects are (see models/tensorrt_library.py).
Runtime = Annotated[Any, "Runtime"]

_log = logging.getLogger(__name__)


class TensorrtBackend:
    """TensorRT's runtime on a device (see ``engine.networks.backend.Backend``).

    Args:
        device: Open for as long as anything is loaded.
        rest: Runs the graphs for pictures, of which no engines are built, on the same device. They do little
            but move memory, so that there is nothing to win; and where TensorRT joins their steps the last
            digits are no longer those of the CPU, which samples are held to.
        strict: Whether a network without an engine is an error. If not, ``rest`` runs it, with a word.

    Raises:
        BackendError: TensorRT, the driver or the GPU is missing.
    """

    name = "tensorrt"
    precisions = ("fp16", "fp32")

    def __init__(self, device: Device, *, rest: Backend, strict: bool = True) -> None:
        self.device = device
        self._rest = rest
        self._strict = strict
        self._gpu = find_gpu()
        self._trt: Trt = load_tensorrt()
        self._words: Words = deque(maxlen=3)
        self._logger: Logger = logger(self._trt, self._words.append)
        if not self._trt.init_libnvinfer_plugins(self._logger, ""):
            raise failure("TensorRT cannot load its plugins", self._words)
        self._runtime: Runtime = self._trt.Runtime(self._logger)

    def load(self, path: Path, *, keep: bool = False) -> Session:
        network = next((network for network in NETWORKS if network.name == path.parent.parent.name), None)
        if network is None:
            return self._rest.load(path, keep=keep)
        usable, why = self._usable(path)
        if usable:
            return self.open(network, usable)
        missing = f"There is no engine of {path.stem} of {network.name} for this GPU: {why}."
        if self._strict:
            raise BackendError(missing, f"Build it with `{build_command(path.parent, network.name)}`.")
        _log.warning(
            "%s has no engines for this GPU (%s); %s runs it. `%s` builds them.",
            *(network.name, why, self._rest.name, build_command(path.parent, network.name)),
        )
        return self._rest.load(path, keep=keep)

    def runner(self, artifact: Artifact) -> Runner:
        names: set[str] = set()
        built: list[str] = []
        for graph in sorted(artifact.card.graphs):
            usable, _ = self._usable(artifact.path(graph))
            # Without ``strict`` one that is missing is an error as soon as it is loaded.
            names.add(self.name if usable or self._strict else self._rest.name)
            built += sorted(engine.card.sha256 for engine in usable)
        digest = hashlib.sha256(" ".join(built).encode()).hexdigest() if built else ""
        return Runner(" and ".join(sorted(names)), digest)

    def memory(self) -> int:
        return self.device.room()

    def open(self, network: Network, engines: Sequence[Engine]) -> TensorrtSession:
        """Return a session on engines of one graph, the best first."""
        return TensorrtSession(self._trt, self._runtime, self.device, network, engines, self._words)

    def _usable(self, path: Path) -> tuple[list[Engine], str]:
        """Return the engines of an ONNX file that are valid here, and why there is none if there is none."""
        why = "none was built"
        usable: list[Engine] = []
        found = engines_of(path.parent, path.stem)
        digest = file_digest(path) if found else ""
        for engine in found:
            stale = why_stale(
                engine.card.basis, gpu=self._gpu, tensorrt=self._trt.__version__, graph_sha256=digest
            )
            why = stale or why
            if stale is None:
                usable.append(engine)
        # What was built for the smallest frames that these fit into suits them best.
        usable.sort(key=lambda engine: sum(math.prod(given.most) for given in engine.card.basis.inputs))
        return usable, why


class TensorrtSession:
    """A graph's engines, each loaded as frames of its size come (see ``engine.networks.backend.Session``)."""

    def __init__(
        self,
        trt: Trt,
        runtime: Runtime,
        device: Device,
        network: Network,
        engines: Sequence[Engine],
        words: Words,
    ) -> None:
        self._trt: Trt = trt
        self._runtime: Runtime = runtime
        self._device = device
        self._network = network
        self._engines = engines
        self._words = words
        self._loaded: dict[str, LoadedEngine] = {}
        self._interrupted = False
        if len(engines) == 1:
            self._load(engines[0])

    def __call__(self, **inputs: Value) -> tuple[DeviceArray, ...]:
        if self._interrupted:
            raise BackendError("The run was interrupted.", "Run it again to go on.")
        return self._for(inputs).run(inputs)

    def interrupt(self) -> None:
        self._interrupted = True  # what is in the stream already takes moments

    def close(self) -> None:
        for loaded in self._loaded.values():
            loaded.close()
        self._loaded.clear()

    def _for(self, inputs: Mapping[str, Value]) -> LoadedEngine:
        shapes = {name: value.shape for name, value in inputs.items()}
        for engine in self._engines:
            if engine.card.basis.covers(shapes):
                return self._loaded.get(engine.card.basis.key) or self._load(engine)
        basis = self._engines[0].card.basis
        size = frame_of(self._network.graph(basis.graph), shapes)
        what = f"frames of {size[1]}x{size[0]}" if size else f"{shapes}"
        command = build_command(self._engines[0].artifact, basis.network)
        remedy = f"Build one with `{command} --size WIDTHxHEIGHT`."
        if self._network.kind is Kind.COLOURISE:
            remedy = "Give --render-factor 64 or less, or use --device cuda."
        elif size:
            remedy = remedy.replace("WIDTHxHEIGHT", f"{size[1]}x{size[0]}")
        raise BackendError(f"No engine of {basis.network} takes {what}.", remedy)

    def _load(self, engine: Engine) -> LoadedEngine:
        loaded = LoadedEngine(self._trt, self._runtime, self._device, engine, self._words)
        self._loaded[engine.card.basis.key] = loaded
        return loaded
