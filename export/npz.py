"""Arrays out of an ``.npz``, with sizes checked before memory is reserved for them."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..errors import WeightsError

_REMEDY = "Delete it and export again; if you gave it with --weights, fetch or write a fresh copy."


def arrays_from_npz(path: Path, *, limit: int) -> dict[str, NDArray[Any]]:
    """Read every array of an ``.npz``.

    ``numpy.load`` reserves the memory that a header asks for before it looks at the data; here the
    header must agree with the size of its zip entry, and all of them together with ``limit``.

    Args:
        path: As ``numpy.savez`` or ``numpy.savez_compressed`` writes it.
        limit: Most bytes that all arrays together may take.

    Returns:
        Float, integer or bool arrays in C order, read-only, in the file's order.

    Raises:
        WeightsError: The file is damaged, larger than ``limit`` or holds anything but plain numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
            if total > limit:
                raise WeightsError(
                    f"{path.name} unpacks to {total} bytes, more than its network has.", _REMEDY
                )
            arrays: dict[str, NDArray[Any]] = {}
            for entry in archive.infolist():
                with archive.open(entry) as file:
                    arrays[entry.filename.removesuffix(".npy")] = _array(file, entry.file_size)
            return arrays
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(f"{path.name} is damaged or no .npz of plain arrays: {error}.", _REMEDY) from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.", _REMEDY) from error


def _array(file: IO[bytes], size: int) -> NDArray[Any]:
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"array format {version}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise ValueError(f"values of type {dtype} where numbers belong")
    data = file.read(size)
    # The reshape refuses a header that claims more or fewer values than there are.
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return np.asarray(array, dtype.newbyteorder("="), order="C")
