"""Arrays out of a PyTorch file, without PyTorch and without running anything that the file asks for.

Two formats are read: the zip archive (PyTorch 1.6 and later: ``data.pkl`` beside one member per storage)
and the older one (five pickles, then the raw storages). A pickle here may build plain values, and tensors by
the stand-ins below; any other name it asks for is refused.

Source: PyTorch ``torch/serialization.py`` and ``torch/_utils.py`` for the layout.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError

AnyArray = NDArray[Any]

_DAMAGED = "Delete it and fetch a fresh copy."
_HOSTILE = "Do not use this file; get the official one, or save the state dict again."
_MAGIC = 0x1950A86A20F9469CFC6C  # opens the older format
_VERSION = 1001  # of the older format, the only one there was
_ITEMS: Mapping[str, str] = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
}
# Protocol 2, as torch.save writes it. Left out on purpose: what makes objects of a class (NEWOBJ, OBJ,
# INST), what looks things up by number (EXT) and 8-byte sizes.
_OPCODES = re.compile(
    r"PROTO|FRAME|STOP|MARK|POP|POP_MARK|NONE|NEWTRUE|NEWFALSE|BININT[12]?|LONG1|BINFLOAT|BINPERSID"
    r"|(SHORT_)?BIN(UNICODE|BYTES|STRING)|(EMPTY_)?TUPLE|TUPLE[123]|EMPTY_(LIST|DICT)|APPENDS?|SETITEMS?"
    r"|(LONG_)?BIN(PUT|GET)|MEMOIZE|GLOBAL|STACK_GLOBAL|REDUCE|BUILD"
)
_LARGEST_PICKLE = 64 << 20  # bytes; the names and shapes of the largest network take under one MiB


class _RefusedError(Exception):
    """The file asks for something that no parameter needs; the text says what."""


@dataclass(frozen=True, slots=True)
class _StorageType:
    """Stands in for ``torch.FloatStorage`` and its like, which are only ever named."""

    item: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    item: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Dict(dict[object, object]):
    """Stands in for ``collections.OrderedDict``; what the file would attach to it is dropped."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Drop the versions of layers that PyTorch keeps beside a state dict."""


@dataclass(frozen=True, slots=True)
class _Function:
    """A callable that has no attributes for a file to alter."""

    call: Callable[..., object]

    def __call__(self, *arguments: object) -> object:
        return self.call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise _RefusedError("it tries to alter a function")


def arrays_from_torch(path: Path, *, key: str | None = None) -> dict[str, AnyArray]:
    """Read a state dict that ``torch.save`` wrote.

    Args:
        path: A ``.pth`` file of either format.
        key: Entry of the outer dict that holds the state dict; None where it is the outer dict.

    Returns:
        Contiguous arrays under their names, in the file's order, without the ``module.`` that training on
        several GPUs puts before each.

    Raises:
        WeightsError: The file is missing, damaged, asks to run anything, or holds anything but arrays.
    """
    try:
        with path.open("rb") as file:
            state = _from_zip(file) if zipfile.is_zipfile(file) else _from_legacy(file)
            return _named(state, key)
    except _RefusedError as error:
        raise WeightsError(f"{path.name} is refused: {error}.", _HOSTILE) from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except Exception as error:  # a damaged file raises nearly anything: IndexError, BadZipFile, ...
        raise WeightsError(f"{path.name} is damaged: its structure makes no sense.", _DAMAGED) from error


def _named(state: object, key: str | None) -> dict[str, AnyArray]:
    if key is not None:
        state = cast("dict[object, object]", state)[key] if isinstance(state, dict) else None
    if not isinstance(state, dict):
        raise _RefusedError("it does not hold named parameters")
    named: dict[str, AnyArray] = {}
    for name, value in cast("dict[object, object]", state).items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise _RefusedError(f"it holds something other than an array under {str(name)[:60]!r}")
        named[name.removeprefix("module.")] = value
    return named


def _from_zip(file: BinaryIO) -> object:
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        pickled = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
        if len(pickled) != 1:
            raise _RefusedError("it is an archive of something else")
        folder = pickled[0].removesuffix("data.pkl")
        byteorder = folder + "byteorder"
        order = ">" if byteorder in members and archive.read(byteorder).strip() == b"big" else "<"
        state, used = _unpickled(io.BytesIO(_member(archive, members[pickled[0]], _LARGEST_PICKLE)))
        arrays = {
            storage.key: np.frombuffer(
                _member(archive, members[f"{folder}data/{storage.key}"], storage.count * 8),
                np.dtype(storage.item).newbyteorder(order),
            )
            for storage in used
        }
    return _filled(state, arrays)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    # PyTorch compresses nothing, and what is compressed may unpack to more than the memory holds.
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > limit:
        raise _RefusedError(f"its member {info.filename[:60]!r} claims more than it should hold")
    return archive.read(info)


