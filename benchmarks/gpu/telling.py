"""How a stage tells what it knows so far, and what it was given (see ``running.py``)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def tell(**fields: object) -> None:
    """Add to what is known: fields of the result, each in the place of what was told of it before."""
    sys.stdout.write(f"@@{json.dumps(fields)}\n")
    sys.stdout.flush()


def pack() -> Path:
    """Return the folder of the bundles that were unpacked."""
    return Path(os.environ["REEL_GPU_PACK"])


def work() -> Path:
    """Return the folder for what is made here."""
    return Path(os.environ["REEL_GPU_WORK"])
