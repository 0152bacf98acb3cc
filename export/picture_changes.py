"""The graphs that change a picture between two networks, and compare two.

They compute what ``engine`` does in NumPy: ``held``, ``parity.finished``, ``resample``, ``luma``,
``shots.thumbnail``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..models.deoldify import MEAN, STD
from ..models.pictures import (
    BLOCK,
    DIFFERENCE,
    FINISH,
    LOOK,
    MERGE,
    PLACE,
    RESIZE,
    SAME,
    THUMBNAIL,
    TRANSPOSE,
)
from .picture_nodes import Nodes

if TYPE_CHECKING:
    import onnx

_LUMA = (0.299, 0.587, 0.114)  # as DeOldify has it, whatever the matrix of the film
_ROW, _COLUMN = 2, 3  # axes


def place_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.PLACE``, which moves values and computes none."""
    nodes = Nodes(PLACE, precision)
    nodes.add(
        "Gather", nodes.add("Gather", "pixels", "rows", axis=_ROW), "columns", axis=_COLUMN, output="part"
    )
    return nodes.model()


def finish_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.FINISH``."""
    nodes = Nodes(FINISH, precision)
    part = nodes.add("Gather", nodes.add("Gather", "pixels", "rows", axis=_ROW), "columns", axis=_COLUMN)
    dtype = FINISH.inputs[0].dtype(precision)
    nodes.add("Clip", part, nodes.constant(0, dtype), nodes.constant(1, dtype), output="part")
    return nodes.model()


def same_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.SAME``: equal everywhere is that the least of the comparisons is true."""
    nodes = Nodes(SAME, precision)
    equal = nodes.cast(nodes.add("Equal", "pixels", "other"), "float32")
    least = nodes.add("ReduceMin", equal, axes=[0, 1, 2, 3], keepdims=0)
    nodes.write(nodes.add("Reshape", least, nodes.constant([1], "int64")), "same")
    return nodes.model()


def look_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.LOOK``."""
    nodes = Nodes(LOOK, precision)
    grey = _resized(nodes, _luma(nodes, nodes.read("pixels")))
    centred = nodes.add("Sub", grey, nodes.constant(_by_channel(MEAN)))
    nodes.write(nodes.add("Div", centred, nodes.constant(_by_channel(STD))), "picture")
    return nodes.model()


def merge_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.MERGE``."""
    nodes = Nodes(MERGE, precision)
    coloured = nodes.add("Mul", nodes.read("coloured"), nodes.constant(_by_channel(STD)))
    coloured = nodes.unit(nodes.add("Add", coloured, nodes.constant(_by_channel(MEAN))))
    coloured = _resized(nodes, coloured)
    missing = nodes.add("Sub", _luma(nodes, nodes.read("pixels")), _luma(nodes, coloured))
    nodes.write(nodes.unit(nodes.add("Add", coloured, missing)), "merged")
    return nodes.model()


def resize_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.RESIZE``."""
    nodes = Nodes(RESIZE, precision)
    nodes.write(nodes.unit(_resized(nodes, nodes.read("pixels"))), "resized")
    return nodes.model()


def transpose_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.TRANSPOSE``."""
    nodes = Nodes(TRANSPOSE, precision)
    nodes.add("Transpose", "pixels", perm=[0, 1, 3, 2], output="part")
    return nodes.model()


def thumbnail_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.THUMBNAIL``."""
    nodes = Nodes(THUMBNAIL, precision)
    small = nodes.add(
        "MatMul", nodes.add("MatMul", "vertical", _luma(nodes, nodes.read("pixels"))), "horizontal"
    )
    nodes.write(nodes.add("Squeeze", small, nodes.constant([0, 1], "int64")), "thumbnail")
    return nodes.model()


def difference_model(precision: str) -> onnx.ModelProto:
    """Return ``models.pictures.DIFFERENCE``."""
    nodes = Nodes(DIFFERENCE, precision)
    missing = nodes.add("Sub", nodes.read("pixels"), nodes.read("other"))
    missing = nodes.add("ReduceMean", missing, axes=[1], keepdims=1)
    sides = [BLOCK, BLOCK]
    blocks = nodes.add("Abs", nodes.add("AveragePool", missing, kernel_shape=sides, strides=sides))
    most = nodes.add("ReduceMax", blocks, axes=[0, 1, 2, 3], keepdims=0)
    nodes.write(nodes.add("Reshape", most, nodes.constant([1], "int64")), "difference")
    return nodes.model()


def _resized(nodes: Nodes, pixels: str) -> str:
    return nodes.add("MatMul", "vertical", nodes.add("MatMul", pixels, "horizontal"))


def _luma(nodes: Nodes, pixels: str) -> str:
    """Return the luma [1, 1, H, W] of RGB [1, 3, H, W], summed in the order that NumPy sums in."""
    weighted = nodes.add("Mul", pixels, nodes.constant(_by_channel(_LUMA)))
    red, green, blue = (nodes.sliced(weighted, 1, channel, channel + 1) for channel in range(3))
    return nodes.add("Add", nodes.add("Add", red, green), blue)


def _by_channel(values: tuple[float, ...]) -> list[list[list[list[float]]]]:
    return np.reshape(values, (1, 3, 1, 1)).tolist()
