"""The hashes of downloaded files, recorded on first use: ``hashes.json`` beside the files."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import cast

from ..errors import WeightsError

RECORD = "hashes.json"


def git_blob(path: Path) -> str:
    """Return what git calls a file of this content: a SHA-1 of its length and bytes, 40 digits."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def recorded_hash(folder: Path, filename: str) -> str | None:
    """Return the sha256 recorded for a file of that folder, None if none was.

    Raises:
        WeightsError: The record is damaged. It is not taken for an empty one: a file that changed since
            would pass unseen.
    """
    return _read(folder).get(filename)


def record_hash(folder: Path, filename: str, sha256: str) -> None:
    """Add a file's sha256 to the record of its folder; a reader sees the old record or the new one.

    Raises:
        WeightsError: The record is damaged.
        OSError: It cannot be written.
    """
    record = {**_read(folder), filename: sha256}
    descriptor, name = tempfile.mkstemp(prefix=RECORD, dir=folder)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=2, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / RECORD)
    finally:
        temporary.unlink(missing_ok=True)


def _read(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    try:
        loaded = cast(object, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(loaded, dict):
        raise _damaged(path)
    record = cast("dict[str, object]", loaded)
    hashes = {name: value for name, value in record.items() if isinstance(value, str)}
    if len(hashes) != len(record):
        raise _damaged(path)
    return hashes


def _damaged(path: Path) -> WeightsError:
    return WeightsError(
        f"{path}, the record of downloaded files' hashes, is damaged.",
        f"Delete {path}; the hashes of the files there are then recorded anew.",
    )
