"""ONNX Runtime on the CPU: the backend that works anywhere."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any, cast

import onnxruntime

from ...errors import BackendError, OutOfMemoryError
from ..frame import Pixels

# What ONNX Runtime 1.31 says where memory runs out.
_NO_MEMORY = ("bad_alloc", "Failed to allocate memory")


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
            if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
                raise OutOfMemoryError(
                    "There is not enough memory to run the network.",
                    "Close other programs, or give --memory less: frames are then computed in smaller parts.",
                ) from error
            raise BackendError(f"ONNX Runtime failed: {error}", "Please report this.") from error

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
        give_large_blocks_back()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # The arena never gives memory back and grows in powers of two: for EDVR at 320x180 it held 2.9 GB
        # where 1.8 were in use, and was no faster.
        options.enable_cpu_mem_arena = False
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        return CpuSession(path, options)


def give_large_blocks_back() -> None:
    """Have the C library ask the system for each large block, and give it back when it is freed.

    On its own it does so above a size that rises to 32 MiB. Smaller ones, of 64-byte alignment as ONNX
    Runtime asks for, were not reused before glibc 2.38: EDVR-M's reconstruction at 384x256 took 504 MB in
    place of 97, in the same time.
    """
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc alone has it
        if set_option is not None:
            set_option(_MMAP_THRESHOLD, 4 << 20)


_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
