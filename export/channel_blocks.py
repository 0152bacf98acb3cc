"""Fill the channels of concatenations up to whole blocks, so that the CPU's fast convolutions take them.

ONNX Runtime computes convolutions in blocks of 16 channels, but only where the channels of the input are a
multiple of four; others go a way that is a quarter to a half slower, and their neighbours are copied from
and to the blocked layout. DeOldify's last layers have 303 channels, the flow network of both DAINs has 117 to
565. Here such a concatenation gets channels of zeros at its end. What reads them gets weights of zero for
them, so the result is the same but for the order of sums. Measured: ``benchmarks/README.md``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 16
"""Channels; the blocks of AVX-512. Those of AVX2 and NEON are smaller and divide it."""

_CHANNEL_BY_CHANNEL = ("Relu", "LeakyRelu")

Layout = tuple[int, ...]
"""For each channel of a widened tensor the channel that it had before, or -1 for one of zeros."""


class _NoticedError(Exception):
    """A tensor is read by something that would notice channels more."""


def fill_channel_blocks(model: Any) -> None:
    """Widen the concatenations of a model in place, as far as everything that depends on them allows.

    Args:
        model: An ONNX model of float32 whose constants are initialisers.
    """
    widening = _Widening(model.graph)
    for node in list(model.graph.node):
        if _joins_channels(node):
            widening.widen(node)
    widening.apply()


class _Widening:
    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._weights = {initialiser.name: initialiser for initialiser in graph.initializer}
        self._readers: dict[str, list[Any]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._makers = {name: node for node in graph.node for name in node.output}
        self._outputs = {output.name for output in graph.output}
        self._layouts: dict[str, Layout] = {}
        self._filled = {"Conv": 1, "ConvTranspose": 0}  # the axis of the weights that is the input's channels

    def widen(self, concat: Any) -> None:
        """Fill up one concatenation of channels, unless it is whole or something forbids it."""
        channels = self._channels_read(concat.output[0])
        if concat.output[0] in self._layouts or channels is None or channels < BLOCK or not channels % BLOCK:
            return
        missing = -channels % BLOCK
        try:
            widened = self._reached(concat.output[0], (*range(channels), *[-1] * missing))
        except _NoticedError:
            return
        self._layouts |= widened
        self._insert_zeros(concat, missing)

    def apply(self) -> None:
        """Give every convolution the weights that fit its widened input and output."""
        for node in self._graph.node:
            if node.op_type not in self._filled:
                continue
            # position among the node's inputs, axis there, and whose channels lie along it
            affected = [(1, self._filled[node.op_type], node.input[0]), (1, 0, node.output[0])]
            if len(node.input) > 2:
                affected.append((2, 0, node.output[0]))
            for position, axis, tensor in affected:
                if tensor in self._layouts:
                    self._replace(node, position, axis, self._layouts[tensor])
        read = {name for node in self._graph.node for name in node.input}
        kept = [initialiser for initialiser in self._graph.initializer if initialiser.name in read]
        del self._graph.initializer[:]
        self._graph.initializer.extend(kept)

    def _channels_read(self, name: str) -> int | None:
        """Return how many channels a convolution reads from a tensor, None where none does."""
        for node in self._readers[name]:
            if node.op_type == "Conv" and node.input[0] == name and node.input[1] in self._weights:
                return int(self._weights[node.input[1]].dims[1])
        return None

    def _reached(self, name: str, layout: Layout) -> dict[str, Layout]:
        """Return every tensor that gets wider with this one, and how."""
        found: dict[str, Layout] = {}
        waiting = [(name, layout)]
        while waiting:
            name, layout = waiting.pop()
            if found.get(name, layout) != layout or name in self._outputs:
                raise _NoticedError(name)
            if name not in found:
                found[name] = layout
                for node in self._readers[name]:
                    waiting += self._passed_on(node, name, layout, found)
        return found

    def _passed_on(
        self, node: Any, name: str, layout: Layout, found: dict[str, Layout]
    ) -> Iterator[tuple[str, Layout]]:
        """Yield what has to be as wide when a node reads a tensor that is wider."""
        if node.op_type in self._filled:
            grouped = any(attribute.name == "group" and attribute.i != 1 for attribute in node.attribute)
            if node.input[0] != name or node.input[1] not in self._weights or grouped:
                raise _NoticedError(node.name)
        elif node.op_type in _CHANNEL_BY_CHANNEL:
            yield node.output[0], layout
        elif _joins_channels(node):
            yield node.output[0], self._joined(node, found)
        elif node.op_type == "Add":
            for other in node.input:
                if other not in found:
                    yield from self._made(other, layout, found)
            yield node.output[0], layout
        else:
            raise _NoticedError(node.name)

    def _joined(self, concat: Any, found: dict[str, Layout]) -> Layout:
        """Return the layout of a concatenation of which some parts are wider."""
        joined: list[int] = []
        before = 0
        for name in concat.input:
            part = found.get(name) or self._layouts.get(name) or self._narrow(name)
            joined += [before + channel if channel >= 0 else -1 for channel in part]
            before += max(part) + 1
        return tuple(joined)

    def _narrow(self, name: str) -> Layout:
        """Return the layout of a tensor that is what a convolution makes."""
        node = self._convolution(name)
        return tuple(range(int(self._weights[node.input[1]].dims[0])))

    def _made(self, name: str, layout: Layout, found: dict[str, Layout]) -> Iterator[tuple[str, Layout]]:
        """Yield a tensor that a convolution can make wider, and what lies between the two."""
        self._convolution(name)
        while self._makers[name].op_type != "Conv":
            yield name, layout
            name = self._makers[name].input[0]
        if name not in found:
            yield name, layout

    def _convolution(self, name: str) -> Any:
        node = self._makers.get(name)
        while node is not None and node.op_type in _CHANNEL_BY_CHANNEL:
            node = self._makers.get(node.input[0])
        if node is None or node.op_type != "Conv" or node.input[1] not in self._weights:
            raise _NoticedError(name)
        return node

    def _insert_zeros(self, concat: Any, missing: int) -> None:
        """Pad the last of what a concatenation joins."""
        import onnx

        last = concat.input[-1]
        padded, sides = f"{concat.output[0]}.filled", f"{concat.output[0]}.missing"
        self._graph.initializer.append(
            onnx.numpy_helper.from_array(np.array([0, 0, 0, 0, 0, missing, 0, 0], np.int64), sides)
        )
        pad = onnx.helper.make_node("Pad", [last, sides], [padded], name=padded)
        self._graph.node.insert(list(self._graph.node).index(concat), pad)
        concat.input[len(concat.input) - 1] = padded

    def _replace(self, node: Any, position: int, axis: int, layout: Layout) -> None:
        import onnx

        name = node.input[position]
        array = spread(onnx.numpy_helper.to_array(self._weights[name]), axis, layout)
        name = f"{name}.{axis}.{node.output[0]}"  # its own: others may read the same weights
        self._weights[name] = onnx.numpy_helper.from_array(array, name)
        self._graph.initializer.append(self._weights[name])
        node.input[position] = name


def _joins_channels(node: Any) -> bool:
    return node.op_type == "Concat" and any(a.name == "axis" and a.i == 1 for a in node.attribute)


def spread(array: NDArray[Any], axis: int, layout: Layout) -> NDArray[Any]:
    """Return an array whose entries along an axis are put where a layout says, with zeros between."""
    places = np.array(layout)
    wide = np.zeros((*array.shape[:axis], len(layout), *array.shape[axis + 1 :]), array.dtype)
    inside = (slice(None),) * axis
    wide[(*inside, places >= 0)] = array[(*inside, places[places >= 0])]
    return wide
