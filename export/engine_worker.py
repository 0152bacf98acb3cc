"""Engines in a process of its own: ONNX files -> engines, one after the other.

``python -m reel.export.engine_worker REQUEST.json`` writes the engines beside the request and says what it
does, a line of JSON each. A process of its own because TensorRT ends the process that it cannot work in,
lets nobody interrupt it, and keeps the GPU's memory.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ReelError
from ..models.engines import Basis, basis_from
from ..models.tensorrt_library import load_tensorrt
from .engine_from_onnx import engine_from_onnx

REQUEST, RESULT, TIMING = "request.json", "result.json", "timing.cache"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One engine: the ONNX file that it is built from, and all that it depends on."""

    source: str
    basis: Basis


def plan_name(index: int) -> str:
    """Return the name of the file of one of the engines that were asked for."""
    return f"{index}.plan"


def build_here(wanted: list[Wanted], folder: Path) -> None:
    """Write the engines that are wanted into the folder, and what was measured on the way.

    Raises:
        ReelError: One of them could not be built; those before it are there.
    """
    trt = load_tensorrt()
    timing = folder / TIMING
    for index, one in enumerate(wanted):
        began = time.monotonic()
        measured = timing.read_bytes() if timing.is_file() else b""
        source = readable(one, folder)
        built = engine_from_onnx(trt, source, one.basis, timing=measured, progress=_tenths(index))
        (folder / plan_name(index)).write_bytes(built.plan)
        (partial := folder / f"{TIMING}.partial").write_bytes(built.timing)
        partial.replace(timing)
        _say({"built": index, "seconds": round(time.monotonic() - began, 1)})


def readable(one: Wanted, folder: Path) -> Path:
    """Return the ONNX file to build from: the graph's, or one that TensorRT can read where it cannot."""
    source = Path(one.source)
    if not one.basis.sampled or b"DeformConv" not in source.read_bytes():
        return source
    import onnx

    from .deformable_by_sampling import without_deformable_convolution

    model = onnx.load(str(source))
    without_deformable_convolution(model)
    onnx.save(model, str(target := folder / source.name))
    return target


def _tenths(index: int) -> Callable[[float], None]:
    """Return what says how far an engine is, each tenth once."""
    told = 0

    def tell(share: float) -> None:
        nonlocal told
        if int(share * 10) > told:
            told = int(share * 10)
            _say({"building": index, "share": told / 10})

    return tell


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, and its pipe with it."""
    os.read(0, 1)
    os._exit(1)


def main() -> int:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    request = Path(sys.argv[1])
    folder = request.parent
    wanted = [Wanted(one["source"], basis_from(one["basis"])) for one in json.loads(request.read_text())]
    result: dict[str, str] = {}
    try:
        build_here(wanted, folder)
    except ReelError as error:
        result = {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
    except OSError as error:
        result = {
            "error": "ExportError",
            "message": f"An engine could not be written to the store: {error.strerror or error}.",
            "remedy": "Free some space, or choose another folder with --store.",
        }
    (folder / RESULT).write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
