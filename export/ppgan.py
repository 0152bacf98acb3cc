"""PaddleGAN's own networks, imported from the ppgan package without the rest of it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from pathlib import Path
from types import ModuleType

from ..errors import ExportError

# ppgan 2.1.0 imports every model and predictor in the __init__ files of these packages, among them
# modules that need paddle.fluid, which Paddle removed. Only their submodules are wanted here.
_PACKAGES = ("ppgan", "ppgan.models", "ppgan.models.generators", "ppgan.modules", "ppgan.utils", "ppgan.apps")


def ppgan_module(name: str) -> ModuleType:
    """Import one module of ppgan, such as ``ppgan.models.generators.edvr``.

    Raises:
        ExportError: ppgan is not installed.
    """
    if "ppgan" not in sys.modules:
        spec = importlib.util.find_spec("ppgan")
        if spec is None or spec.origin is None:
            raise ExportError(
                "ppgan, which defines DeOldify and EDVR, is not installed.",
                "Install it with `pip install --no-deps ppgan==2.1.0`.",
            )
        root = Path(spec.origin).parent
        for package in _PACKAGES:
            module = ModuleType(package)
            module.__path__ = [str(root.joinpath(*package.split(".")[1:]))]
            sys.modules[package] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escape sequences and the like: ppgan 2.1.0 is of 2021
        return importlib.import_module(name)
