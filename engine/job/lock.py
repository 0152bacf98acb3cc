"""One run at a time: a lock that ends with whoever holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import JobError


class Lock:
    """A file that only one process has locked while it is entered; entering waits for nobody.

    The system gives the lock back when the process ends, be it by SIGKILL, so none goes stale.

    Args:
        path: The file, made where it is missing; its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def __enter__(self) -> Self:
        while self._handle is None:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(handle)
                raise JobError(
                    f"Another run is at work on this already, in {self.path.parent}.",
                    "Wait until it is done, or name another output with -o.",
                ) from error
            # Whoever had it may have finished, and removed it, between the opening and the locking.
            if _is_still(handle, self.path):
                self._handle = handle
            else:
                os.close(handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _is_still(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
