"""Frames that stay on a device from the first network to the last, and their way there and back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np

from ...models.store import Artifact
from ..device.array import DeviceArray, Value
from ..device.device import Device
from ..device.transfers import UNDER_WAY, Download, held_back
from ..networks.backend import Backend
from ..pixels.frame import Frame
from ..pixels.graph_operations import GraphOperations, graphs_in, samples_of
from ..pixels.parity import Parity
from ..pixels.planar import Coding, Picture, Planar, is_same_picture

_log = logging.getLogger(__name__)


def picture_graphs(artifacts: Sequence[Artifact], backend: Backend, parity: Parity) -> Artifact | None:
    """Return the graphs for what is done to pictures between these networks, in their precision.

    None where frames go through the machine's memory between them: on the CPU, where PaddleGAN's bytes are
    wanted, which are made in NumPy, and where networks differ in the type of their pictures.

    Raises:
        StoreError: They have not been exported, or by another version, or a file is damaged.
    """
    if backend.device is None or parity is Parity.PPGAN or not artifacts:
        return None
    precisions = {artifact.card.precision for artifact in artifacts}
    if len(precisions) > 1:
        _log.warning(
            "Some networks run in fp16 and some in fp32, so frames leave the device between them, which is "
            "slower; export all in one precision."
        )
        return None
    return graphs_in(artifacts[0].store, precision=precisions.pop())


class _Operations(GraphOperations):
    """Those on a device, which is never asked whether frames are equal: for an answer it is waited for.

    Frames that came from here are compared here. Of those that networks made equal ones share an array, since
    every stage gives one for equal frames. Only a network that makes the same of different frames, to the
    last bit, is not seen to; what follows is then computed again, from the same.

    Attributes:
        here: Arrays on the device, for as long as they are there, and what was uploaded to them.
    """

    def __init__(self, backend: Backend, artifact: Artifact, device: Device) -> None:
        super().__init__(backend, artifact, upload=device.upload)
        self.here: WeakKeyDictionary[DeviceArray, Picture] = WeakKeyDictionary()

    def is_same(self, pixels: Value, previous: Value) -> bool:
        if isinstance(pixels, DeviceArray) and isinstance(previous, DeviceArray):
            one, other = self.here.get(pixels), self.here.get(previous)
            if one is not None and other is not None:
                return is_same_picture(one, other)
            return pixels is previous
        return super().is_same(pixels, previous)


class OnDevice:
    """A device that frames stay on, usable while it is entered.

    Args:
        device: Where they stay.
        backend: What runs the graphs for pictures there.
        artifact: These graphs.

    Attributes:
        operations: What stages do to pictures there.
    """

    def __init__(self, device: Device, backend: Backend, artifact: Artifact) -> None:
        self.operations = _Operations(backend, artifact, device)
        self._device = device
        self._dtype = np.dtype(np.float16 if artifact.card.precision == "fp16" else np.float32)

    def __enter__(self) -> Self:
        self.operations.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.operations.__exit__(kind, error, trace)

    def arriving(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Give the frames as RGB on the device, each once the next two are on their way there.

        Those that are planes become RGB there. Frames that follow each other and are equal share an array.
        """
        return held_back(self._uploaded(frames), UNDER_WAY - 1)

    def leaving(self, frames: Iterator[Frame], coding: Coding | None = None) -> Iterator[Frame]:
        """Give the frames with their pixels in the machine's memory, each once two more are computed.

        Nobody waits for the device but here, and here it has those to compute. Frames that share an array
        share it afterwards.

        Args:
            frames: On the device, or what is here already, which stays as it is.
            coding: Of the planes that they become there; None: they stay RGB.
        """
        last: tuple[_Departure, Picture] | None = None
        for frame, departure in held_back(self._departing(frames, coding), UNDER_WAY - 1):
            if departure is None:
                yield frame
                continue
            if last is None or last[0] is not departure:
                last = departure, departure.wait()
            yield replace(frame, pixels=last[1])

    def _uploaded(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        last: tuple[Picture, DeviceArray] | None = None
        for frame in frames:
            here = frame.picture
            if last is None or not (here is last[0] or is_same_picture(here, last[0])):
                last = here, self._upload(here)
                self.operations.here[last[1]] = here
            yield replace(frame, pixels=last[1])

    def _upload(self, picture: Picture) -> DeviceArray:
        if not isinstance(picture, Planar):
            return self._device.upload(picture, self._dtype)
        coding = picture.coding
        there = self.operations.ingested(
            picture.planes, coding.layout, matrix=coding.matrix, full_range=coding.full_range
        )
        if picture.turn is not None:
            there = self.operations.turned(there, picture.turn)
        assert isinstance(there, DeviceArray)
        return there

    def _departing(
        self, frames: Iterator[Frame], coding: Coding | None
    ) -> Iterator[tuple[Frame, _Departure | None]]:
        """Give the frames with what brings their pixels; None for those that are here."""
        last: tuple[DeviceArray, _Departure] | None = None
        for frame in frames:
            pixels = frame.pixels
            if not isinstance(pixels, DeviceArray):
                yield frame, None
                continue
            if last is None or last[0] is not pixels:
                last = pixels, self._departure(pixels, coding)
            yield frame, last[1]

    def _departure(self, pixels: DeviceArray, coding: Coding | None) -> _Departure:
        if coding is None:
            return _Departure((pixels,), None)
        planes = self.operations.emitted(
            pixels, coding.layout, matrix=coding.matrix, full_range=coding.full_range
        )
        return _Departure(planes, coding)


class _Departure:
    """A picture on its way from the device: RGB, or the planes of it."""

    def __init__(self, parts: Sequence[Value], coding: Coding | None) -> None:
        self._coding = coding
        self._downloads: list[Download] = []
        for part in parts:
            assert isinstance(part, DeviceArray)
            self._downloads.append(part.device.download(part))

    def wait(self) -> Picture:
        """Return it when it is there; a second call is an error."""
        arrived = [download.wait() for download in self._downloads]
        if self._coding is None:
            return arrived[0].astype(np.float32, copy=False)
        return Planar(tuple(samples_of(part, self._coding.layout) for part in arrived), self._coding)
