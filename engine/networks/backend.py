"""What a backend is: something that loads a graph and runs it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from ...errors import OutOfMemoryError
from ...models.spec import Graph, Network, Tiling
from ...models.store import Artifact
from ..device.array import Value, pixels_of
from .tiles import Tile, in_tiles, size_of, tiles

if TYPE_CHECKING:
    from ..device.device import Device

# How far a graph of which nothing but the weights bounds it is expected to look, and is let look, where a
# frame is computed in parts; pixels of the frame.
_FIRST_REACH, _FURTHEST = 8, 96

_log = logging.getLogger(__name__)


class Session(Protocol):
    """A loaded graph."""

    def __call__(self, **inputs: Value) -> tuple[Value, ...]:
        """Run the graph on inputs by name, and return its outputs in the order of its specification.

        On a device the outputs stay there, and are not there yet when this returns. Inputs may be there or
        in the machine's memory, from where they are copied, in the type that the graph takes.

        Raises:
            OutOfMemoryError: There was not enough memory for it.
            BackendError: Something else went wrong.
        """
        ...

    def interrupt(self) -> None:
        """End a run that is under way in another thread, and every later one, with a BackendError."""
        ...

    def close(self) -> None:
        """Give back what the graph holds."""
        ...


@dataclass(frozen=True, slots=True)
class Runner:
    """What runs the graphs of an artifact.

    Attributes:
        name: Of the backend, or of that which it leaves them to.
        built: Digest of what was built of them for this device; empty where nothing was.
    """

    name: str
    built: str = ""


class Backend(Protocol):
    """A device with a runtime on it.

    Attributes:
        name: As a user types it.
        precisions: Of the graphs that it runs best, first, and of others that it can do with.
        device: In whose memory what its graphs give stays; None: the machine's.
    """

    @property
    def name(self) -> str: ...

    @property
    def precisions(self) -> tuple[str, ...]: ...

    @property
    def device(self) -> Device | None: ...

    def memory(self) -> int | None:
        """Return how many bytes networks may take where nobody says; None: that depends on the machine's."""
        ...

    def runner(self, artifact: Artifact) -> Runner:
        """Return what will run these graphs: two runs by the same give the same."""
        ...

    def load(self, path: Path, *, keep: bool = False) -> Session:
        """Load an ONNX file.

        Args:
            path: The file.
            keep: Keep the memory that a run took for the next one, of any graph: quicker, but up to
                ``engine.networks.memory.KEPT`` times as much as the graphs' facts say.

        Raises:
            BackendError: The runtime refuses the file, or the device has no room for it.
        """
        ...


class LoadedNetwork:
    """The graphs of an exported network, loaded while it is entered.

    Args:
        network: Its facts.
        artifact: Its files.
        backend: What runs them.
        memory: Bytes that may be taken beyond the weights, by the runs and by what is held between them.
            Frames for which that is too little are computed in parts. None: as much as it takes.
        keep: As in ``Backend.load``.
    """

    def __init__(
        self,
        network: Network,
        artifact: Artifact,
        backend: Backend,
        *,
        memory: int | None = None,
        keep: bool = False,
    ) -> None:
        self.network = network
        self.artifact = artifact
        self._memory: float | None = memory
        self._keep = keep
        self._reach = _FIRST_REACH
        self._warned = False
        self._backend = backend
        self._sessions: Mapping[str, Session] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        sessions: dict[str, Session] = {}
        with ExitStack() as opening:
            for graph in self.network.graphs:
                path = self.artifact.path(graph.name)
                sessions[graph.name] = session = self._backend.load(path, keep=self._keep)
                opening.callback(session.close)
            self._open = opening.pop_all()
        self._sessions = sessions
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sessions = {}
        self._open.close()

    def interrupt(self) -> None:
        """End whatever runs in another thread; the network is of no use afterwards."""
        for session in self._sessions.values():
            session.interrupt()

    def run(self, graph: str, **inputs: Value) -> tuple[Value, ...]:
        """Run one of the graphs, in parts where the frame is too large for the memory.

        Outputs stay where they were made; ``pixels_of`` brings them to the machine's memory.

        Raises:
            OutOfMemoryError: Even half of the memory that it may take is not there.
            BackendError: The device failed.
        """
        facts = self.network.graph(graph)
        try:
            return self._run(facts, inputs)
        except OutOfMemoryError:
            size = size_of(facts, inputs)
            if size is None or facts.tiling is None:
                raise
            # Others have taken it, or the figures are of another machine.
            taken = self.network.held + facts.memory
            self._memory = min(self._memory or math.inf, taken * size[0] * size[1]) // 2
            _log.warning("Memory ran out; %s goes on with %s of it.", self.network.name, self._allowed)
        return self._run(facts, inputs)

    def has_room(self, per_pixel: int, height: int, width: int) -> bool:
        """Tell whether so many bytes for each pixel of a frame may be taken, beyond what is always held."""
        return self._memory is None or (self.network.held + per_pixel) * height * width <= self._memory

    def tiles(
        self, tiling: Tiling, per_pixel: int, height: int, width: int, *, most: int | None = None
    ) -> tuple[Tile, ...]:
        """Cut a frame so that there are so many bytes for each pixel of a part; say once if there are not.

        ``most`` is the largest part that is wanted, pixels.
        """
        if most is None:
            most = height * width
        if self._memory is None:
            return tiles(height, width, tiling, most)
        left = self._memory - self.network.held * height * width
        parts = tiles(height, width, tiling, min(int(max(left, 0) // per_pixel), most))
        if max(part.read for part in parts) * per_pixel > left:
            self._too_little(height, width)
        return parts

    def _run(self, graph: Graph, inputs: Mapping[str, Value]) -> tuple[Value, ...]:
        size, tiling, session = size_of(graph, inputs), graph.tiling, self._sessions[graph.name]
        if size is None:
            return session(**inputs)
        most = graph.part or size[0] * size[1]
        if size[0] * size[1] <= most and self.has_room(graph.memory, *size):
            return session(**inputs)
        if tiling is None:
            self._too_little(*size)
            return session(**inputs)
        while True:
            reach = self._reach if tiling.reaches else 0
            overlapping = replace(tiling, overlap=tiling.overlap + reach)
            parts = self.tiles(overlapping, graph.memory, *size, most=most)
            outputs = in_tiles(session, graph, inputs, parts)
            reached = float(pixels_of(outputs[-1])[0]) if tiling.reaches else 0.0
            if reached <= reach or reach >= _FURTHEST:
                return outputs
            # Again, and from now on, with more overlap.
            self._reach = min(math.ceil(reached) + 4, _FURTHEST)
            if self._reach == _FURTHEST:
                _log.warning("%s looks further in this film than parts overlap.", self.network.name)

    def _too_little(self, height: int, width: int) -> None:
        """Say once that a run will take more memory than it may."""
        if not self._warned:
            name = self.network.name
            _log.warning("%s needs more than %s for frames of %dx%d.", name, self._allowed, width, height)
        self._warned = True

    @property
    def _allowed(self) -> str:
        return f"{(self._memory or 0) / 2**30:.2g} GiB"
