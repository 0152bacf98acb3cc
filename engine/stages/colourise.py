"""DeOldify: every frame by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from ...models.deoldify import RENDER_BASE, RENDER_FACTOR
from ..device.array import Value
from ..networks.backend import LoadedNetwork
from ..pixels.frame import Frame
from ..pixels.operations import HostOperations, Operations
from ..pixels.parity import Parity


class Colourise:
    """Give every frame the chroma that the network sees in it, and leave its luma alone.

    The network looks at a grey square of ``render_factor * 16`` pixels a side. A frame equal to the one
    before it is not computed again. Source: PaddleGAN,
    ``ppgan/apps/deoldify_predictor.py``, 2.1.0.

    Args:
        network: A loaded colouriser.
        render_factor: 1 or more; larger sees more detail, smaller gives bolder colour.
        parity: See ``engine.pixels.parity``.
        since: Frames before this time are asked for by nobody and stay as they are.
        operations: What is done to pictures around the network; None: in NumPy, as the parity wants it.
    """

    def __init__(
        self,
        network: LoadedNetwork,
        *,
        render_factor: int = RENDER_FACTOR,
        parity: Parity = Parity.CORRECT,
        since: Fraction | None = None,
        operations: Operations | None = None,
    ) -> None:
        self._network = network
        self._since = since
        self._side = render_factor * RENDER_BASE
        self._operations = operations or HostOperations(parity)

    def __call__(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        last: tuple[Value, Value] | None = None
        for frame in frames:
            if self._since is not None and frame.time < self._since:
                yield frame
                continue
            if last is None or not self._operations.is_same(frame.rgb, last[0]):
                last = frame.rgb, self._colourised(frame.rgb)
            yield replace(frame, pixels=last[1])

    def _colourised(self, pixels: Value) -> Value:
        (seen,) = self._network.run("colour", picture=self._operations.look(pixels, self._side))
        return self._operations.coloured(pixels, seen)
