"""Results appear whole or not at all: written under another name, renamed at the end."""

from __future__ import annotations

import errno
import re
import secrets
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from av.error import FFmpegError

from ..errors import OutputError


class Partial:
    """A temporary name beside the place of a result; entering it makes sure that it can be written.

    Args:
        path: Where the result shall be.
        overwrite: Whether what is there may be replaced.
        names: Where the result is a folder: what its files are called, so that they are told from
            others in it, which stay.

    Attributes:
        temporary: The file, not yet there, or the folder, made, to write into meanwhile. It ends
            as ``path`` does, since libav chooses the container by that.

    Raises:
        OutputError: On entering: there is something already, or the place cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool, names: re.Pattern[str] | None = None) -> None:
        self.path = path
        self._overwrite = overwrite
        self._names = names
        self._folder = names is not None
        self.temporary = path.with_name(f".{path.stem}.partial-{secrets.token_hex(4)}{path.suffix}")

    def __enter__(self) -> Self:
        there = any(self._earlier()) if self._folder else self.path.exists()
        if there and not self._overwrite:
            raise OutputError(f"{self.path} is there already.", "Add --overwrite, or name another with -o.")
        if self.path.exists() and self.path.is_dir() != self._folder:
            kind = "a folder" if self.path.is_dir() else "a file"
            raise OutputError(f"{self.path} is {kind}.", "Name another output with -o.")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self._folder:
                self.temporary.mkdir()
            else:
                self.temporary.touch(exist_ok=False)
        except OSError as error:
            raise OutputError(
                f"{self.path.parent} cannot be written to ({error.strerror}).",
                "Name an output in another folder with -o.",
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            if self._folder:
                shutil.rmtree(self.temporary, ignore_errors=True)
            else:
                self.temporary.unlink(missing_ok=True)

    def complete(self) -> None:
        """Put the result in its place, in one step unless it joins a folder that is there."""
        with reported(self.path):
            if self._folder and self.path.is_dir():
                for file in list(self._earlier()):
                    file.unlink()
                for file in sorted(self.temporary.iterdir()):
                    file.replace(self.path / file.name)
            else:
                self.temporary.replace(self.path)

    def _earlier(self) -> Iterator[Path]:
        """Give the files of an earlier result in the folder."""
        if self._names is not None and self.path.is_dir():
            yield from (file for file in self.path.iterdir() if self._names.fullmatch(file.name))


@contextmanager
def reported(path: Path) -> Generator[None]:
    """Turn what libav and the system say about writing ``path`` into an OutputError."""
    try:
        yield
    except (FFmpegError, OSError) as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"The disk is full; {path} could not be finished.",
                "Make room, or name an output elsewhere with -o.",
            ) from error
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}).",
            "Check --codec, --preset, --crf and --pix-fmt, or choose a container such as .mkv.",
        ) from error
