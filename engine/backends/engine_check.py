"""A new engine against ONNX Runtime on the CPU, before anybody relies on it: same graph, same inputs.

What this finds is an engine that computes something else: a plugin that takes an attribute otherwise, a
kernel that is wrong on this GPU. The bound is far above what float16 rounds, and far below what a wrong
interpolation or a lost offset makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError
from ...models.engines import Engine
from ...models.frame_range import shape_at
from ...models.manifest import network_named
from ...models.spec import Graph, Network
from ..device.array import Pixels, pixels_of
from ..device.device import Device
from .cpu import CpuBackend
from .tensorrt import TensorrtBackend

CLOSE = 0.05
"""Largest relative L2 difference of an output. Between the float16 graphs and the float32 ones, both on the
CPU and on rehearsal weights, it is 8e-4 at most."""

_SIZE = (64, 96)  # of the frames, rounded up to what the network takes


def check_engine(engine: Engine, source: Path, device: Device) -> None:
    """Run an engine and the ONNX file that it was built from, and compare.

    Raises:
        BackendError: They differ, or the engine cannot be run.
    """
    basis = engine.card.basis
    network = network_named(basis.network)
    graph = network.graph(basis.graph)
    given = inputs_for(network, graph)
    if not basis.covers({name: value.shape for name, value in given.items()}):
        given = inputs_for(network, graph, {one.name: one.usual for one in basis.inputs})
    reference = CpuBackend().load(source)
    session = TensorrtBackend(device, rest=CpuBackend()).open(network, [engine])
    try:
        results = session(**given)
        for tensor, expected, result in zip(
            graph.outputs, reference(**_typed(given, graph, basis.precision)), results, strict=True
        ):
            found = difference(network, pixels_of(expected), pixels_of(result))
            if not found <= CLOSE:
                raise BackendError(
                    f"The engine of {graph.name} of {network.name} gives another {tensor.name} than its "
                    f"graph (relative L2 {found:.1e}), and was not kept.",
                    "Update the driver or TensorRT and build again, or use --device cuda with reel-run.",
                )
    finally:
        session.close()
        reference.close()


def difference(network: Network, expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Return how far an output is off, relative L2, without the share that differs most where that is due.

    It is infinite where a value is not finite. Where all that is expected is near zero, it is compared with a
    tenth.
    """
    if not np.isfinite(found).all():
        return float("inf")
    off = np.sort(np.abs(found.astype(np.float64) - expected), axis=None)
    kept = off[: max(round(off.size * (1 - network.tolerance.spots)), 1)]
    size = max(float(np.linalg.norm(expected.astype(np.float64))), 0.1 * expected.size**0.5)
    return float(np.linalg.norm(kept)) / size


def inputs_for(
    network: Network, graph: Graph, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> dict[str, Pixels]:
    """Return values for a graph's inputs: in [0, 1), which motions and depths can be as well as maps.

    Args:
        network: Whose graph it is.
        graph: The graph.
        shapes: Of its inputs; None: those of small frames.
    """
    height, width = (side + -side % network.multiple for side in _SIZE)
    rng = np.random.default_rng(0)
    given: dict[str, Pixels] = {}
    for tensor in graph.inputs:
        shape = shapes[tensor.name] if shapes else shape_at(tensor, height, width)
        given[tensor.name] = rng.random(shape, np.float32)
    if "place" in given:  # of dain-depth's warp: the whole frame
        rows, columns = given["motion"].shape[2:]
        given["place"] = np.array([columns, rows, 0, 0, 0, 0], np.float32)
    return given


def _typed(given: dict[str, Pixels], graph: Graph, precision: str) -> dict[str, Pixels]:
    return {tensor.name: given[tensor.name].astype(tensor.dtype(precision)) for tensor in graph.inputs}
