"""Any file of official weights in; checked float32 arrays under our names out."""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from ..models.store import file_digest
from .ncnn_weights import arrays_from_ncnn
from .npz import arrays_from_npz
from .pickles import arrays_from_pickle
from .program import named_from_program
from .torch_weights import arrays_from_torch

Arrays = Mapping[str, NDArray[Any]]
Shapes = Mapping[str, tuple[int, ...]]

# BatchNorm's counter of training steps: PyTorch and some Paddle exports carry it, no result uses it.
# And the weight that spectral normalisation last computed, saved beside its source by some Paddles.
# And a layer of the paper's DAIN that its authors' network holds and never runs.
_IGNORABLE = (
    ".num_batches_tracked",
    ".layer.weight",
    "flownets.deconv2.weight",
    "flownets.deconv2.bias",
)
_TORCH_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # a pickle of PyTorch's magic number

_LISTED_MOST = 3  # names listed of each fault


def read_weights(path: Path, *, expected: Shapes, key: str | None) -> dict[str, NDArray[np.float32]]:
    """Read the parameters of a network, whatever kind of file they come in.

    The kind is told from the contents, never from the suffix: an ``.npz``, a pickle such as a
    ``.pdparams``, a PyTorch file, a frozen Paddle program (a tar, or a folder with ``model`` and
    ``params``), or the folder of DAIN's ncnn port.

    Args:
        path: The file or folder.
        expected: Name -> shape of every parameter and running statistic, in construction order. A
            frozen program is matched to that order, since its own names are generated.
        key: Entry of a pickle that holds the parameters, such as ``"generator"``.

    Returns:
        float32 arrays, all finite, in the order of ``expected``. Halves and doubles are cast; an integer
        is accepted as a single value only. Arrays may be read-only.

    Raises:
        WeightsError: The file cannot be read as one of those kinds, or a name is missing or unknown, a
            shape is another one or a value is not finite. Unknown names ending in
            ``.num_batches_tracked`` are dropped.
    """
    arrays = _arrays(path, expected, key)
    unknown = {name: array for name, array in arrays.items() if name not in expected}
    for name in [name for name in unknown if name.endswith(_IGNORABLE)]:
        del unknown[name]
    _check_names_and_shapes(path, arrays, expected, unknown)
    return {name: _float32(path, name, arrays[name]) for name in expected}


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits; WeightsError where it cannot be read."""
    try:
        return file_digest(path)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from error


def weights_digest(arrays: Arrays) -> str:
    """Return the sha256 of arrays themselves, for weights that no single file holds.

    It covers each name, type, shape and the little-endian bytes, in the order of sorted names, so it is
    the same on every machine and for every order of the mapping.
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        plain = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        digest.update(f"{name}\0{plain.dtype.str}\0{plain.shape}\0".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()


def _arrays(path: Path, expected: Shapes, key: str | None) -> Arrays:
    if holds_ncnn(path):
        return arrays_from_ncnn(path, expected)
    if holds_program(path):
        return named_from_program(path, list(expected.items()))
    start = _start(path)
    if start.startswith(_TORCH_LEGACY) or (start.startswith(b"PK") and _is_torch_zip(path)):
        return arrays_from_torch(path, key=key)
    if start.startswith(b"PK"):
        # Doubles at most, and the headers of the entries.
        values = sum(math.prod(shape) for shape in expected.values())
        return arrays_from_npz(path, limit=16 * values + 4096 * (len(expected) + 64))
    if start.startswith(b"\x80"):
        return arrays_from_pickle(path, key=key)
    if start.lstrip()[:1] == b"<":
        raise _unread(path, "a web page")
    if start.startswith(b"version https://git-lfs"):
        raise _unread(path, "a git-lfs pointer")
    raise _unread(path, "empty" if not start else "of an unknown kind")


def holds_ncnn(path: Path) -> bool:
    """Tell whether a folder holds the graphs of DAIN's ncnn port."""
    return (path / "ctxnet.param").is_file()


def holds_program(path: Path) -> bool:
    """Tell whether a file or folder is a frozen program, whose parameters are known by their order alone.

    Raises:
        WeightsError: The file cannot be read.
    """
    if holds_ncnn(path):
        return False
    if path.is_dir() or path.name in ("model", "__model__"):
        return True
    start = _start(path)
    return start[257:262] == b"ustar" or start.startswith(b"\x1f\x8b")


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror}.",
            "Check the path given with --weights, or leave it out to download the official file.",
        ) from error


def _is_torch_zip(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False  # cut off: let the reader of .npz say so
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("data.pkl") for name in archive.namelist())


def _unread(path: Path, what: str) -> WeightsError:
    return WeightsError(
        f"{path.name} is {what}, not weights of this network.",
        "Give its .npz, .pdparams or frozen program with --weights, or leave --weights out to download it.",
    )


def _check_names_and_shapes(path: Path, arrays: Arrays, expected: Shapes, unknown: Arrays) -> None:
    """Report every kind of misfit at once: one look tells a wrong variant from a wrong file."""
    missing = [f"{name} {tuple(shape)}" for name, shape in expected.items() if name not in arrays]
    extra = [f"{name} {array.shape}" for name, array in unknown.items()]
    wrong = [
        f"{name} is {arrays[name].shape} instead of {tuple(shape)}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != tuple(shape)
    ]
    faults = [
        _listed(what, names)
        for what, names in (("missing", missing), ("unknown", extra), ("of another shape", wrong))
        if names
    ]
    if faults:
        raise WeightsError(
            f"{path.name} does not fit the network's {len(expected)} arrays: {'; '.join(faults)}.",
            "It is likely of another network or variant: give the matching file, or leave --weights out.",
        )


def _listed(what: str, names: Sequence[str]) -> str:
    more = ", ..." if len(names) > _LISTED_MOST else ""
    return f"{len(names)} {what} ({', '.join(names[:_LISTED_MOST])}{more})"


def _float32(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind != "f" and array.size != 1:
        # Paddle stores bfloat16 as uint16: a cast would turn its bits into nonsense, silently.
        raise WeightsError(
            f"{name} in {path.name} holds {array.dtype} where floats belong.",
            "Give a file saved in float32 or float16.",
        )
    with np.errstate(over="ignore"):  # a double beyond float32 becomes infinite and is reported below
        cast = np.asarray(array, np.float32, order="C")
    if not np.isfinite(cast).all():
        raise WeightsError(
            f"{name} in {path.name} holds values that are not finite.",
            "The file is damaged or its training diverged: fetch it again or give another one.",
        )
    return cast
