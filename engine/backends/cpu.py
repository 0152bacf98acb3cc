"""ONNX Runtime on the CPU: the backend that works anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import onnxruntime

from ...errors import BackendError
from ..frame import Pixels


class CpuSession:
    """A graph in ONNX Runtime (see ``engine.backend.Session``)."""

    def __init__(self, path: Path, options: Any) -> None:
        self._running = onnxruntime.RunOptions()
        self._running.log_severity_level = 4  # an interruption is no error to print
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime raises classes of its own that share no other base
            raise BackendError(
                f"ONNX Runtime cannot load {path}: {error}", "Export the network again with reel-export."
            ) from error

    def __call__(self, **inputs: Pixels) -> tuple[Pixels, ...]:
        try:
            return tuple(cast(list[Pixels], self._session.run(None, inputs, self._running)))
        except Exception as error:
            raise BackendError(
                f"ONNX Runtime failed: {error}",
                "If memory ran out, close other programs or take a smaller film.",
            ) from error

    def interrupt(self) -> None:
        self._running.terminate = True  # looked at between the nodes of the graph

    def close(self) -> None:
        del self._session


class CpuBackend:
    """ONNX Runtime's CPU provider (see ``engine.backend.Backend``).

    Args:
        threads: Threads per graph; None means one per core.
    """

    name = "cpu"

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads

    def load(self, path: Path) -> CpuSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # The arena never gives memory back and grows in powers of two: for EDVR at 320x180 it held 2.9 GB
        # where 1.8 were in use, and was no faster.
        options.enable_cpu_mem_arena = False
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        return CpuSession(path, options)
