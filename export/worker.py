"""One network in a process of its own: Paddle network -> ONNX files, compared.

``python -m reel.export.worker REQUEST.json`` writes the graphs beside the request (see ``export.process``).
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..models.card import Parity
from ..models.manifest import network_named
from ..models.spec import Network
from .check import HalvesIn, check_interpolation, compare, compare_halves, graphs_in
from .half import half_from_full
from .networks import recipe_for
from .onnx_from_paddle import onnx_from_paddle
from .process import answer, say
from .recipe import Recipe
from .rehearsal import rehearsal_weights
from .weights import holds_program, read_weights

HALVES = "fp16"  # folder of the graphs in mixed precision


@dataclass(frozen=True, slots=True)
class Request:
    """What the worker is asked for.

    Attributes:
        network: Its name.
        weights: A path, or None for rehearsal weights.
        precisions: ``fp32``, ``fp16`` or both.
        full: Folder of float32 graphs with these weights that are there already, or None.
    """

    network: str
    weights: str | None
    precisions: tuple[str, ...] = ("fp32",)
    full: str | None = None


def export_here(request: Request, folder: Path) -> dict[str, object]:
    """Write ``<graph>.onnx`` for each graph of the network and return the result's fields.

    Float32 graphs go into the folder, and float16 ones into ``fp16`` inside it.

    Raises:
        ReelError: The weights do not fit, or a graph differs from Paddle.
    """
    network = network_named(request.network)
    _step("building the network in Paddle")
    recipe = recipe_for(network.name)
    _step("loading the weights")
    recipe.load(weights_for(network, recipe, None if request.weights is None else Path(request.weights)))
    _step("running it in Paddle")
    examples = [recipe.example(height, width) for height, width in network.check_sizes]
    references = [(example, recipe.paddle_output(example)) for example in examples]
    measured: dict[str, tuple[Parity, ...]] = {}
    if request.full is None:
        traced = recipe.traced()
        for graph in network.graphs:
            _step(f"converting {graph.name}")
            onnx_from_paddle(traced[graph.name], graph, folder / f"{graph.name}.onnx")
        _step("comparing with Paddle")
        measured["fp32"] = compare(network, recipe, graphs_in(folder), references)
    if "fp16" in request.precisions:
        full = folder if request.full is None else Path(request.full)
        (halves := folder / HALVES).mkdir()
        _step("rounding to float16")
        for graph in network.graphs:
            half_from_full(full / f"{graph.name}.onnx", graph, halves / f"{graph.name}.onnx")
        _step("comparing float16 with Paddle")
        measured["fp16"] = compare_halves(network, recipe, HalvesIn(halves), references)
    return {"parity": {precision: [asdict(row) for row in rows] for precision, rows in measured.items()}}


def weights_for(network: Network, recipe: Recipe, path: Path | None) -> dict[str, NDArray[np.float32]]:
    """Return weights that fit the network, from a file of any kind it may come in.

    Raises:
        WeightsError: The file is missing, damaged, hostile, or of another network.
    """
    layout = recipe.layout()
    if path is None:
        return rehearsal_weights(network, layout)
    weights = read_weights(path, expected=layout, key=network.weights_key)
    if holds_program(path):
        recipe.load(weights)
        check_interpolation(recipe.paddle_output)
    return weights


def _step(text: str) -> None:
    """Tell the parent process what comes next."""
    say(step=text)


def main() -> int:
    return answer(lambda request, folder: export_here(Request(**request), folder))


if __name__ == "__main__":
    sys.exit(main())
