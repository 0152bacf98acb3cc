"""What a backend is: something that loads a graph and runs it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from ..models.spec import Network
from ..models.store import Artifact
from .frame import Pixels


class Session(Protocol):
    """A loaded graph."""

    def __call__(self, **inputs: Pixels) -> tuple[Pixels, ...]:
        """Run the graph on inputs by name, and return its outputs in the order of its specification."""
        ...

    def interrupt(self) -> None:
        """End a run that is under way in another thread, and every later one, with a BackendError."""
        ...

    def close(self) -> None:
        """Give back what the graph holds."""
        ...


class Backend(Protocol):
    """A device with a runtime on it."""

    name: str

    def load(self, path: Path) -> Session:
        """Load an ONNX file.

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
    """

    def __init__(self, network: Network, artifact: Artifact, backend: Backend) -> None:
        self.network = network
        self.artifact = artifact
        self._backend = backend
        self._sessions: Mapping[str, Session] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        sessions: dict[str, Session] = {}
        with ExitStack() as opening:
            for graph in self.network.graphs:
                sessions[graph.name] = session = self._backend.load(self.artifact.path(graph.name))
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

    def run(self, graph: str, **inputs: Pixels) -> tuple[Pixels, ...]:
        """Run one of the graphs."""
        return self._sessions[graph](**inputs)
