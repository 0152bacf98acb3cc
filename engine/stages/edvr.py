"""How EDVR's graphs make one large frame of a window of five."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...models.edvr import WINDOW
from ..device.array import Value
from ..networks.backend import LoadedNetwork

Pyramid = tuple[Value, ...]
"""Features of one frame at three levels."""


@dataclass(frozen=True, slots=True)
class Edvr:
    """EDVR, or reel's small one, on frames [1, 3, H, W], H and W multiples of what the network needs."""

    network: LoadedNetwork

    def pyramid(self, frame: Value) -> Pyramid:
        """Return what is computed of a frame alone."""
        return self.network.run("pyramid", frame=frame)

    def enlarged(self, centre: Value, pyramids: Sequence[Pyramid]) -> Value:
        """Return the middle frame of a window in four times the size, [1, 3, 4H, 4W], not clipped."""
        reference = _levels("reference", pyramids[WINDOW // 2])
        if any(graph.name == "around" for graph in self.network.network.graphs):
            # What the small network compares all four neighbours with is made once.
            (around,) = self.network.run("around", reference1=reference["reference1"])
            reference["around"] = around
        # The small network takes the middle frame's own features where EDVR aligns them with themselves.
        asked = {tensor.name for tensor in self.network.network.graph("fusion").inputs}
        aligned = {name: value for name, value in reference.items() if name in asked} | {
            name: self.network.run("align", **_levels("level", pyramid), **reference)[0]
            for i, pyramid in enumerate(pyramids)
            if (name := f"aligned_{i}") in asked
        }
        (fused,) = self.network.run("fusion", **aligned)
        del aligned  # five maps that nobody needs any more
        (rebuilt,) = self.network.run("rebuild", fused=fused)
        return self.network.run("enlarge", centre=centre, rebuilt=rebuilt)[0]


def _levels(prefix: str, pyramid: Pyramid) -> dict[str, Value]:
    return {f"{prefix}{level}": value for level, value in enumerate(pyramid, start=1)}
