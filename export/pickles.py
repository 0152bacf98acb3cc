"""Arrays out of a pickle, without running anything that the pickle asks for.

A ``.pdparams`` file is a pickle, and a pickle is a program. It is read in two passes:

1. ``_scan`` walks the opcodes as data. Only those that build plain values are let through, and every
   size and memo index that the file claims must fit the file.
2. ``_PlainUnpickler`` builds the values. It never hands out a real class or function: each global that
   numpy and Paddle write is answered by a stand-in of ours, which checks its arguments. So no memory
   is reserved for a shape before the bytes that fill it have been seen.
"""

from __future__ import annotations

import mmap
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError

AnyArray = NDArray[Any]

_DAMAGED = "Delete it and export again; if you gave it with --weights, fetch a fresh copy."
_HOSTILE = "Do not use this file; get the official one, or save the parameters again as plain arrays."

# What pickle protocols 2 to 4 need for dicts of arrays. Left out on purpose: NEWOBJ, OBJ and INST (make
# objects of a class), PERSID and EXT (look things up outside the file), protocol 5's buffers.
_OPCODES = re.compile(
    r"PROTO|FRAME|STOP|MARK|POP|POP_MARK|NONE|NEWTRUE|NEWFALSE|BININT[12]?|LONG1|BINFLOAT"
    r"|(SHORT_)?BIN(UNICODE|BYTES|STRING)|BINUNICODE8|BINBYTES8"
    r"|(EMPTY_)?TUPLE|TUPLE[123]|EMPTY_(LIST|DICT)|APPENDS?|SETITEMS?"
    r"|(LONG_)?BIN(PUT|GET)|MEMOIZE|GLOBAL|STACK_GLOBAL|REDUCE|BUILD"
)
_MOST_OPCODES = 2_000_000  # an array takes about thirty; the largest network has a thousand arrays
_DTYPE = re.compile(r"[<>|=]?(f2|f4|f8|i1|i2|i4|i8|u1|u2|u4|u8|b1)")
_NAME_TABLE = "StructuredToParameterName@@"  # Paddle's map from our names to its own; not a parameter
_SPLIT_TABLE = "UnpackBigParamInfor@@"  # Paddle, protocols 2 and 3: arrays over 1 GiB cut into pieces


class _RefusedError(Exception):
    """A stand-in met arguments that no array needs; the text says which."""


def arrays_from_pickle(path: Path, *, key: str | None) -> dict[str, AnyArray]:
    """Read a state dict that ``paddle.save`` or ``pickle.dump`` wrote.

    Args:
        path: A pickle of protocol 2 to 4: a dict of name -> array, or of name -> (Paddle's own name,
            array), which is how Paddle 2 and later write tensors.
        key: Entry of the outer dict that holds the state dict, such as ``"generator"``; None where the
            state dict is the outer dict.

    Returns:
        Contiguous arrays of float, integer or bool dtype in native byte order, in the file's order,
        read-only. Memory is about twice the file while reading and the file's size after.

    Raises:
        WeightsError: The file is missing, damaged, asks for any other global or holds anything else.

    Source: paddlepaddle 3.2.2 ``framework/io.py``; ppgan 2.1.0 ``utils/filesystem.py`` (protocol 2).
    """
    try:
        with path.open("rb") as file:
            _scan(path, file.fileno())
            # Python 2 wrote bytes as text; latin1 gives them back as they were.
            outer = _PlainUnpickler(file, limit=path.stat().st_size).load()
    except WeightsError:
        raise
    except _RefusedError as error:
        raise WeightsError(f"{path.name} is refused: {error}.", _HOSTILE) from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error
    except Exception as error:  # unpickling garbage raises nearly anything: IndexError, KeyError, ...
        raise WeightsError(f"{path.name} is damaged: its structure makes no sense.", _DAMAGED) from error
    state = _state_dict(path, outer, key)
    return dict(_named_array(path, name, value) for name, value in state.items())


def _scan(path: Path, descriptor: int) -> None:
    """Refuse opcodes, sizes and memo indices that the file of an honest writer does not have."""
    size = path.stat().st_size
    if size == 0:
        raise WeightsError(f"{path.name} is empty.", _DAMAGED)
    count = 0
    # A mapped file gives short reads for absurd sizes; an ordinary one would reserve the memory first.
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped:
        try:
            for opcode, argument, position in pickletools.genops(cast(Any, mapped)):
                count += 1
                if _OPCODES.fullmatch(opcode.name) is None:
                    raise _RefusedError(f"it uses the pickle instruction {opcode.name}, which no array needs")
                if opcode.name == "FRAME" and cast(int, argument) > size - (position or 0):
                    raise ValueError("frame runs over the end")
                if opcode.name == "LONG_BINPUT" and cast(int, argument) > count:
                    raise _RefusedError("it claims more memory than its contents need")
                if count > _MOST_OPCODES:
                    raise _RefusedError(f"it has more than {_MOST_OPCODES} pickle instructions")
        except ValueError as error:
            raise WeightsError(
                f"{path.name} is half downloaded or damaged ({size} bytes, no proper end).", _DAMAGED
            ) from error


class _PlainUnpickler(pickle.Unpickler):
    """Builds dicts, tuples, lists, text, numbers and arrays; answers every global by a stand-in."""

    def __init__(self, file: Any, *, limit: int) -> None:
        super().__init__(file, encoding="latin1")
        self._globals = _stand_ins(limit)

    def find_class(self, module_name: str, global_name: str, /) -> object:
        try:
            return self._globals[module_name, global_name]
        except KeyError:
            raise _RefusedError(
                f"it asks to load {module_name}.{global_name}, which can run code on this machine"
            ) from None

    def persistent_load(self, pid: object, /) -> NoReturn:
        raise _RefusedError("it refers to an object outside itself")


