"""Folders packed into parts of bounded size, and unpacked again where they have arrived.

A bundle is a folder as one ``tar`` stream, compressed with xz where that gains anything, and cut into parts;
``manifest.json`` has the size and the sha256 of each. Needs the standard library alone, since it goes along.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

MANIFEST = "manifest.json"
_FORMAT = 1
_BLOCK = 1 << 20


class PackError(Exception):
    """What is wrong with a pack, and what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a bundle: its name, its size in bytes and its sha256."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Parts that make a folder when they are put together in this order."""

    name: str
    parts: tuple[Part, ...]
    compressed: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a pack consists of, and facts about it that JSON can hold."""

    bundles: tuple[Bundle, ...]
    facts: dict[str, Any]

    @property
    def key(self) -> str:
        """Digest of all parts: results belong to one pack."""
        hashes = [part.sha256 for bundle in self.bundles for part in bundle.parts]
        return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16]

    def write(self, folder: Path) -> None:
        """Write it into a folder, beside the parts."""
        text = json.dumps({"format": _FORMAT, **asdict(self)}, indent=1)
        (partial := folder / f"{MANIFEST}.partial").write_text(text + "\n", encoding="utf-8")
        partial.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest in a folder.

    Raises:
        PackError: There is none, or it is not one that this version wrote.
    """
    path = folder / MANIFEST
    again = "Bring it again from where it was packed."
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["format"] != _FORMAT:
            raise ValueError(f"format {fields['format']}")
        bundles = tuple(
            Bundle(bundle["name"], tuple(Part(**part) for part in bundle["parts"]), bundle["compressed"])
            for bundle in fields["bundles"]
        )
        return Manifest(bundles, fields["facts"])
    except FileNotFoundError as error:
        raise PackError(f"There is no {path}.", again) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PackError(f"{path} cannot be read: {error}.", again) from error


def write_bundle(name: str, source: Path, folder: Path, *, most: int, level: int | None = 6) -> Bundle:
    """Pack a folder into parts of at most ``most`` bytes beside each other, ``NAME-01.part`` and on.

    Args:
        level: Of compression, 0 to 9; None: not compressed, for what is already.
    """
    parts: list[Part] = []
    with _Cutter(folder, name, most, parts) as cutter:
        xz = shutil.which("xz")
        if level is None:
            _write_tar(source, cast(IO[bytes], cutter))
        elif xz is None:
            with lzma.open(cast(IO[bytes], cutter), "wb", preset=level) as stream:
                _write_tar(source, cast(IO[bytes], stream))
        else:  # on all processors
            _write_with([xz, "--threads=0", f"-{level}", "--stdout"], source, cutter)
    return Bundle(name, tuple(parts), compressed=level is not None)


def _write_with(command: list[str], source: Path, cutter: _Cutter) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as packing:
        assert packing.stdin is not None
        assert packing.stdout is not None
        feeding = threading.Thread(target=_feed, args=(source, packing.stdin))
        feeding.start()
        while block := packing.stdout.read(_BLOCK):
            cutter.write(block)
        feeding.join()
    if packing.returncode:
        raise PackError(f"xz failed on {source} (exit status {packing.returncode}).", "Pack again.")


def _feed(source: Path, stream: IO[bytes]) -> None:
    with stream, suppress(BrokenPipeError):  # xz's exit status tells why it reads no more
        _write_tar(source, stream)


def _write_tar(source: Path, stream: IO[bytes]) -> None:
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(source.iterdir()):
            tar.add(path, path.name, filter=_without_owner)


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0  # so that the same files make the same parts
    return member


def trips(manifest: Manifest, most: int) -> list[list[Part]]:
    """Return which parts can be brought together, at most so many bytes at once, what comes first first.

    The last part of a bundle is smaller than the others; several such go together.
    """
    found: list[list[Part]] = []
    for part in (part for bundle in manifest.bundles for part in bundle.parts):
        with_room = [trip for trip in found if sum(one.size for one in trip) + part.size <= most]
        if with_room:
            with_room[0].append(part)
        else:
            found.append([part])
    return found


