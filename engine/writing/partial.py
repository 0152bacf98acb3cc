"""Results appear whole or not at all: written under another name, renamed at the end."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from av.error import FFmpegError

from ...errors import OutputError
from ..job.files import move, settle
from ..job.folder import JOINED, Job


class Partial:
    """The place of a result, which it takes in one step.

    Args:
        path: Where the result shall be.
        overwrite: Whether what is there may be replaced.
        names: Where the result is a folder: what its files are called, so that they are told from
            others in it, which stay.
    """

    def __init__(self, path: Path, *, overwrite: bool, names: re.Pattern[str] | None = None) -> None:
        self.path = path
        self._overwrite = overwrite
        self._names = names
        self._folder = names is not None

    def check(self) -> None:
        """See that the result may and can take its place, and make the folders that it shall lie in.

        Raises:
            OutputError: There is something already, or the place cannot be written.
        """
        there = any(self._earlier()) if self._folder else self.path.exists()
        if there and not self._overwrite:
            raise OutputError(f"{self.path} is there already.", "Add --overwrite, or name another with -o.")
        if self.path.exists() and self.path.is_dir() != self._folder:
            kind = "a folder" if self.path.is_dir() else "a file"
            raise OutputError(f"{self.path} is {kind}.", "Name another output with -o.")
        inside = self.path if self._folder and self.path.exists() else self.path.parent
        try:
            inside.mkdir(parents=True, exist_ok=True)
            # The only sure way to know; always under one name, so that one which a killed run left goes.
            trial = inside / f".{self.path.stem[:60]}.reel-trial"
            trial.touch()
            trial.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{inside} cannot be written to ({error.strerror}).",
                "Name an output in another folder with -o.",
            ) from error

    def temporary(self, job: Path) -> Path:
        """Return where to write the result: in its job, or beside its place if that is on another disk.

        It ends as ``path`` does, since libav chooses the container by that.
        """
        if job.stat().st_dev == self.path.parent.stat().st_dev:
            return job / f"{JOINED}{self.path.suffix}"
        # By the name of the job, so that the next run of it takes up what this one leaves.
        return self.path.with_name(f".{self.path.stem[:60]}.{job.stem[-8:]}.partial{self.path.suffix}")

    def place(self, temporary: Path, job: Job) -> None:
        """Put a file that is written in its place, which the job takes note of."""
        with reported(self.path):
            settle(temporary)
            job.begin_placing(temporary)
            move(temporary, self.path)

    def place_pictures(self, folders: list[Path], temporary: Path, own: set[str]) -> None:
        """Put the pictures of several folders in their place; may be done again where it was cut short.

        They appear at once, unless they join others in a folder that is there.

        Args:
            folders: Where they are, or were.
            temporary: A folder on the disk of the result, made here.
            own: What they are all called.
        """
        with reported(self.path):
            temporary.mkdir(exist_ok=True)
            _gather(folders, temporary)
            if not self.path.exists():
                move(temporary, self.path)
                return
            for file in [file for file in self._earlier() if self._overwrite and file.name not in own]:
                file.unlink()
            _gather([temporary], self.path)
            temporary.rmdir()

    def _earlier(self) -> Iterator[Path]:
        """Give the files of an earlier result in the folder."""
        if self._names is not None and self.path.is_dir():
            yield from (file for file in self.path.iterdir() if self._names.fullmatch(file.name))


def _gather(folders: list[Path], target: Path) -> None:
    """Move all files into one folder, each in one step."""
    for folder in folders:
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            if file.stat().st_dev == target.stat().st_dev:
                file.replace(target / file.name)
            else:
                beside = target / f".{file.name}.partial"
                shutil.copyfile(file, beside)
                settle(beside)
                beside.replace(target / file.name)
                file.unlink()
    settle(target)


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
