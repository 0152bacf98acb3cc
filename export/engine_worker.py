"""Engines in a process of its own: ONNX files -> engines, one after the other.

``python -m reel.export.engine_worker REQUEST.json`` writes the engines beside the request and says what it
does (see ``export.process``).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..models.engines import Basis, basis_from
from ..models.tensorrt_library import load_tensorrt
from .engine_from_onnx import engine_from_onnx
from .process import answer, say

TIMING = "timing.cache"


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
        say(built=index, seconds=round(time.monotonic() - began, 1))


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
            say(building=index, share=told / 10)

    return tell


def main() -> int:
    def build(request: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
        build_here([Wanted(one["source"], basis_from(one["basis"])) for one in request], folder)
        return {}

    return answer(build)


if __name__ == "__main__":
    sys.exit(main())