def _from_legacy(file: BinaryIO) -> object:
    file.seek(0)
    magic, _ = _unpickled(file)
    version, _ = _unpickled(file)
    system, _ = _unpickled(file)
    if magic != _MAGIC or version != _VERSION or not isinstance(system, dict):
        raise _RefusedError("it is not a file of PyTorch's")
    order = "<" if cast("dict[object, object]", system).get("little_endian", True) else ">"
    state, used = _unpickled(file)
    keys, _ = _unpickled(file)
    storages = {storage.key: storage for storage in used}
    if not isinstance(keys, list) or set(cast("list[object]", keys)) != set(storages):
        raise _RefusedError("its list of storages is not that of its tensors")
    arrays: dict[str, AnyArray] = {}
    for key in cast("list[str]", keys):
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little" if order == "<" else "big")
        item = np.dtype(storage.item).newbyteorder(order)
        if count != storage.count:
            raise ValueError("a storage is not as long as its tensors say")
        arrays[key] = np.frombuffer(_exactly(file, count * item.itemsize), item)
    return _filled(state, arrays)


def _exactly(file: BinaryIO, size: int) -> bytes:
    here = file.tell()
    if size > file.seek(0, io.SEEK_END) - here:
        raise ValueError("the file ends early")
    file.seek(here)
    return file.read(size)


def _unpickled(file: BinaryIO) -> tuple[object, list[_Storage]]:
    """Return the next value of the file, and the storages that its tensors refer to."""
    start, size = file.tell(), file.seek(0, io.SEEK_END)
    file.seek(start)
    raw = file.read(min(size - start, _LARGEST_PICKLE))
    for count, (opcode, argument, _) in enumerate(pickletools.genops(raw)):
        if _OPCODES.fullmatch(opcode.name) is None:
            raise _RefusedError(f"it uses the pickle instruction {opcode.name}, which no tensor needs")
        if opcode.name == "LONG_BINPUT" and cast(int, argument) > count:
            raise _RefusedError("it claims more memory than its contents need")
    stream = io.BytesIO(raw)
    unpickler = _TensorUnpickler(stream, encoding="latin1")
    value = unpickler.load()
    file.seek(start + stream.tell())
    return value, list(unpickler.storages.values())


class _TensorUnpickler(pickle.Unpickler):
    """Builds plain values and descriptions of tensors; refuses every other global."""

    def __init__(self, file: Any, *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module_name: str, global_name: str, /) -> object:
        if module_name == "torch" and global_name in _ITEMS:
            return _StorageType(_ITEMS[global_name])
        try:
            return _GLOBALS[module_name, global_name]
        except KeyError:
            raise _RefusedError(
                f"it asks to load {module_name}.{global_name}, which can run code on this machine"
            ) from None

    def persistent_load(self, pid: object, /) -> _Storage:
        match pid:
            case ("storage", _StorageType(item), str(key), str(), int(count)) if count >= 0:
                pass
            case ("storage", _StorageType(item), str(key), str(), int(count), None) if count >= 0:
                pass
            case _:
                raise _RefusedError("it refers to something other than a storage")
        storage = _Storage(key, item, count)
        if self.storages.setdefault(key, storage) != storage:
            raise _RefusedError("it describes one storage in two ways")
        return storage


def _tensor(storage: object, offset: object, shape: object, strides: object, *_: object) -> _Tensor:
    match storage, offset, shape, strides:
        case _Storage(), int(), tuple(), tuple():
            sizes = cast("tuple[object, ...]", shape)
            steps = cast("tuple[object, ...]", strides)
        case _:
            raise _RefusedError("it builds a tensor of something other than a storage")
    if len(sizes) != len(steps) or not all(isinstance(n, int) and n >= 0 for n in (offset, *sizes, *steps)):
        raise _RefusedError("it builds a tensor of no possible shape")
    return _Tensor(storage, offset, cast("tuple[int, ...]", sizes), cast("tuple[int, ...]", steps))


def _parameter(data: object, *_: object) -> object:
    return data


def _empty_dict() -> _Dict:
    return _Dict()


_GLOBALS: Mapping[tuple[str, str], object] = {
    ("collections", "OrderedDict"): _Function(_empty_dict),
    ("torch._utils", "_rebuild_tensor_v2"): _Function(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Function(_parameter),
}


def _filled(value: object, arrays: Mapping[str, AnyArray]) -> object:
    """Return the value with arrays in the places of tensors, in dicts and the dicts within them."""
    if isinstance(value, dict):
        return {name: _filled(held, arrays) for name, held in cast("dict[object, object]", value).items()}
    if not isinstance(value, _Tensor):
        return value
    source = arrays[value.storage.key]
    size = int(np.prod(value.shape, dtype=object))
    last = value.offset + sum((n - 1) * step for n, step in zip(value.shape, value.strides, strict=True))
    if source.size != value.storage.count or size > source.size or (size and last >= source.size):
        raise _RefusedError(f"it claims a tensor of shape {value.shape} in {source.size} values")
    if size == 0:
        return np.zeros(value.shape, source.dtype.newbyteorder("="))
    view = np.lib.stride_tricks.as_strided(
        source[value.offset :], value.shape, [step * source.itemsize for step in value.strides]
    )
    return np.array(view, source.dtype.newbyteorder("="), order="C")
