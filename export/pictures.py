"""The graphs of ``models.pictures``, built node by node, checked, and put into the store as one artifact."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ExportError
from ..models.card import EXPORT_REVISION, Card, GraphFile, Parity, artifact_key
from ..models.pictures import (
    DIFFERENCE,
    FINISH,
    LOOK,
    MERGE,
    PICTURES,
    PLACE,
    READ,
    RESIZE,
    SAME,
    THUMBNAIL,
    TRANSPOSE,
    WRITTEN,
    emit,
    ingest,
)
from ..models.spec import Tensor
from ..models.store import Artifact, Store, file_digest
from .check import graphs_in
from .picture_changes import (
    difference_model,
    finish_model,
    look_model,
    merge_model,
    place_model,
    resize_model,
    same_model,
    thumbnail_model,
    transpose_model,
)
from .picture_planes import emit_model, ingest_model
from .recipe import Run

if TYPE_CHECKING:
    import onnx

Build = Callable[[str], "onnx.ModelProto"]
"""From a precision to a graph."""

_LIBRARY = "onnx"  # what the graphs are made with

_SIZE = (35, 47)  # of the pictures that they are tried on: rows, columns
# 8 bits of BT.601 in full range, as JFIF has it, in the order of TO_RGB and FROM_RGB.
_TO_RGB = (0, 255, 128, 255, 1.402, 0.344136, 0.714136, 1.772, 255)
_FROM_RGB = (0.299, 0.587, 0.114, 255 / 1.772, 255 / 1.402, 255, 0, 128, 255, 1, 1)


def builders() -> dict[str, Build]:
    """Return what builds each graph, by the graph's name."""
    changes: list[tuple[str, Build]] = [
        (PLACE.name, place_model),
        (FINISH.name, finish_model),
        (SAME.name, same_model),
        (LOOK.name, look_model),
        (MERGE.name, merge_model),
        (RESIZE.name, resize_model),
        (TRANSPOSE.name, transpose_model),
        (THUMBNAIL.name, thumbnail_model),
        (DIFFERENCE.name, difference_model),
    ]
    return {
        **{ingest(planes).name: partial(ingest_model, planes) for planes in READ},
        **{emit(planes).name: partial(emit_model, planes) for planes in WRITTEN},
        **dict(changes),
    }


def export_pictures(store: Store, *, precision: str = "fp32") -> Artifact:
    """Put the graphs into the store, unless exactly these are there already and undamaged.

    Args:
        store: Where to.
        precision: ``fp32`` or ``fp16``, of the networks that the pictures go through.

    Raises:
        ExportError: A graph does not give back what it was given.
        StoreError: The store cannot be written.
    """
    models = {
        name: build(precision).SerializeToString(deterministic=True) for name, build in builders().items()
    }
    # They have no weights. Their own digest takes that place in the key: what changes is exported anew.
    digest = hashlib.sha256(b"".join(hashlib.sha256(model).digest() for model in models.values())).hexdigest()
    versions = {_LIBRARY: importlib.metadata.version(_LIBRARY)}
    key = artifact_key(PICTURES.name, precision, digest, versions)
    for artifact in store.artifacts(PICTURES, precision=precision):
        if artifact.card.key == key and store.damage(artifact) is None:
            return artifact
    with store.writing() as scratch:
        try:
            (finished := scratch / "artifact").mkdir()
            graphs = {name: _written(finished / f"{name}.onnx", model) for name, model in models.items()}
            card = Card(
                network=PICTURES.name,
                precision=precision,
                revision=EXPORT_REVISION,
                weights="none",
                weights_sha256=digest,
                rehearsal=False,
                versions=versions,
                created=datetime.now(UTC).isoformat(timespec="microseconds"),
                graphs=graphs,
                parity=tuple(_there_and_back(graphs_in(finished))),
            )
            return store.keep(finished, card)
        except OSError as error:
            raise ExportError(
                f"The graphs for pictures could not be written: {error.strerror or error}.",
                "Free some space, or choose another folder with --store.",
            ) from error


def _written(path: Path, model: bytes) -> GraphFile:
    path.write_bytes(model)
    return GraphFile(path.name, len(model), file_digest(path))


def _there_and_back(run: Run) -> Iterator[Parity]:
    """Take 8-bit planes to RGB and back through the graphs, which must not change a single level.

    Raises:
        ExportError: They do.
    """
    noise = np.random.default_rng(1)
    # Only those that a graph takes are handed to it.
    seconds = {
        name: np.minimum(np.arange(1, side + 1, 2), side - 1).astype(np.int32)
        for name, side in zip(("rows", "columns"), _SIZE, strict=True)
    }
    for planes in WRITTEN:
        if planes.deep:
            continue
        # Colours that all lie within RGB, so that none is clipped.
        given = {
            tensor.name: noise.integers(104, 152, _shape(tensor)).astype(np.uint8)
            for tensor in planes.tensors
        }
        (pixels,) = run(ingest(planes).name, **given, numbers=np.array(_TO_RGB, np.float32))
        back = run(emit(planes).name, pixels=pixels, numbers=np.array(_FROM_RGB, np.float32), **seconds)
        if not all(np.array_equal(*pair) for pair in zip(given.values(), back, strict=True)):
            raise ExportError(
                f"The graphs for pictures do not give back what they were given ({planes.name}).",
                "Nothing was stored. Check that the versions of requirements/export.txt are installed.",
            )
        yield Parity(*_SIZE, maximum=0.0, mean=0.0, relative_l2=0.0)


def _shape(tensor: Tensor) -> tuple[int, ...]:
    height, width = _SIZE
    sides = {"H": height, "W": width, "h": (height + 1) // 2, "w": (width + 1) // 2}
    return tuple(side if isinstance(side, int) else sides[side] for side in tensor.shape)
