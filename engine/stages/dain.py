"""How the graphs of PaddleGAN's DAIN, and of the paper's, make the frame between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...models.spec import Graph
from ..device.array import Value
from ..networks.backend import LoadedNetwork

Known = Mapping[str, Value]
"""Tensors by the names that graphs know them by, on the device that the graphs run on or not."""


class Interpolator(Protocol):
    """A network on frames [1, 3, H, W], H and W multiples of what it needs."""

    def alone(self, frame: Value) -> Known:
        """Return what is computed of one frame."""
        ...

    def pair(self, a: Known, b: Known) -> Known:
        """Return what is computed of two frames, from what ``alone`` returned for each."""
        ...

    def between(self, pair: Known, t: float) -> Value:
        """Return the frame [1, 3, H, W] at a time in (0, 1) between them, not clipped."""
        ...


@dataclass(frozen=True, slots=True)
class Dain:
    """PaddleGAN's DAIN, or reel's small one, which warps features as well."""

    network: LoadedNetwork

    def alone(self, frame: Value) -> Known:
        return {"frame": frame} | named(self.network, "features", frame=frame)

    def pair(self, a: Known, b: Known) -> Known:
        levels = {
            f"{side}_{name}": value for side, seen in (("a", a), ("b", b)) for name, value in seen.items()
        }
        flows = named(self.network, "flow", **asked_for(self.network.network.graph("flow"), levels))
        known = levels | {"a": a["frame"], "b": b["frame"]} | flows
        warp = self.network.network.graph("warp")
        return {tensor.name: known[tensor.name] for tensor in warp.inputs if tensor.name != "t"}

    def between(self, pair: Known, t: float) -> Value:
        (moved,) = self.network.run("warp", **pair, t=np.array([t], np.float32))
        return self.network.run("rectify", moved=moved)[0]


def named(network: LoadedNetwork, graph: str, **inputs: Value) -> dict[str, Value]:
    """Run a graph and return its outputs by their names."""
    names = [tensor.name for tensor in network.network.graph(graph).outputs]
    return dict(zip(names, network.run(graph, **inputs), strict=True))


def asked_for(graph: Graph, known: Known) -> dict[str, Value]:
    """Return those tensors that a graph takes."""
    return {tensor.name: known[tensor.name] for tensor in graph.inputs}
