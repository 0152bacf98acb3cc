"""Exported graphs against Paddle's own output. Nothing enters the store before this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..errors import ExportError, WeightsError
from ..models.card import Parity
from ..models.deoldify import MEAN, STD
from ..models.spec import Kind, Network, Tolerance
from .half_rounded import rounded
from .networks.examples import extremes, moving_pictures
from .recipe import Array, Arrays, Recipe, Run


def graphs_in(folder: Path) -> Run:
    """Return a function that runs the graphs of a folder on the CPU, each loaded at its first use.

    This is the one place outside ``engine.backends`` that imports ONNX Runtime: an export is checked
    before there is anything for the engine to find, and may not depend on the engine.
    """
    sessions: dict[str, Any] = {}

    def run(graph: str, **inputs: Array) -> tuple[Array, ...]:
        if graph not in sessions:
            sessions[graph] = _session(str(folder / f"{graph}.onnx"))
        wanted = {value.name for value in sessions[graph].get_inputs()}
        given = {name: array for name, array in inputs.items() if name in wanted}
        return tuple(cast(list[Array], sessions[graph].run(None, given)))

    return run


class HalvesIn:
    """Runs the float16 graphs of a folder on the CPU as ``half_rounded`` says, each loaded at its first use.

    Attributes:
        largest: Largest value that any node has handed to another in float16 so far; 65504 is the end.

    Args:
        folder: That holds ``<graph>.onnx``.
    """

    def __init__(self, folder: Path) -> None:
        self.largest = 0.0
        self._folder = folder
        self._sessions: dict[str, Any] = {}

    def __call__(self, graph: str, **inputs: Array) -> tuple[Array, ...]:
        """Run one graph. Inputs are of any floating type; outputs are of the types that the file states."""
        import onnx

        if graph not in self._sessions:
            model = rounded(onnx.load(str(self._folder / f"{graph}.onnx")))
            self._sessions[graph] = _session(model.SerializeToString())
        session = self._sessions[graph]
        given = {value.name: inputs[value.name].astype(_TYPES[value.type]) for value in session.get_inputs()}
        *outputs, largest = session.run(None, given)
        self.largest = float(np.maximum(self.largest, largest))  # of which NaN is not lost
        return tuple(outputs)


_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def _session(model: str | bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])


def parity(expected: Array, found: Array, *, height: int, width: int, spots: float = 0.0) -> Parity:
    """Return the largest, the mean and the relative L2 difference of two arrays of one shape.

    Args:
        height, width: Of the input, for the record.
        spots: Share of the values, those that differ most, that the relative L2 difference leaves out.
    """
    difference = np.abs(found.astype(np.float64) - expected)
    kept = np.sort(difference, axis=None)[: round(difference.size * (1.0 - spots))]
    return Parity(
        height=height,
        width=width,
        maximum=float(difference.max()),
        mean=float(difference.mean()),
        relative_l2=float(np.linalg.norm(kept) / np.linalg.norm(expected.astype(np.float64))),
    )


def compare(
    network: Network, recipe: Recipe, run: Run, references: Sequence[tuple[Arrays, Array]]
) -> tuple[Parity, ...]:
    """Run the graphs on the inputs whose Paddle output is known, and return how far they are from it.

    Raises:
        ExportError: They are further than the network's tolerance, or not finite.
    """
    return _compare(network, recipe, run, references, network.tolerance, network.name)


def compare_halves(
    network: Network, recipe: Recipe, run: HalvesIn, references: Sequence[tuple[Arrays, Array]]
) -> tuple[Parity, ...]:
    """Do the same for float16 graphs, and try them on inputs that drive them to the end of their range.

    Raises:
        ExportError: They are further than the network's tolerance, not finite, or near the end of the range.
    """
    measured = _compare(network, recipe, run, references, network.half_tolerance, f"float16 {network.name}")
    low, high = (np.zeros((1, 3, 1, 1), np.float32), np.ones((1, 3, 1, 1), np.float32))
    if network.kind is Kind.COLOURISE:
        low, high = ((end - np.reshape(MEAN, low.shape)) / np.reshape(STD, low.shape) for end in (low, high))
    for what, inputs in extremes(references[0][0], low, high):
        found = recipe.compose(run, inputs)
        if not np.isfinite(found).all() or not run.largest <= _WITHIN:
            raise ExportError(
                f"{network.name} is not for float16 with these weights: on {what} it comes to "
                f"{run.largest:.3g}, of 65504 at most.",
                _FULL_INSTEAD,
            )
    return tuple(replace(figures, largest=run.largest) for figures in measured)


_WITHIN = 65504 / 4
"""A film may drive a network further than the inputs of the check."""

_FULL_INSTEAD = "Nothing was stored. Export with --precision fp32."


def _compare(
    network: Network,
    recipe: Recipe,
    run: Run,
    references: Sequence[tuple[Arrays, Array]],
    tolerance: Tolerance,
    what: str,
) -> tuple[Parity, ...]:
    remedy = "Nothing was stored. Check that the versions of requirements/export.txt are installed."
    measured: list[Parity] = []
    for (height, width), (example, expected) in zip(network.check_sizes, references, strict=True):
        found = recipe.compose(run, example)
        if found.shape != expected.shape or not np.isfinite(found).all():
            raise ExportError(
                f"The exported {what} gives {found.shape}, or values that are not finite, where Paddle gives "
                f"{expected.shape}.",
                remedy,
            )
        figures = parity(expected, found, height=height, width=width, spots=tolerance.spots)
        if not figures.relative_l2 <= tolerance.relative_l2:
            raise ExportError(
                f"The exported {what} differs from Paddle at {width}x{height}: relative L2 "
                f"{figures.relative_l2:.1e}, allowed {tolerance.relative_l2:.0e}.",
                remedy,
            )
        measured.append(figures)
    return tuple(measured)


def check_interpolation(between: Callable[[Arrays], Array]) -> None:
    """See that a network with weights matched by their order really interpolates.

    Args:
        between: From inputs ``a``, ``b`` [1, 3, H, W] and ``t`` [1] to the frame between.

    Raises:
        WeightsError: On a pattern that moves, it does no better than the average of the two frames.
    """
    a, middle, b = moving_pictures(3, 128, 192, speed=(2.0, 1.0))
    found = between({"a": a, "b": b, "t": np.array([0.5], np.float32)})
    error, of_average = (float(np.square(x - middle).mean()) for x in (found, (a + b) / 2))
    if not error < of_average:
        raise WeightsError(
            "With these weights DAIN does not interpolate: on a moving pattern it does worse than the "
            f"average of the two frames (mean square error {error:.1e} against {of_average:.1e}).",
            "Its weights are of another network or in another order; give PaddleGAN's DAIN_weight.tar.",
        )