class _StandIn:
    """A callable that cannot be altered: BUILD would otherwise set attributes of a function or class."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        raise _RefusedError("it tries to alter a function")


class _Dtype:
    """Stands in for ``numpy.dtype``: a plain numeric type and its byte order."""

    __slots__ = ("dtype",)

    def __init__(self, code: object, *_align_and_copy: object) -> None:
        if not isinstance(code, str) or _DTYPE.fullmatch(code) is None:
            raise _RefusedError(f"it holds values of type {str(code)[:20]!r} where numbers belong")
        self.dtype: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: object) -> None:
        """Take (version, byte order, subarray, names, fields, size, alignment, flags)."""
        match state:
            case (int(), "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.dtype = self.dtype.newbyteorder(order)
            case _:
                raise _RefusedError("it holds structured values where numbers belong")


class _Array:
    """Stands in for an array that numpy's ``_reconstruct`` has begun and BUILD fills."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: AnyArray | None = None

    def __setstate__(self, state: object) -> None:
        """Take (version, shape, dtype, Fortran order, bytes)."""
        match state:
            case (int(), tuple() as shape, _Dtype() as dtype, int() as fortran, bytes() | str() as raw):
                self.array = _filled(cast("tuple[object, ...]", shape), dtype.dtype, bool(fortran), raw)
            case _:
                raise _RefusedError("it holds an array whose parts are not shape, type and bytes")


def _filled(shape: tuple[object, ...], dtype: np.dtype[Any], fortran: bool, raw: bytes | str) -> AnyArray:
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    sizes = [size for size in shape if isinstance(size, int) and size >= 0]
    count = 1
    for size in sizes:
        count *= size
    if len(sizes) != len(shape) or len(shape) > 32 or count * dtype.itemsize != len(data):
        raise _RefusedError(f"it claims an array of shape {str(shape)[:60]} for {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(sizes, order="F" if fortran else "C")


def _stand_ins(limit: int) -> Mapping[tuple[str, str], object]:
    """Return what each global that paddle.save writes becomes; `limit` bounds text turned to bytes."""
    encoded = 0

    def encode(text: object, codec: object = None, *_: object) -> bytes:
        # Protocol 2 has no bytes, so numpy's are latin1 text and a call. One text can be encoded again
        # and again through the memo: a small file would fill the memory.
        nonlocal encoded
        if not isinstance(text, str) or codec != "latin1":
            raise _RefusedError("it encodes something other than bytes")
        encoded += len(text)
        if encoded > limit:
            raise _RefusedError("it claims more memory than its contents need")
        return text.encode("latin1")

    def begin_array(*_class_shape_and_code: object) -> _Array:
        return _Array()

    def scalar(dtype: object, raw: object) -> _Array:
        held = _Array()
        held.__setstate__((1, (), dtype, False, raw))
        return held

    def pair(named: object) -> tuple[object, ...]:
        if not isinstance(named, tuple):  # of anything else it would be a copy, as often as asked
            raise _RefusedError("it makes a tuple out of something else")
        return cast("tuple[object, ...]", named)

    def empty_dict() -> dict[object, object]:
        return {}

    def no_bytes() -> bytes:  # how protocol 2 writes the contents of an empty array
        return b""

    def refuse(*_: object) -> NoReturn:
        raise _RefusedError("it makes an array by a way that reserves memory first")

    numpy_core = {"_reconstruct": _StandIn(begin_array), "scalar": _StandIn(scalar)}
    found: dict[tuple[str, str], object] = {
        ("numpy", "ndarray"): _StandIn(refuse),  # only named, as an argument of _reconstruct
        ("numpy", "dtype"): _StandIn(_Dtype),
        ("_codecs", "encode"): _StandIn(encode),
        ("collections", "OrderedDict"): _StandIn(empty_dict),
    }
    for module in ("builtins", "__builtin__"):  # protocol 2 keeps Python 2's name
        found[module, "tuple"] = _StandIn(pair)
        found[module, "bytes"] = _StandIn(no_bytes)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):  # before and since numpy 2
        found.update({(module, name): stand_in for name, stand_in in numpy_core.items()})
    return found


def _state_dict(path: Path, outer: object, key: str | None) -> dict[object, object]:
    remedy = "Give a file that holds this network's parameters."
    if not isinstance(outer, dict):
        raise WeightsError(f"{path.name} does not hold named parameters.", remedy)
    state = cast("dict[object, object]", outer)
    if key is not None:
        inner = state.get(key)
        if not isinstance(inner, dict):
            held = ", ".join(str(name)[:40] for name in list(state)[:5]) or "nothing"
            raise WeightsError(f"{path.name} has no entry {key!r}; it holds {held}.", remedy)
        state = cast("dict[object, object]", inner)
    if _SPLIT_TABLE in state:
        raise WeightsError(
            f"{path.name} has parameters over 1 GiB cut into pieces, which no network here needs.",
            "If it is right, save it again with paddle.save(..., protocol=4), which cuts nothing.",
        )
    return {name: value for name, value in state.items() if name != _NAME_TABLE}


def _named_array(path: Path, name: object, value: object) -> tuple[str, AnyArray]:
    match value:
        case (str(), _Array() as held):  # (Paddle's own name, array)
            pass
        case _Array() as held:
            pass
        case _:
            held = _Array()
    if not isinstance(name, str) or held.array is None:
        raise WeightsError(
            f"{path.name} holds a {type(value).__name__} under {str(name)[:60]!r} where an array belongs.",
            "Give a file of parameters only; a checkpoint needs the network's own entry.",
        )
    return name, np.asarray(held.array, held.array.dtype.newbyteorder("="), order="C")
