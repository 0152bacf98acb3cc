"""Parameters out of a frozen Paddle program, which is read and never run.

PaddleGAN ships DAIN only as a program saved for inference in 2020: ``model``, a ProgramDesc, and
``params``, the persistable tensors one after another in the order of their sorted names. The parameters
carry generated names, so what identifies one is the place where the program first uses it, and its shape.

Source: Paddle 1.8 ``framework/framework.proto``, ``framework/lod_tensor.cc`` (SerializeToStream) and
``python/paddle/fluid/io.py`` (save_inference_model).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from .program_files import program_files
from .wire import message_at, messages, number_at, numbers_at, text_at

_REMEDY = (
    "Give PaddleGAN's DAIN_weight.tar as published; "
    "if it was downloaded, delete it and export again, or use --rehearsal."
)
_CONVOLUTIONS = ("conv2d", "depthwise_conv2d", "conv2d_transpose")
_RESHAPES = ("reshape", "reshape2", "unsqueeze2")  # Paddle 2 and 3 reshape a bias before they add it
_DTYPES = {2: "<i4", 3: "<i8", 4: "<f2", 5: "<f4", 6: "<f8"}  # VarType.Type -> little-endian numpy
_NO_TENSOR = (9, 10, 15, 17)  # FEED_MINIBATCH, FETCH_LIST, READER, RAW: persistable, never in params
_GENERATED = re.compile(r"(.*)_(\d+)\.([wb])_\d+")


@dataclass(frozen=True, slots=True)
class ProgramParameter:
    """One tensor of a frozen program.

    Attributes:
        name: Paddle's generated name, such as ``conv2d_3.w_0``.
        kind: ``bias``, or the operator that uses it: ``conv2d``, ``conv2d_transpose``, ...
        array: As stored: little-endian, read-only.
    """

    name: str
    kind: str
    array: NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Operator:
    kind: str
    inputs: dict[str, tuple[str, ...]]  # slot -> variables
    outputs: dict[str, tuple[str, ...]]

    def first(self, slot: str) -> str:
        """Return the first variable of an input slot, or "" where it is empty."""
        return next(iter(self.inputs.get(slot, ())), "")


@dataclass(frozen=True, slots=True)
class _Program:
    persistable: dict[str, tuple[int, ...]]  # name -> shape
    operators: tuple[_Operator, ...]


def parameters_from_program(path: Path) -> list[ProgramParameter]:
    """Read every parameter of a frozen program in program order.

    Args:
        path: A tar or folder with the files ``model`` and ``params`` (see `program_files`).

    Returns:
        The parameters in the order in which block 0 first uses them; a convolution's bias follows its
        weight. One that no operator of block 0 uses comes last, with kind ``unused``.

    Raises:
        WeightsError: The files are missing, damaged or hostile, or do not belong together.
    """
    files = program_files(path)
    try:
        program = _parse_program(memoryview(files.model))
    except ValueError as error:  # UnicodeDecodeError is one
        raise WeightsError(f"The program in {path.name} is damaged: {error}.", _REMEDY) from error
    try:
        arrays = _parse_tensors(memoryview(files.params), program.persistable)
    except ValueError as error:
        raise WeightsError(f"The parameters in {path.name} are damaged: {error}.", _REMEDY) from error
    kinds = _kinds_in_order(program)
    kinds.update({name: "unused" for name in arrays if name not in kinds})
    return [ProgramParameter(name, kind, arrays[name]) for name, kind in kinds.items()]


def named_from_program(
    path: Path, layout: Sequence[tuple[str, tuple[int, ...]]]
) -> dict[str, NDArray[np.float32]]:
    """Give the parameters of a frozen program the names of a network of ours.

    Args:
        path: As for `parameters_from_program`.
        layout: (name, shape) of each parameter in construction order, a bias after its weight. The
            program must use its layers in that same order.

    Returns:
        float32 arrays in the layout's order.

    Raises:
        WeightsError: As `parameters_from_program`, or the program is of another network: its count,
            a shape or its order differs, or a value is not a finite float.
    """
    parameters = parameters_from_program(path)
    _check_layout(path, parameters, layout)
    _check_numbering(path, parameters)
    named: dict[str, NDArray[np.float32]] = {}
    for (name, _), parameter in zip(layout, parameters, strict=True):
        if parameter.array.dtype.kind != "f" or not np.isfinite(parameter.array).all():
            raise WeightsError(
                f"{parameter.name} ({name}) in {path.name} holds values that are not finite floats.",
                _REMEDY,
            )
        named[name] = parameter.array.astype(np.float32)
    return named


def _check_layout(
    path: Path, parameters: Sequence[ProgramParameter], layout: Sequence[tuple[str, tuple[int, ...]]]
) -> None:
    for index, ((name, shape), parameter) in enumerate(zip(layout, parameters, strict=False)):
        if tuple(shape) != parameter.array.shape:
            raise WeightsError(
                f"{path.name} is of another network: its parameter {index + 1} of {len(parameters)}, "
                f"{parameter.name}, has shape {parameter.array.shape} where {name} has {tuple(shape)}.",
                _REMEDY,
            )
    if len(parameters) != len(layout):
        raise WeightsError(
            f"{path.name} is of another network: {len(parameters)} parameters, not {len(layout)}.", _REMEDY
        )
    unused = [parameter.name for parameter in parameters if parameter.kind == "unused"]
    if unused:
        raise WeightsError(f"{path.name} holds parameters it never uses: {', '.join(unused[:3])}.", _REMEDY)


def _check_numbering(path: Path, parameters: Sequence[ProgramParameter]) -> None:
    """Require the generated numbers to rise: layers of equal shape cannot be told apart otherwise.

    Paddle numbers layers per kind as they are constructed, so a program that uses them in
    construction order has rising numbers. Names given by hand carry no number and are not checked.
    """
    last: dict[tuple[str, str], int] = {}
    for parameter in parameters:
        match = _GENERATED.fullmatch(parameter.name)
        if match is None:
            continue
        key, number = (match[1], match[3]), int(match[2])
        if number <= last.get(key, -1):
            raise WeightsError(
                f"{path.name} uses {parameter.name} after {match[1]}_{last[key]}, "
                "not in the order of construction, so its layers cannot be told apart.",
                _REMEDY,
            )
        last[key] = number


def _parse_program(data: memoryview) -> _Program:
    """Read block 0. Numbers of fields: ProgramDesc.blocks 1; BlockDesc.vars 3, .ops 4."""
    block = next(messages(data, 1), None)
    if block is None:
        raise ValueError("it has no block")
    persistable: dict[str, tuple[int, ...]] = {}
    for variable in messages(block, 3):  # VarDesc: name 1, type 2, persistable 3
        kind = message_at(variable, 2)  # VarType: type 1, lod_tensor 3
        if not number_at(variable, 3) or number_at(kind, 1) in _NO_TENSOR:
            continue
        tensor = message_at(message_at(kind, 3), 1)  # LoDTensorDesc: tensor 1; TensorDesc: dims 2
        persistable[text_at(variable, 1)] = numbers_at(tensor, 2)
    operators = tuple(  # OpDesc: inputs 1, outputs 2, type 3
        _Operator(text_at(operator, 3), _slots(operator, 1), _slots(operator, 2))
        for operator in messages(block, 4)
    )
    return _Program(persistable, operators)


def _slots(operator: memoryview, number: int) -> dict[str, tuple[str, ...]]:
    """Read the inputs or outputs of an operator. OpDesc.Var: parameter 1, arguments 2."""
    return {
        text_at(slot, 1): tuple(str(name, "utf-8") for name in messages(slot, 2))
        for slot in messages(operator, number)
    }


def _kinds_in_order(program: _Program) -> dict[str, str]:
    """Return name -> kind in the order of first use, each bias moved behind its weight."""
    kinds: dict[str, str] = {}
    bias_of: dict[str, str] = {}  # weight -> bias
    made_by: dict[str, str] = {}  # output of a convolution -> its weight
    stored = {name: name for name in program.persistable}  # variable -> the parameter it is
    for operator in program.operators:
        if operator.kind in _RESHAPES and operator.first("X") in stored:
            stored.update(dict.fromkeys(operator.outputs.get("Out", ()), stored[operator.first("X")]))
            continue
        convolves = operator.kind in _CONVOLUTIONS
        weight = operator.first("Filter") if convolves else made_by.get(operator.first("X"), "")
        bias_slot = "Bias" if convolves else "Y" if operator.kind == "elementwise_add" else ""
        for slot, variables in operator.inputs.items():
            is_bias = slot == bias_slot and weight in program.persistable
            for name in (stored[variable] for variable in variables if variable in stored):
                if name not in kinds:
                    kinds[name] = "bias" if is_bias else operator.kind
                    if is_bias:
                        bias_of.setdefault(weight, name)
        if convolves:
            made_by.update(dict.fromkeys(operator.outputs.get("Output", ()), weight))
    return _biases_behind_weights(kinds, bias_of)


def _biases_behind_weights(kinds: dict[str, str], bias_of: dict[str, str]) -> dict[str, str]:
    in_order: dict[str, str] = {}
    for name, kind in kinds.items():
        if kind != "bias" or name not in bias_of.values():
            in_order[name] = kind
        if name in bias_of:
            in_order[bias_of[name]] = "bias"
    return in_order


class _Cursor:
    """Takes bytes off the front of a buffer; ValueError where there are too few."""

    def __init__(self, data: memoryview) -> None:
        self.rest = data

    def take(self, size: int) -> memoryview:
        if not 0 <= size <= len(self.rest):
            raise ValueError(f"{size} bytes wanted where {len(self.rest)} are left")
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def number(self, form: str) -> int:
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]


def _parse_tensors(data: memoryview, persistable: dict[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
    """Read the tensors, one for each persistable variable in the order of sorted names."""
    cursor = _Cursor(data)
    arrays: dict[str, NDArray[Any]] = {}
    for name in sorted(persistable):
        try:
            array = _parse_tensor(cursor)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        if array.shape != persistable[name]:
            raise ValueError(f"{name} has shape {array.shape}, the program says {persistable[name]}")
        arrays[name] = array
    if len(cursor.rest):
        raise ValueError(f"{len(cursor.rest)} bytes are left over after the last tensor")
    return arrays


def _parse_tensor(cursor: _Cursor) -> NDArray[Any]:
    version = cursor.number("I")
    for _ in range(cursor.number("Q")):  # level-of-detail offsets of sequences; ends with the buffer
        cursor.take(cursor.number("Q"))
    if version != 0 or cursor.number("I") != 0:
        raise ValueError("unknown version of the tensor format")
    descriptor = cursor.take(cursor.number("i"))  # TensorDesc: data_type 1, dims 2
    code, shape = number_at(descriptor, 1), numbers_at(descriptor, 2)
    if code not in _DTYPES:
        raise ValueError(f"data type {code} is no number type of 2020")
    if len(shape) > 8 or any(size < 0 for size in shape):
        raise ValueError(f"shape {str(shape)[:60]}")
    dtype = np.dtype(_DTYPES[code])
    return np.frombuffer(cursor.take(math.prod(shape) * dtype.itemsize), dtype).reshape(shape)
