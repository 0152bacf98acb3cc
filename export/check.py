"""Exported graphs against Paddle's own output. Nothing enters the store before this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np

from ..errors import ExportError, WeightsError
from ..models.spec import Network
from ..models.store import Parity
from .networks.examples import moving_pictures
from .recipe import Array, Arrays, Recipe, Run


def graphs_in(folder: Path) -> Run:
    """Return a function that runs the graphs of a folder on the CPU, each loaded at its first use.

    This is the one place outside ``engine.backends`` that imports ONNX Runtime: an export is checked
    before there is anything for the engine to find, and may not depend on the engine.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    sessions: dict[str, onnxruntime.InferenceSession] = {}

    def run(graph: str, **inputs: Array) -> tuple[Array, ...]:
        if graph not in sessions:
            path = str(folder / f"{graph}.onnx")
            sessions[graph] = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        wanted = {value.name for value in sessions[graph].get_inputs()}
        given = {name: array for name, array in inputs.items() if name in wanted}
        return tuple(cast(list[Array], sessions[graph].run(None, given)))

    return run


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
    measured: list[Parity] = []
    for (height, width), (example, expected) in zip(network.check_sizes, references, strict=True):
        found = recipe.compose(run, example)
        if found.shape != expected.shape or not np.isfinite(found).all():
            raise ExportError(
                f"The exported {network.name} gives {found.shape}, or values that are not finite, where "
                f"Paddle gives {expected.shape}.",
                "Nothing was stored. Check that the versions of requirements/export.txt are installed.",
            )
        spots = network.tolerance.spots
        figures = parity(expected, found, height=height, width=width, spots=spots)
        if not figures.relative_l2 <= network.tolerance.relative_l2:
            raise ExportError(
                f"The exported {network.name} differs from Paddle at {width}x{height}: relative L2 "
                f"{figures.relative_l2:.1e}, allowed {network.tolerance.relative_l2:.0e}.",
                "Nothing was stored. Check that the versions of requirements/export.txt are installed.",
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
