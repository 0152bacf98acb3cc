"""What stages, source and sink do to pictures, as graphs: on whatever device a backend has."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from dataclasses import astuple
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import StoreError
from ...models.pictures import (
    BLOCK,
    DIFFERENCE,
    FINISH,
    LOOK,
    MERGE,
    PICTURES,
    PLACE,
    RESIZE,
    SAME,
    THUMBNAIL,
    TRANSPOSE,
    Planes,
    emit,
    ingest,
)
from ...models.store import Artifact, Store
from ..device.array import DeviceArray, Value, pixels_of
from ..networks.backend import Backend, Session
from .coding import Layout, numbers_from_rgb, numbers_to_rgb
from .colour import Samples
from .held import TOLERANCE, is_held
from .resample import lanczos_weights, weights
from .shots import HEIGHT, WIDTH, Thumbnail, thumbnail_weights

if TYPE_CHECKING:
    from .turn import Turn  # which needs the video library

Array = NDArray[Any]
Bytes = NDArray[np.uint8]


class Upload(Protocol):
    """Copies an array to where the graphs run (see ``Device.upload``)."""

    def __call__(self, pixels: Array, *, lane: int = 0) -> Value: ...


def _as_it_is(pixels: Array, *, lane: int = 0) -> Value:
    return pixels


class GraphOperations:
    """The operations on pictures (see ``engine.pixels.operations.Operations``) as graphs in a backend.

    A graph is loaded at its first use. What is the same from picture to picture, such as the weights of a
    resize, is uploaded once. Not for PaddleGAN's bytes: these are made in NumPy.

    Args:
        backend: What runs them.
        artifact: The files, float16 where the networks' are.
        upload: To where the graphs run; on the CPU that is nowhere else.
    """

    def __init__(
        self,
        backend: Backend,
        artifact: Artifact,
        *,
        upload: Upload = _as_it_is,
    ) -> None:
        self._backend = backend
        self._artifact = artifact
        self._upload = upload
        self._sessions: dict[str, Session] = {}
        self._constants: dict[Hashable, Value] = {}
        self._lock = Lock()  # source, stages and sink run in threads of their own
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._sessions.clear()
            self._constants.clear()
            self._open.close()

    def interrupt(self) -> None:
        """End whatever runs in another thread; this is of no use afterwards."""
        for session in list(self._sessions.values()):
            session.interrupt()

    def ingested(self, planes: Sequence[Any], layout: Layout, *, matrix: int, full_range: bool) -> Value:
        """Return the RGB of planes.

        Args:
            planes: [H, W] of unsigned samples in NumPy, or already on the device as ``models.pictures`` has
                them. Two, of which the second has U and V in turns, are what hardware decoders give.
            layout, matrix, full_range: As for ``colour.rgb_from_planes``.
        """
        lie = planes_of(layout, joined=layout.kind == "yuv" and len(planes) == 2)
        numbers = self._constant(
            ("in", layout, matrix, full_range),
            lambda: np.array(
                astuple(numbers_to_rgb(layout, matrix=matrix, full_range=full_range)), np.float32
            ),
        )
        names = [tensor.name for tensor in lie.tensors]
        given = {
            name: self._plane(plane, name, lane)
            for lane, (name, plane) in enumerate(zip(names, planes, strict=True))
        }
        return self._run(ingest(lie).name, **given, numbers=numbers)[0]

    def emitted(self, pixels: Value, layout: Layout, *, matrix: int, full_range: bool) -> tuple[Value, ...]:
        """Return the planes of RGB as ``models.pictures`` has them; see ``samples_of``."""
        height, width = pixels.shape[2:]

        def numbers() -> Array:
            fixed = astuple(numbers_from_rgb(layout, matrix=matrix, full_range=full_range))
            single = (side % 2 for side in (width, height))
            return np.array([*fixed, *single], np.float32)

        held = self._constant(("out", layout, matrix, full_range, height, width), numbers)
        seconds = {
            name: self._places(range(1, side + 1, 2), side)
            for name, side, halved in (
                ("rows", height, layout.half_height),
                ("columns", width, layout.half_width),
            )
            if halved
        }
        return self._run(emit(planes_of(layout)).name, pixels=pixels, numbers=held, **seconds)

    def padded(self, pixels: Value, *, top: int, bottom: int, left: int, right: int) -> Value:
        if not (top or bottom or left or right):
            return pixels
        height, width = pixels.shape[2:]
        rows = self._places(range(-top, height + bottom), height)
        columns = self._places(range(-left, width + right), width)
        return self._run(PLACE.name, pixels=pixels, rows=rows, columns=columns)[0]

    def finished(self, pixels: Value, *, top: int, left: int, height: int, width: int) -> Value:
        rows = self._places(range(top, top + height), pixels.shape[2])
        columns = self._places(range(left, left + width), pixels.shape[3])
        return self._run(FINISH.name, pixels=pixels, rows=rows, columns=columns)[0]

    def is_same(self, pixels: Value, previous: Value) -> bool:
        if pixels is previous or pixels.shape != previous.shape:
            return pixels is previous
        return bool(pixels_of(self._run(SAME.name, pixels=pixels, other=previous)[0])[0])

    def is_held(self, pixels: Value, previous: Value) -> bool:
        if min(pixels.shape[2:]) < BLOCK:
            return is_held(pixels_of(pixels), pixels_of(previous))
        return bool(pixels_of(self._run(DIFFERENCE.name, pixels=pixels, other=previous)[0])[0] <= TOLERANCE)

    def thumbnail(self, pixels: Value) -> Thumbnail:
        rows, columns = pixels.shape[2:]
        vertical = self._constant(("few rows", rows), lambda: thumbnail_weights(rows, HEIGHT))
        horizontal = self._constant(
            ("few columns", columns), lambda: np.ascontiguousarray(thumbnail_weights(columns, WIDTH).T)
        )
        found = self._run(THUMBNAIL.name, pixels=pixels, vertical=vertical, horizontal=horizontal)[0]
        return pixels_of(found)

    def turned(self, pixels: Value, turn: Turn) -> Value:
        if turn.transpose:
            (pixels,) = self._run(TRANSPOSE.name, pixels=pixels)
        if not (turn.across or turn.down):
            return pixels
        height, width = pixels.shape[2:]
        rows = range(height - 1, -1, -1) if turn.down else range(height)
        columns = range(width - 1, -1, -1) if turn.across else range(width)
        return self._run(
            PLACE.name,
            pixels=pixels,
            rows=self._places(rows, height),
            columns=self._places(columns, width),
        )[0]

    def look(self, pixels: Value, side: int) -> Value:
        vertical, horizontal = self._bilinear(pixels.shape[2:], (side, side))
        return self._run(LOOK.name, pixels=pixels, vertical=vertical, horizontal=horizontal)[0]

    def coloured(self, pixels: Value, seen: Value) -> Value:
        vertical, horizontal = self._bilinear(seen.shape[2:], pixels.shape[2:])
        return self._run(MERGE.name, pixels=pixels, coloured=seen, vertical=vertical, horizontal=horizontal)[
            0
        ]

    def resized(self, pixels: Value, height: int, width: int) -> Value:
        rows, columns = pixels.shape[2:]
        vertical = self._constant(("v", rows, height), lambda: lanczos_weights(rows, height))
        horizontal = self._constant(
            ("h", columns, width), lambda: np.ascontiguousarray(lanczos_weights(columns, width).T)
        )
        return self._run(RESIZE.name, pixels=pixels, vertical=vertical, horizontal=horizontal)[0]

    def _run(self, graph: str, **inputs: Value) -> tuple[Value, ...]:
        with self._lock:
            session = self._sessions.get(graph)
            if session is None:
                # Kept, since a device would be waited for after each run to give that memory back.
                session = self._backend.load(self._artifact.path(graph), keep=True)
                self._open.callback(session.close)
                self._sessions[graph] = session
        return session(**inputs)

    def _constant(self, key: Hashable, make: Callable[[], Array]) -> Value:
        """Return what is kept where the graphs run, made at its first use."""
        with self._lock:
            if key not in self._constants:
                self._constants[key] = self._upload(make())
            return self._constants[key]

    def _places(self, wanted: range, length: int) -> Value:
        """Return places of rows or columns, those outside being the outermost."""

        def places() -> Array:
            return np.clip(np.array(wanted), 0, length - 1).astype(np.int32)

        return self._constant(("places", wanted, length), places)

    def _bilinear(self, count: tuple[int, ...], target: tuple[int, ...]) -> tuple[Value, Value]:
        rows, columns = zip(count, target, strict=True)
        return (
            self._constant(("rows", rows), lambda: weights(*rows).astype(np.float32)),
            self._constant(
                ("columns", columns), lambda: np.ascontiguousarray(weights(*columns).T, np.float32)
            ),
        )

    def _plane(self, plane: Any, name: str, lane: int) -> Value:
        if isinstance(plane, DeviceArray):
            return plane
        return self._upload(bytes_of(cast(Samples, plane), joined=name == "uv"), lane=lane)


def graphs_in(store: Store, *, precision: str = "fp32") -> Artifact:
    """Return the graphs for pictures that an export has put into the store.

    Raises:
        StoreError: They are not there, damaged, or of another version.
    """
    try:
        return store.find(PICTURES, precision=precision)
    except StoreError as error:
        option = "" if precision == "fp32" else f" --precision {precision}"
        raise StoreError(
            f"The graphs for pictures cannot be had: {error.message}",
            f"Run `reel-export{option}` again for any network: it adds them.",
        ) from error


def planes_of(layout: Layout, *, joined: bool = False) -> Planes:
    """Return which graphs a layout needs."""
    deep = layout.bits > 8
    if layout.kind != "yuv":
        return Planes(layout.kind, deep=deep)
    halves = (layout.half_width, layout.half_height)
    sampling = {(True, True): "420", (True, False): "422", (False, True): "440"}.get(halves, "444")
    return Planes(sampling, between=layout.half_width and not layout.left, deep=deep, joined=joined)


def bytes_of(samples: Samples, *, joined: bool = False) -> Bytes:
    """Return [H, W] of unsigned samples as the bytes that a graph takes (see ``models.pictures.Planes``)."""
    rows, columns = samples.shape
    shape = (rows, columns // 2, 2) if joined else (rows, columns)
    if samples.dtype != np.uint8:
        samples, shape = samples.astype("<u2", copy=False), (*shape, 2)
    # Rows may lie apart, as a decoder has them: what copies them next puts them together.
    return samples.view(np.uint8).reshape(1, 1, *shape)


def samples_of(plane: Bytes | Value, layout: Layout) -> Samples:
    """Return the samples [H, W] of the bytes that a graph gave; those on a device are waited for."""
    if isinstance(plane, DeviceArray):
        plane = plane.device.download(plane).wait()
    samples = plane.view(np.uint8 if layout.bits <= 8 else np.dtype("<u2"))
    return samples.reshape(plane.shape[2:4])
