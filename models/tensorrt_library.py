"""TensorRT's Python module: found, of a version that is known, and with its errors kept."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import Annotated, Any

from ..errors import BackendError

OLDEST = (10, 1)
"""The first TensorRT that runs all graphs. 8.6 runs those without deformable convolution and scattering."""

_MODULES = ("tensorrt", "tensorrt_bindings")  # the package, and what its wheels consist of

# TensorRT carries no types. Such names say what is what, to readers and to the check of every name that is
# used against TensorRT's own bindings (tests/test_tensorrt_names.py).
Trt = Annotated[Any, "tensorrt"]
Logger = Annotated[Any, "ILogger"]

_log = logging.getLogger(__name__)


def load_tensorrt() -> Any:
    """Return the module ``tensorrt``, of a version that reel knows.

    Raises:
        BackendError: It is not installed, its libraries are not found, or its version is none of those.
    """
    for name in _MODULES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name in _MODULES:
                continue
            raise _unusable(error) from error
        except (ImportError, OSError, RuntimeError) as error:
            raise _unusable(error) from error
        version = version_of(module.__version__)
        if version < OLDEST and version != (8, 6):
            raise BackendError(
                f"TensorRT {module.__version__} is none that reel can use.",
                "Install 10.1 or later, or use --device cuda.",
            )
        return module
    raise BackendError(
        "TensorRT is not installed.", "Install it with `pip install tensorrt`, or use --device cuda."
    )


def version_of(text: str) -> tuple[int, int]:
    """Return the first two numbers of a version."""
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def _unusable(error: Exception) -> BackendError:
    return BackendError(
        f"TensorRT is installed and cannot be loaded: {error}.",
        "Install its libraries as well (`pip install tensorrt`), or use --device cuda.",
    )


def logger(trt: Trt, keep: Callable[[str], object]) -> Logger:
    """Return a logger for TensorRT's objects, which calls it from any thread.

    Args:
        trt: The module.
        keep: Given every error, in TensorRT's words. What is less than an error goes to the debug log.
    """
    levels = trt.ILogger.Severity
    grave = (levels.INTERNAL_ERROR, levels.ERROR)

    class Kept(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: object, msg: str) -> None:
            if severity in grave:
                keep(msg)
            else:
                _log.debug("%s", msg)

    return Kept()
