"""What the exporter needs to know of a network beyond its facts: how Paddle builds and runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Arrays = Mapping[str, Array]

Run = Callable[..., tuple[Array, ...]]
"""``run("graph", input=array, ...)`` runs one graph and returns its outputs in order."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A Paddle layer that becomes one graph.

    ``arguments`` are the layer's arguments as names of the graph's inputs; a tuple of names is an argument
    that is a list of tensors. ``deformable_groups`` is what its deformable convolutions have, all of them.
    """

    layer: Any
    arguments: tuple[str | tuple[str, ...], ...]
    deformable_groups: int = 8


class Recipe(Protocol):
    """One network in Paddle. Constructing it builds the layers, with any weights."""

    def layout(self) -> dict[str, tuple[int, ...]]:
        """Return the names and shapes of the weights, in construction order."""
        ...

    def load(self, weights: Arrays) -> None:
        """Set the weights, which fit the layout."""
        ...

    def example(self, height: int, width: int) -> dict[str, Array]:
        """Return inputs of the whole network at a size: photographic in scale, seeded."""
        ...

    def paddle_output(self, example: Arrays) -> Array:
        """Return what the original, unmodified network makes of them."""
        ...

    def traced(self) -> dict[str, Traced]:
        """Return the layer of each graph. ``paddle_output`` may not be called afterwards."""
        ...

    def compose(self, run: Run, example: Arrays) -> Array:
        """Return what the graphs, put together as the engine does, make of the inputs."""
        ...
