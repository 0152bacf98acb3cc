"""A backend that loads each graph once for all runs of it that follow each other."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ...models.store import Artifact
from ..device.device import Device
from .backend import Backend, Runner, Session


class LoadedOnce:
    """What another backend loads, kept until this is left (see ``engine.networks.backend.Backend``).

    Args:
        backend: What loads.
    """

    def __init__(self, backend: Backend) -> None:
        self.name = backend.name
        self._backend: Any = backend
        self._sessions: dict[tuple[Path, bool], Session] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sessions.clear()
        self._open.close()

    @property
    def precisions(self) -> tuple[str, ...]:
        """As the other backend's."""
        return self._backend.precisions

    @property
    def device(self) -> Device | None:
        """As the other backend's."""
        return self._backend.device

    def memory(self) -> int | None:
        """As the other backend's."""
        return self._backend.memory()

    def runner(self, artifact: Artifact) -> Runner:
        """As the other backend's."""
        return self._backend.runner(artifact)

    def load(self, path: Path, *, keep: bool = False) -> Session:
        """Return a graph, loaded now or before."""
        if (path, keep) not in self._sessions:
            session = self._sessions[path, keep] = self._backend.load(path, keep=keep)
            self._open.callback(session.close)
        return _Lent(self._sessions[path, keep])


class _Lent:
    """A loaded graph that stays when it is given back."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __call__(self, **inputs: Any) -> tuple[Any, ...]:
        return self._session(**inputs)

    def interrupt(self) -> None:
        self._session.interrupt()

    def close(self) -> None:
        """Leave it loaded."""