class _Cutter(io.RawIOBase):
    """Takes a stream and writes it to one part after the other."""

    def __init__(self, folder: Path, name: str, most: int, parts: list[Part]) -> None:
        self._folder, self._name, self._most, self._parts = folder, name, most, parts
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._held += data
        while len(self._held) > self._most:
            self._cut()
        return len(data)

    def close(self) -> None:
        if not self.closed and self._held:
            self._cut()
        super().close()

    def _cut(self) -> None:
        content = bytes(self._held[: self._most])
        del self._held[: self._most]
        file = f"{self._name}-{len(self._parts) + 1:02}.part"
        (self._folder / file).write_bytes(content)
        self._parts.append(Part(file, len(content), hashlib.sha256(content).hexdigest()))


def missing_parts(bundle: Bundle, folders: Sequence[Path]) -> list[str]:
    """Return the names of the parts of a bundle that are in none of the folders."""
    return [part.file for part in bundle.parts if _place(part, folders) is None]


def keep_parts(manifest: Manifest, source: Path, folder: Path) -> list[str]:
    """Copy the parts that have arrived in one folder to another, each checked, and return their names.

    Raises:
        PackError: One is damaged; those before it are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept: list[str] = []
    for part in (part for bundle in manifest.bundles for part in bundle.parts):
        path = source / part.file
        if path.is_file() and not (folder / part.file).is_file():
            check_part(part, path)
            shutil.copyfile(path, partial := folder / f"{part.file}.partial")
            partial.replace(folder / part.file)
            kept.append(part.file)
    return kept


def check_part(part: Part, path: Path) -> None:
    """See that a part is the one that was packed.

    Raises:
        PackError: It is not.
    """
    size = path.stat().st_size
    if size != part.size:
        raise PackError(f"{path} has {size} bytes in place of {part.size}.", f"Bring {part.file} again.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != part.sha256:
        raise PackError(f"{path} is damaged (its sha256 is another).", f"Bring {part.file} again.")


def unpack_bundle(bundle: Bundle, folders: Sequence[Path], target: Path) -> None:
    """Put a bundle's folder together from parts that lie in some of the folders.

    The target appears whole or not at all.

    Raises:
        PackError: A part is missing or damaged.
    """
    places: list[Path] = []
    for part in bundle.parts:
        place = _place(part, folders)
        if place is None:
            raise PackError(f"{part.file} of {bundle.name} is not here.", "Bring it, and run this again.")
        check_part(part, place)
        places.append(place)
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with (
            _unpacked(places, compressed=bundle.compressed) as stream,
            tarfile.open(fileobj=stream, mode="r|") as tar,
        ):
            tar.extractall(partial, filter="tar")
    except (tarfile.TarError, lzma.LZMAError, EOFError, subprocess.SubprocessError) as error:
        raise PackError(f"{bundle.name} cannot be unpacked: {error}.", "Pack it again.") from error
    partial.rename(target)


def _place(part: Part, folders: Sequence[Path]) -> Path | None:
    return next((folder / part.file for folder in folders if (folder / part.file).is_file()), None)


def _unpacked(places: Sequence[Path], *, compressed: bool) -> IO[bytes]:
    """Return what the parts hold together, decompressed."""
    joined = cast(IO[bytes], io.BufferedReader(_Joined(places), _BLOCK))
    return cast(IO[bytes], lzma.open(joined, "rb")) if compressed else joined


class _Joined(io.RawIOBase):
    """Files read as one."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._blocks = self._read(places)
        self._left = b""

    @staticmethod
    def _read(places: Sequence[Path]) -> Iterator[bytes]:
        for place in places:
            with place.open("rb") as file:
                while block := file.read(_BLOCK):
                    yield block

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            self._left = next(self._blocks, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count
