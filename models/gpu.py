"""The GPU of this machine, as its driver says what it is."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import Any

from ..errors import BackendError

_LIBRARIES = ("nvcuda.dll", "nvml.dll") if sys.platform == "win32" else ("libcuda.so.1", "libnvidia-ml.so.1")
_COMPUTE_CAPABILITY = (75, 76)  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU that CUDA gives first, and its driver.

    Attributes:
        name: As its maker calls it.
        compute_capability: Such as ``9.0``.
        driver: Full version of the driver; where only CUDA can be asked, ``CUDA`` and the version it knows.
    """

    name: str
    compute_capability: str
    driver: str


def find_gpu(libraries: tuple[str, str] = _LIBRARIES) -> Gpu:
    """Return the GPU that CUDA gives first; ``CUDA_VISIBLE_DEVICES`` chooses.

    Args:
        libraries: Names of the driver's libraries: CUDA, and management.

    Raises:
        BackendError: There is no driver, or no GPU.
    """
    try:
        cuda = ctypes.CDLL(libraries[0])
    except OSError as error:
        raise BackendError(
            f"There is no NVIDIA driver here: {error}.", "Install one, or go on with --device cpu."
        ) from error
    device, count, version = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    _call(cuda, "cuInit", 0)
    _call(cuda, "cuDeviceGetCount", ctypes.byref(count))
    if not count.value:
        raise BackendError(
            "The NVIDIA driver shows no GPU.", "Check CUDA_VISIBLE_DEVICES, or go on with --device cpu."
        )
    _call(cuda, "cuDeviceGet", ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(256)
    _call(cuda, "cuDeviceGetName", name, len(name), device)
    capability: list[str] = []
    for attribute in _COMPUTE_CAPABILITY:
        value = ctypes.c_int()
        _call(cuda, "cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
        capability.append(str(value.value))
    _call(cuda, "cuDriverGetVersion", ctypes.byref(version))
    known = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    return Gpu(name.value.decode(errors="replace"), ".".join(capability), _driver(libraries[1]) or known)


def _call(library: Any, function: str, *arguments: Any) -> None:
    code = getattr(library, function)(*arguments)
    if code:
        text = ctypes.c_char_p()
        library.cuGetErrorString(code, ctypes.byref(text))
        words = (text.value or b"no words for it").decode(errors="replace")
        raise BackendError(
            f"The NVIDIA driver failed in {function}: {words} (error {code}).",
            "Check it with nvidia-smi, or go on with --device cpu.",
        )


def _driver(library: str) -> str | None:
    """Return the full version of the driver; None where it cannot be asked."""
    try:
        management = ctypes.CDLL(library)
    except OSError:
        return None
    if management.nvmlInit_v2():
        return None
    try:
        text = ctypes.create_string_buffer(96)
        failed = management.nvmlSystemGetDriverVersion(text, len(text))
        return None if failed else text.value.decode(errors="replace")
    finally:
        management.nvmlShutdown()
