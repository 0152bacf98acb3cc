"""ONNX Runtime on the CPU: the backend that works anywhere."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any, cast

import onnxruntime

from ...errors import BackendError, OutOfMemoryError
from ...models.store import Artifact
from ..device.array import Pixels, Value
from ..networks.backend import Runner

# What ONNX Runtime 1.31 says where memory runs out.
_NO_MEMORY = ("bad_alloc", "Failed to allocate memory")


class CpuSession:
    """A graph in ONNX Runtime (see ``engine.networks.backend.Session``)."""

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

    def __call__(self, **inputs: Value) -> tuple[Pixels, ...]:
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
    """ONNX Runtime's CPU provider (see ``engine.networks.backend.Backend``).

    Args:
        threads: Threads per graph; None means one per core.
    """

    name = "cpu"
    precisions = ("fp32",)
    device = None

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads

    def memory(self) -> None:
        return None

    def runner(self, artifact: Artifact) -> Runner:
        return Runner(self.name)

    def load(self, path: Path, *, keep: bool = False) -> CpuSession:
        give_large_blocks_back()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if keep:
            # One arena for all graphs, since they run one at a time: each with its own would hold three
            # times as much. Weights stay out of it, between whose blocks nothing large would fit.
            _share_arena()
            options.add_session_config_entry("session.use_env_allocators", "1")
            options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
            # One block planned for each size of input would stay in the arena beside all others.
            options.enable_mem_pattern = False
        else:
            options.enable_cpu_mem_arena = False
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        return CpuSession(path, options)


@cache
def _share_arena() -> None:
    """Have ONNX Runtime make the arena of the process; it can be made once only, and never unmade."""
    cpu = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    # Regions that double in size (strategy 0) up to 64 MiB: of the size asked for (1), or without a limit,
    # they took a quarter more.
    growth = {"arena_extend_strategy": 0, "max_power_of_two_extend_bytes": 64 << 20}
    onnxruntime.create_and_register_allocator(cpu, onnxruntime.OrtArenaCfg(growth))


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
