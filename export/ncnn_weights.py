"""Arrays out of the fp16 files of DAIN's ncnn port.

The port (nihui/dain-ncnn-vulkan, commit ff2cc367) holds the paper's DAIN as four graphs, each a text of
layers (``.param``) and a file of their weights (``.bin``): per convolution, in the order of the text, a tag
of four bytes, the weights, and float32 offsets where the layer has some. Its depth network has its
normalisations folded into its convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError

AnyArray = NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]

HALF = 0x01306B47  # the tag of weights kept in half precision, padded to four bytes
FULL = 0  # the tag of weights kept in single precision
GRAPHS: Mapping[str, tuple[str, ...]] = {
    "ctxnet": ("ctxNet.",),
    "depthnet": ("depthNet.",),
    "flownet": ("flownets.",),
    "interpolation": ("initScaleNets_filter", "rectifyNet."),
}
_EPSILON = 1e-5  # of the depth network's normalisations
_REMEDY = "Give the folder of dain-ncnn-vulkan's model, with the .param and .bin files of all four graphs."


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with weights: how many there are, and of how many channels it makes how many."""

    name: str
    transposed: bool
    channels: int
    size: int
    offsets: bool
    count: int


def arrays_from_ncnn(folder: Path, shapes: Shapes) -> dict[str, AnyArray]:
    """Read the four graphs' weights under the names of the authors' file.

    Args:
        folder: Holds ``ctxnet``, ``depthnet``, ``flownet`` and ``interpolation``, ``.param`` and ``.bin``.
        shapes: Name and shape of every parameter and running statistic, in the order in which the network
            runs them. Transposed convolutions are [in, out, h, w], as PyTorch and Paddle have them.

    Returns:
        A float32 array for every name. Normalisations, which the port has folded away, come back as the
        identity.

    Raises:
        WeightsError: A file is missing, or not of the length or the shapes of this network.
    """
    arrays: dict[str, AnyArray] = {}
    for graph, prefixes in GRAPHS.items():
        mine = {name: shape for name, shape in shapes.items() if name.startswith(prefixes)}
        arrays |= arrays_of_graph(folder / f"{graph}.param", folder / f"{graph}.bin", mine)
    return {name: arrays[name] for name in shapes}


def arrays_of_graph(param: Path, weights: Path, shapes: Shapes) -> dict[str, AnyArray]:
    """Read one graph; ``shapes`` are those of its own entries, in the order in which they run."""
    try:
        layers, data = layers_of(param.read_text("utf-8")), weights.read_bytes()
    except OSError as error:
        raise WeightsError(f"{error.filename} cannot be read: {error.strerror}.", _REMEDY) from error
    except ValueError as error:
        raise WeightsError(f"{param} is not a graph of ncnn's.", _REMEDY) from error
    names = [name.removesuffix(".weight") for name, shape in shapes.items() if len(shape) == 4]
    if param.stem == "flownet":
        names = _seen_twice(names)
    if len(names) != len(layers):
        raise WeightsError(f"{param} has {len(layers)} convolutions, and DAIN {len(names)}.", _REMEDY)
    arrays = _folded_away(shapes)
    position = 0
    for name, layer in zip(names, layers, strict=True):
        weight, offset, position = _values(weights, data, position, layer)
        found = {f"{name}.weight": _in_our_order(layer, weight)}
        if offset is not None:
            found[f"{name}.bias"] = offset
        _take(weights, arrays, found, shapes)
    if position != len(data):
        raise WeightsError(f"{weights} has {len(data)} bytes where {position} were expected.", _REMEDY)
    if missing := [name for name in shapes if name not in arrays]:
        raise WeightsError(f"{weights} lacks {missing[0]}.", _REMEDY)
    return arrays


def layers_of(text: str) -> list[Layer]:
    """Return the layers with weights of a ``.param`` text, in its order; ValueError where it is none."""
    magic, _, *lines = text.splitlines()
    if magic.strip() != "7767517":
        raise ValueError("not a param file")
    return list(_layers(lines))


def _layers(lines: list[str]) -> Iterator[Layer]:
    for line in lines:
        kind, name, inputs, outputs, *rest = line.split()
        if kind not in ("Convolution", "Deconvolution"):
            continue
        pairs = (field.split("=", 1) for field in rest[int(inputs) + int(outputs) :])
        options = {key: value for key, value in pairs if not key.startswith("-")}
        yield Layer(
            name=name,
            transposed=kind == "Deconvolution",
            channels=int(options["0"]),
            size=int(options["1"]),
            offsets=options.get("5", "0") == "1",
            count=int(options["6"]),
        )


def _seen_twice(names: list[str]) -> list[str]:
    """Return the flow network's layers as the port runs them: each level of features for both frames."""
    features = 6 * 3
    levels = [names[i : i + 3] * 2 for i in range(0, features, 3)]
    return [name for level in levels for name in level] + names[features:]


def _folded_away(shapes: Shapes) -> dict[str, AnyArray]:
    """Return the normalisations' entries, which change nothing."""
    arrays: dict[str, AnyArray] = {}
    for name, shape in shapes.items():
        path, _, kind = name.rpartition(".")
        if kind == "running_mean":
            arrays[name] = np.zeros(shape, np.float32)
            arrays |= {
                f"{path}.{entry}": np.full(shapes[f"{path}.{entry}"], value, np.float32)
                for entry, value in (("running_var", 1.0 - _EPSILON), ("weight", 1.0), ("bias", 0.0))
                if f"{path}.{entry}" in shapes
            }
    return arrays


def _values(path: Path, data: bytes, position: int, layer: Layer) -> tuple[AnyArray, AnyArray | None, int]:
    """Return the layer's weights and offsets, flat, and the place after them."""

    def taken(item: str, count: int) -> AnyArray:
        nonlocal position
        size = np.dtype(item).itemsize * count
        if position + size > len(data):
            raise WeightsError(f"{path} ends early, at {len(data)} bytes, in layer {layer.name}.", _REMEDY)
        values = np.frombuffer(data, item, count, position)
        position += -(-size // 4) * 4
        return values

    tag = int(taken("<u4", 1)[0])
    if tag not in (HALF, FULL):
        raise WeightsError(f"{path} holds weights of a kind 0x{tag:08X} in layer {layer.name}.", _REMEDY)
    weight = taken("<f2" if tag == HALF else "<f4", layer.count).astype(np.float32)
    offset = taken("<f4", layer.channels).astype(np.float32) if layer.offsets else None
    return weight, offset, position


def _in_our_order(layer: Layer, weight: AnyArray) -> AnyArray:
    shaped = weight.reshape(layer.channels, -1, layer.size, layer.size)
    # ncnn keeps transposed convolutions as [out, in], PyTorch and Paddle as [in, out].
    return np.ascontiguousarray(shaped.transpose(1, 0, 2, 3)) if layer.transposed else shaped


def _take(path: Path, arrays: dict[str, AnyArray], found: dict[str, AnyArray], shapes: Shapes) -> None:
    for name, array in found.items():
        if name not in shapes or array.shape != tuple(shapes[name]):
            wanted = shapes.get(name, "nothing")
            raise WeightsError(f"{path} has {name} of {array.shape}, and DAIN of {wanted}.", _REMEDY)
        if name in arrays and not np.array_equal(arrays[name], array):
            raise WeightsError(f"{path} has two different {name} for the two frames.", _REMEDY)
        arrays[name] = array
