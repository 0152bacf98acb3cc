"""Files that are there whole or not at all, also after the power failed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def settle(path: Path) -> None:
    """See that a file, or what a folder says of its files, is on the disk and not only on its way."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes) -> None:
    """Write a small file in one step: whoever looks finds the old one or the new one."""
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    move(temporary, path)


def move(source: Path, target: Path) -> None:
    """Rename a file or a folder that is settled, for good."""
    source.replace(target)
    settle(target.parent)


def digest_of(path: Path) -> str:
    """Return the sha256 of a file, or of the names and contents of the files of a folder, in hexadecimal."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file in sorted(path.iterdir()):
        whole.update(f"{os.fsencode(file.name).hex()} {digest_of(file)}\n".encode())
    return whole.hexdigest()


def size_of(path: Path) -> int:
    """Return the bytes in a file, or in all files under a folder; 0 where there is nothing."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.exists() else 0
