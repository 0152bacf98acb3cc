"""Official weight files, fetched once and compared ever after."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import ssl
import sys
import time
import urllib.error
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from .. import models
from ..errors import WeightsError
from ..models.spec import ShippedWeights, WeightFolder, WeightSource
from .hashes import RECORD, git_blob, record_hash, recorded_hash
from .transfer import CutOffError, Partial, Progress, transfer
from .weights import file_sha256

_log = logging.getLogger(__name__)

SHIPPED = Path(models.__file__).parent
"""Where the weights are that come with reel."""

_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds before each further try
_OTHER_WAYS = "give a file you have with --weights FILE, or use --rehearsal to go on without"


def fetch(
    source: WeightSource | WeightFolder | ShippedWeights, folder: Path, *, progress: Progress | None = None
) -> Path:
    """Return a published weight file, or a folder of them, downloading what of it is not here yet.

    What reel ships is where it was installed.

    A download cut off is resumed where it stopped, in this call a few times and by the next one. The
    file is checked by size and sha256; where the publisher states no hash, the one of the first
    download is recorded in ``hashes.json`` and compared ever after. A file that fails is kept beside
    as ``NAME.bad`` for a look and never used.

    Args:
        source: Where it is published. The environment's ``REEL_MIRROR``, if set, replaces scheme and
            host: with ``https://mirror.example/paddle`` the file ``https://host/models/a.pdparams``
            comes from ``https://mirror.example/paddle/models/a.pdparams``. Hashes are compared as ever.
        folder: Where it is kept; made if absent. One process at a time downloads into it.
        progress: Called now and then with (bytes there, bytes in all or None).

    Returns:
        The path of the complete, checked file or folder.

    Raises:
        WeightsError: No connection, no such file on the server, no room, or not the file it was; or one
            that should have come with reel is missing.
    """
    if isinstance(source, ShippedWeights):
        if not (SHIPPED / source.filename).is_file():
            raise WeightsError(
                f"{source.filename} is missing where reel is installed.", "Install reel again."
            )
        return SHIPPED / source.filename
    target = folder / source.filename
    if isinstance(source, WeightFolder):
        for file in source.files:
            fetch(file, target, progress=progress)
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if not target.is_file():
                partial = Partial(folder / f"{source.filename}.part")
                _download(source, partial, progress)
                _check(partial.path, source, target)
                partial.path.replace(target)
                partial.discard()
            else:
                _check(target, source, target)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise WeightsError(
                f"The disk is full, {target.name} is not all here.",
                f"Make room in {folder} and run again: the download goes on where it stopped.",
            ) from error
        raise WeightsError(
            f"{target} cannot be written: {error.strerror or error}.", f"Check the folder, or {_OTHER_WAYS}."
        ) from error
    return target


def _download(source: WeightSource, partial: Partial, progress: Progress | None) -> None:
    url = _mirrored(source.url)
    _require_room(source, partial)
    for pause in (*_PAUSES, None):
        try:
            transfer(url, partial, size=source.size, progress=progress)
            return
        except CutOffError as error:
            if pause is None:
                raise WeightsError(
                    f"{url} could not be fetched: {error}.",
                    f"Run again, the download goes on where it stopped; or {_OTHER_WAYS}.",
                ) from error
            _log.info("%s: %s; going on in %g s.", source.filename, error, pause)
            time.sleep(pause)
        except urllib.error.HTTPError as error:
            raise WeightsError(
                f"{url} is not there: the server answered {error.code} {error.reason}.",
                f"Set REEL_MIRROR to a server that has it, {_OTHER_WAYS}.",
            ) from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLError):
                message = f"{urlsplit(url).hostname} cannot prove who it is ({error.reason.reason})."
            else:
                message = f"{urlsplit(url).hostname} cannot be reached ({error.reason})."
            raise WeightsError(message, f"Check the connection and run again, {_OTHER_WAYS}.") from error


def _mirrored(url: str) -> str:
    mirror = os.environ.get("REEL_MIRROR", "").rstrip("/")
    return mirror + urlsplit(url).path if mirror else url


def _require_room(source: WeightSource, partial: Partial) -> None:
    if source.size is None:
        return
    wanted = source.size - partial.size()
    free = shutil.disk_usage(partial.path.parent).free
    if wanted > free:
        raise WeightsError(
            f"{source.filename} needs {wanted} bytes more and the disk has {free}.",
            f"Make room in {partial.path.parent}, or keep the store elsewhere.",
        )


def _check(path: Path, source: WeightSource, target: Path) -> None:
    """Compare a complete file with what is known of it; a file that fails is put aside."""
    folder, name = target.parent, target.name
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        _put_aside(path, target)
        raise WeightsError(
            f"{name} has {size} bytes instead of {source.size}; it was put aside as {name}.bad.",
            f"Run again to download it afresh, or {_OTHER_WAYS}.",
        )
    if source.git_blob is not None and (blob := git_blob(path)) != source.git_blob:
        _put_aside(path, target)
        raise WeightsError(
            f"{name} is not the file it should be: git would call it {blob} instead of {source.git_blob}; "
            f"it was put aside as {name}.bad.",
            f"Run again to download it afresh, or {_OTHER_WAYS}.",
        )
    known = source.sha256 or recorded_hash(folder, name)
    found = file_sha256(path)
    if known is None:
        record_hash(folder, name, found)
        return
    if found == known.lower():
        return
    _put_aside(path, target)
    renew = f" (if the publisher replaced it, remove its line from {folder / RECORD})"
    raise WeightsError(
        f"{name} is not the file it should be: its sha256 is {found} instead of {known}; "
        f"it was put aside as {name}.bad.",
        f"Run again to download it afresh{'' if source.sha256 else renew}, or {_OTHER_WAYS}.",
    )


def _put_aside(path: Path, target: Path) -> None:
    path.replace(target.with_name(target.name + ".bad"))
    Partial(target.with_name(target.name + ".part")).discard()


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Let one process at a time write to the folder: two would mix their bytes in one partial file.

    Windows has no flock: there it is the user who must not start two first exports at once.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.warning("Another process downloads into %s; waiting for it.", folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
