"""Protocol Buffers' wire format, as far as reading a frozen Paddle program needs it.

Three messages with a handful of fields are read, so their numbers are written where they are used
instead of shipping a schema: no generated module, no Paddle, no google.protobuf in the way. A field is
a slice of the buffer, never longer than what is left of it, and nothing recurses, so a hostile file
costs at most one walk over its bytes.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

Field = tuple[int, int | memoryview]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def fields(message: memoryview) -> Iterator[Field]:
    """Yield each field of a message as (number, value) in the order of the file.

    Varints come as int of 64 unsigned bits; strings, messages, packed lists and fixed-size numbers as
    the memoryview of their bytes.

    Raises:
        ValueError: The bytes are no message: cut off, or of a kind that proto2 gave up long ago.
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("field number 0")
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if kind == _BYTES:
            size, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if size > len(message) - position:
            raise ValueError("field runs over the end")
        yield number, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(message):
            raise ValueError("number is cut off")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
    raise ValueError("number longer than 64 bits")


def messages(message: memoryview, number: int) -> Iterator[memoryview]:
    """Yield the bytes of every field of that number; ValueError where it holds a plain number."""
    for found, value in fields(message):
        if found == number:
            if isinstance(value, int):
                raise ValueError(f"field {number} is a number")
            yield value


def message_at(message: memoryview, number: int) -> memoryview:
    """Return the bytes of the last field of that number, as protobuf does; ValueError if absent."""
    found = None
    for found in messages(message, number):  # noqa: B007 - the last one counts
        pass
    if found is None:
        raise ValueError(f"no field {number}")
    return found


def text_at(message: memoryview, number: int) -> str:
    """Return the text of a field; ValueError if absent or not UTF-8."""
    return str(message_at(message, number), "utf-8")


def number_at(message: memoryview, number: int) -> int:
    """Return the last value of a number field, 0 if absent; ValueError where it holds bytes."""
    last = 0
    for found, value in fields(message):
        if found == number:
            if not isinstance(value, int):
                raise ValueError(f"field {number} is not a number")
            last = value
    return last


def numbers_at(message: memoryview, number: int) -> tuple[int, ...]:
    """Return a repeated int64 field, packed or not, signs restored."""
    gathered: list[int] = []
    for found, value in fields(message):
        if found != number:
            continue
        if isinstance(value, int):
            gathered.append(value)
            continue
        position = 0
        while position < len(value):
            item, position = _varint(value, position)
            gathered.append(item)
    return tuple(item - (1 << 64) if item >> 63 else item for item in gathered)
