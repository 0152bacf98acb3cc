"""A library with the machine code of one generation of GPUs only, for the others' to compress to nothing.

CUDA's compiler puts code of each generation side by side into containers ("fat binaries"): a header of 16
bytes (magic number, version, its own size, size of what follows), then entries, each with a header that says
kind (1: PTX, text that a driver compiles; 2: machine code), size and generation. The CUDA provider of ONNX
Runtime, MIT-licensed, is four fifths of such code. TensorRT's licence allows no such change to it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x50\xed\x55\xba"
_HEADER = struct.Struct("<4sHHQ")  # magic, version, size of this header, size of the entries
_ENTRY = struct.Struct("<HHIQ12xI")  # kind, unknown, size of this header, size of the code, generation
_PTX, _MACHINE_CODE = 1, 2
_LARGEST = 1 << 30


@dataclass(frozen=True, slots=True)
class _Code:
    kind: int
    generation: int
    begin: int
    size: int


def keep_generation(source: Path, target: Path, generation: int) -> tuple[int, int]:
    """Write a copy of a library without the code of other generations: zeros are in its place.

    Where a container has no machine code of the generation, the newest PTX that it can run is kept.

    Args:
        generation: Compute capability times ten: 90 for an H100 or H200.

    Returns:
        Bytes of code that were kept, and that were blanked.
    """
    content = bytearray(source.read_bytes())
    kept = blanked = 0
    for codes in list(_containers(content)):
        native = any((code.kind, code.generation) == (_MACHINE_CODE, generation) for code in codes)
        texts = [code.generation for code in codes if code.kind == _PTX and code.generation <= generation]
        wanted = (_MACHINE_CODE, generation) if native else (_PTX, max(texts, default=-1))
        for code in codes:
            if (code.kind, code.generation) == wanted:
                kept += code.size
            else:
                content[code.begin : code.begin + code.size] = bytes(code.size)
                blanked += code.size
    target.write_bytes(content)
    return kept, blanked


def _containers(content: bytearray) -> Iterator[list[_Code]]:
    place = 0
    while (place := content.find(_MAGIC, place)) >= 0:
        if place + _HEADER.size > len(content):
            return
        _, version, own, size = _HEADER.unpack_from(content, place)
        end = place + own + size
        if version != 1 or own != _HEADER.size or size > _LARGEST or end > len(content):
            place += len(_MAGIC)  # these four bytes stand for something else
            continue
        yield _entries(content, place + own, end)
        place = end


def _entries(content: bytearray, place: int, end: int) -> list[_Code]:
    found: list[_Code] = []
    while place + _ENTRY.size <= end:
        kind, _, own, size, generation = _ENTRY.unpack_from(content, place)
        if not 0 < own <= 4096 or place + own + size > end:
            break
        found.append(_Code(kind, generation, place + own, size))
        place += own + size
    return found
