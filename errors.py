"""The error tree of reel.

    ReelError                 anything reel itself reports: a message and a remedy
    ├── InputError            the film, photo or frame sequence given cannot be read
    ├── OutputError           the result cannot be written
    ├── JobError              what is kept of an unfinished run cannot be gone on with
    ├── WeightsError          a weight file is missing, damaged, hostile or of the wrong shape
    ├── ExportError           a network could not be exported or differs from Paddle
    ├── StoreError            an exported artifact is missing, stale or damaged
    └── BackendError          the device cannot run a graph
        └── OutOfMemoryError  it has not enough memory to

Errors of other libraries are wrapped once, where they enter reel, with ``raise ... from``.
"""

from __future__ import annotations


class ReelError(Exception):
    """An error that a user can act on.

    Args:
        message: One sentence that says what is wrong.
        remedy: One sentence that says what to do about it.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class InputError(ReelError):
    """The film, photo or frame sequence cannot be read."""


class OutputError(ReelError):
    """The result cannot be written."""


class JobError(ReelError):
    """What is kept of an unfinished run cannot be gone on with."""


class WeightsError(ReelError):
    """A weight file is missing, damaged, hostile or of the wrong shape."""


class ExportError(ReelError):
    """A network could not be exported, or its graph differs from Paddle."""


class StoreError(ReelError):
    """An exported artifact is missing, stale or damaged."""


class BackendError(ReelError):
    """The device cannot run a graph."""


class OutOfMemoryError(BackendError):
    """The device has not enough memory to run a graph."""
