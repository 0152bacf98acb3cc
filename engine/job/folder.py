"""The folder that holds what is finished of a run, until all of it is."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ...errors import JobError
from .card import Card, DamagedError, card_as_json, card_from_json, sealed, unsealed
from .files import digest_of, move, size_of, write_whole
from .identity import Identity, differences, identity_as_json, identity_from_json
from .lock import Lock

_log = logging.getLogger(__name__)

_MANIFEST, _LOCK = "manifest.json", "lock"
_LONGEST_NAME = 200  # bytes; file systems take 255, and something is added


def job_folder(place: Path, work: Path | None = None) -> Path:
    """Return where the job of a result lies: hidden beside it, or in the folder ``work``."""
    name = place.name
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    if work is None:
        return place.with_name(f".{name}.reel-job")
    where = hashlib.sha256(os.fsencode(place.absolute())).hexdigest()[:8]
    return work / f"{name}-{where}.reel-job"


class Job:
    """The finished segments of a run, found again by the next run of the same command.

    While it is entered, no other run can enter it. Left in peace, or holding nothing of worth, it is
    removed; left by an error, it is kept. Nothing in it is followed out of it: all names are made here.

    Args:
        folder: Where it lies; the folder above it is there.
        identity: What the result depends on, asked for on entering; None: this job is never gone on with.
        result: Where the result shall be.
        fresh: Start over, whatever is there.
        watch: Asked before anything is taken in for good; raises where the input has changed meanwhile.

    Attributes:
        cards: The finished segments, first to last; available once it is entered.

    Raises:
        JobError: On entering: another run is at it, it was begun with something else, or it is damaged.
    """

    def __init__(
        self,
        folder: Path,
        identity: Callable[[], Identity] | None = None,
        *,
        result: Path,
        fresh: bool = False,
        watch: Callable[[], None] | None = None,
    ) -> None:
        self.folder = folder
        self._watch = watch
        self._result = result
        self.cards: list[Card] = []
        self._identity = identity
        self._begun: Identity | None = None
        self._fresh = fresh
        self._seal = ""
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.sweep()
        with ExitStack() as stack:
            try:
                self.folder.mkdir(mode=0o700, exist_ok=True)
                _check_ours(self.folder)
                stack.enter_context(Lock(self.folder / _LOCK))
                stack.push(self._leave)
                self._begin()
            except OSError as error:
                raise JobError(
                    f"{self.folder} cannot be written to ({error.strerror}).",
                    "Name another folder for unfinished work with --work-dir.",
                ) from error
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def segment(self, number: int) -> Path:
        """Return the file, or the folder of pictures, of a finished segment."""
        return self.folder / f"{number:06d}.segment"

    def part(self, number: int) -> Path:
        """Return where a segment is while it is made."""
        return self.folder / f"{number:06d}.part"

    def journal(self, number: int) -> Path:
        """Return where the frames of a segment in the making are remembered."""
        return self.folder / f"{number:06d}.journal"

    def keep(self, card: Card) -> None:
        """Take in a segment that was made, as the one after the last, for good."""
        self.watch()
        move(self.part(card.number), self.segment(card.number))
        content, self._seal = sealed(card_as_json(card), self._seal)
        write_whole(self._card_path(card.number), content)
        self.cards.append(card)
        self.journal(card.number).unlink(missing_ok=True)

    def watch(self) -> None:
        """See that what the segments are made from is what it was."""
        if self._watch is not None:
            self._watch()

    def check(self) -> None:
        """See that every finished segment is what it was when it was finished.

        Raises:
            JobError: One is not.
        """
        for card in self.cards:
            path = self.segment(card.number)
            if size_of(path) != card.size or digest_of(path) != card.sha256:
                raise self._damaged(path.name)

    @property
    def placing(self) -> bool:
        """Whether the whole result had begun to take its place when an earlier run ended."""
        return (self.folder / PLACING).exists() and self._identity is not None and not self._fresh

    def begin_placing(self, temporary: Path) -> None:
        """Write down that the whole result, which lies there, takes its place from now on."""
        write_whole(self.folder / PLACING, json.dumps(_traits(temporary)).encode())

    def is_placed(self) -> bool:
        """Whether what lies in the place of the result is the file that ``begin_placing`` saw."""
        try:
            return _traits(self._result) == json.loads((self.folder / PLACING).read_bytes())
        except (OSError, ValueError):
            return False

    @property
    def size(self) -> int:
        """Bytes in finished segments."""
        return sum(card.size for card in self.cards)

    @property
    def worthwhile(self) -> bool:
        """Whether anything in it would be missed."""
        journals = self.folder.glob("*.journal")
        return any(self.folder.glob("*.segment")) or any(size_of(journal) for journal in journals)

    def _begin(self) -> None:
        """Read what is there, if it is of the same run; write down what this run is, if nothing is."""
        if self._fresh or self._identity is None or not self.worthwhile:
            self._clear()
        if self._identity is None:
            return
        now = self._identity()
        if (self.folder / _MANIFEST).exists():
            self._compare(now)
            self._read_cards()
        elif self.worthwhile:
            raise self._damaged(_MANIFEST)
        else:
            self._write_manifest(now)

    @property
    def begun(self) -> Identity | None:
        """What the result depended on when the job was begun; None where it is never gone on with."""
        return self._begun

    def _write_manifest(self, identity: Identity) -> None:
        self._begun = identity
        content, self._seal = sealed(identity_as_json(identity), "")
        write_whole(self.folder / _MANIFEST, content)

    def _compare(self, now: Identity) -> None:
        try:
            content, self._seal = unsealed((self.folder / _MANIFEST).read_bytes(), "")
            self._begun = before = identity_from_json(content)
        except DamagedError as error:
            raise self._damaged(_MANIFEST) from error
        changed = differences(before, now)
        if changed and self.is_placed():  # Nothing of it is left to do, and this run is another.
            self._clear()
            self._write_manifest(now)
        elif changed:
            raise JobError(
                f"What lies unfinished in {self.folder} was begun otherwise: {', '.join(changed)}.",
                "Give the same again to go on with it, or start over with --fresh.",
            )

    def _read_cards(self) -> None:
        number = 1
        while (path := self._card_path(number)).exists():
            try:
                content, self._seal = unsealed(path.read_bytes(), self._seal)
                card = card_from_json(content)
            except DamagedError as error:
                raise self._damaged(path.name) from error
            if card.number != number:
                raise self._damaged(path.name)
            self.cards.append(card)
            number += 1
        self._remove_others(number)
        if not (self.folder / PLACING).exists():  # pictures are on their way out of their segments, then
            self.check()

    def _remove_others(self, number: int) -> None:
        """Remove what no card speaks of, but for the segment with this number, which may be in the making."""
        kept = {_MANIFEST, _LOCK, self.part(number).name, self.journal(number).name, PLACING, JOINED}
        for card in self.cards:
            kept |= {self._card_path(card.number).name, self.segment(card.number).name}
        for path in self.folder.iterdir():
            if path.name not in kept and not path.name.startswith(f"{JOINED}."):
                _remove(path)

    def _damaged(self, name: str) -> JobError:
        number = name.partition(".")[0]
        again = f"Remove {number}.* there to have these and what follows made again, or s"
        return JobError(
            f"{name} in {self.folder} is missing, or was damaged or edited.",
            f"{again if number.isdecimal() else 'S'}tart over with --fresh.",
        )

    def _card_path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.json"

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                _remove(path)

    def _leave(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove the folder, unless there is something to come back for."""
        if kind is not None and self._identity is not None and self.worthwhile:
            return
        with suppress(OSError):
            # In one step: a job is there with all that it knows, or not at all.
            self.folder.rename(self._doomed)
            self.sweep()

    @property
    def _doomed(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.over")

    def sweep(self) -> None:
        """Remove what the removal of a job has left, where it was cut short."""
        shutil.rmtree(self._doomed, ignore_errors=True)


PLACING = "placing.json"  # there from the moment when the whole result begins to take its place
JOINED = "joined"  # the whole result under this name, with its suffix


def _traits(path: Path) -> list[int]:
    """Return what stays the same of a file when it is renamed."""
    status = path.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _check_ours(folder: Path) -> None:
    """Refuse a folder that somebody else laid out for us in a place where all may write."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise JobError(
            f"{folder} is not a folder of yours.", "Remove it, or name another place with --work-dir."
        )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
