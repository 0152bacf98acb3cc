"""CUDA's runtime, as its Python bindings give it: every return code is looked at."""

from __future__ import annotations

from typing import Any

# Installed with the extra `cuda` alone, so that a type checker may not find it.
from cuda.bindings import driver  # pyright: ignore
from cuda.bindings import runtime as cuda  # pyright: ignore

from ...errors import BackendError, OutOfMemoryError
from .runtime import Block

_NO_DEVICE = {"cudaErrorNoDevice", "cudaErrorInsufficientDriver", "cudaErrorSystemDriverMismatch"}
_ALL = 2**64 - 1  # bytes: more than any device has


class Cudart:
    """The first of the devices that CUDA shows (see ``engine.device.runtime.Runtime``).

    CUDA_VISIBLE_DEVICES says which one that is.
    """

    def prepare(self) -> None:
        """Make sure that there is a device, and that it keeps what is given back for the next who asks.

        On its own it would give all of that back to the system at every wait for an event.

        Raises:
            BackendError: There is no device, or no driver for it.
        """
        _done(cuda.cudaGetDeviceCount(), "cudaGetDeviceCount")
        pool = _done(cuda.cudaDeviceGetDefaultMemPool(0), "cudaDeviceGetDefaultMemPool")
        threshold = cuda.cudaMemPoolAttr.cudaMemPoolAttrReleaseThreshold
        _done(
            cuda.cudaMemPoolSetAttribute(pool, threshold, driver.cuuint64_t(_ALL)), "cudaMemPoolSetAttribute"
        )

    def make_stream(self) -> int:
        flags = cuda.cudaStreamNonBlocking
        return int(_done(cuda.cudaStreamCreateWithFlags(flags), "cudaStreamCreateWithFlags"))

    def destroy_stream(self, stream: int) -> None:
        _done(cuda.cudaStreamDestroy(stream), "cudaStreamDestroy")

    def make_event(self) -> int:
        flags = cuda.cudaEventDisableTiming
        return int(_done(cuda.cudaEventCreateWithFlags(flags), "cudaEventCreateWithFlags"))

    def destroy_event(self, event: int) -> None:
        _done(cuda.cudaEventDestroy(event), "cudaEventDestroy")

    def record(self, event: int, stream: int) -> None:
        _done(cuda.cudaEventRecord(event, stream), "cudaEventRecord")

    def wait(self, stream: int, event: int) -> None:
        _done(cuda.cudaStreamWaitEvent(stream, event, 0), "cudaStreamWaitEvent")

    def synchronise(self, event: int) -> None:
        _done(cuda.cudaEventSynchronize(event), "cudaEventSynchronize")

    def has_happened(self, event: int) -> bool:
        result = cuda.cudaEventQuery(event)
        if result[0] == cuda.cudaError_t.cudaErrorNotReady:
            cuda.cudaGetLastError()  # remembers it as if it were an error
            return False
        _done(result, "cudaEventQuery")
        return True

    def allocate(self, size: int, stream: int) -> int:
        return int(_done(cuda.cudaMallocAsync(size, stream), "cudaMallocAsync"))

    def free(self, pointer: int, stream: int) -> None:
        _done(cuda.cudaFreeAsync(pointer, stream), "cudaFreeAsync")

    def allocate_pinned(self, size: int) -> int:
        return int(_done(cuda.cudaHostAlloc(size, cuda.cudaHostAllocDefault), "cudaHostAlloc"))

    def free_pinned(self, pointer: int) -> None:
        _done(cuda.cudaFreeHost(pointer), "cudaFreeHost")

    def copy_in(self, target: int, pinned: int, size: int, stream: int) -> None:
        kind = cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        _done(cuda.cudaMemcpyAsync(target, pinned, size, kind, stream), "cudaMemcpyAsync")

    def copy_out(self, pinned: int, source: int, size: int, stream: int) -> None:
        kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        _done(cuda.cudaMemcpyAsync(pinned, source, size, kind, stream), "cudaMemcpyAsync")

    def copy_block(self, block: Block, stream: int) -> None:
        parameters = cuda.cudaMemcpy3DParms()
        parameters.srcPtr = _pitched(block.source, block.source_pitch, block.source_plane)
        parameters.dstPtr = _pitched(block.target, block.target_pitch, block.target_plane)
        extent = cuda.cudaExtent()
        extent.width, extent.height, extent.depth = block.width, block.height, block.depth
        parameters.extent = extent
        parameters.kind = cuda.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        _done(cuda.cudaMemcpy3DAsync(parameters, stream), "cudaMemcpy3DAsync")

    def begin_capture(self, stream: int) -> None:
        mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        _done(cuda.cudaStreamBeginCapture(stream, mode), "cudaStreamBeginCapture")

    def end_capture(self, stream: int) -> int:
        return int(_done(cuda.cudaStreamEndCapture(stream), "cudaStreamEndCapture"))

    def graph_nodes(self, graph: int) -> int:
        _, count = _done(cuda.cudaGraphGetNodes(graph, 0), "cudaGraphGetNodes")
        return int(count)

    def instantiate(self, graph: int) -> int:
        return int(_done(cuda.cudaGraphInstantiate(graph, 0), "cudaGraphInstantiate"))

    def destroy_graph(self, graph: int) -> None:
        _done(cuda.cudaGraphDestroy(graph), "cudaGraphDestroy")

    def launch(self, executable: int, stream: int) -> None:
        _done(cuda.cudaGraphLaunch(executable, stream), "cudaGraphLaunch")

    def destroy_executable(self, executable: int) -> None:
        _done(cuda.cudaGraphExecDestroy(executable), "cudaGraphExecDestroy")

    def memory(self) -> tuple[int, int]:
        free, total = _done(cuda.cudaMemGetInfo(), "cudaMemGetInfo")
        return int(free), int(total)


def _pitched(pointer: int, pitch: int, rows: int) -> Any:
    place = cuda.cudaPitchedPtr()
    place.ptr, place.pitch, place.xsize, place.ysize = pointer, pitch, pitch, rows
    return place


def _done(result: tuple[Any, ...], name: str) -> Any:
    """Return what a call gave: one value, or a tuple of several.

    Raises:
        OutOfMemoryError: The call had not enough memory.
        BackendError: It went wrong, or what was put into a stream before.
    """
    code, *values = result
    if code != cuda.cudaError_t.cudaSuccess:
        cuda.cudaGetLastError()  # or the next library that asks takes this error for its own
        raise _error(code, name)
    return values[0] if len(values) == 1 else tuple(values)


def _error(code: Any, name: str) -> BackendError:
    _, words = cuda.cudaGetErrorString(code)
    said = bytes(words).decode(errors="replace") if words else "an unknown error"
    kind = getattr(code, "name", str(code))
    message = f"CUDA failed: {said} ({kind} from {name})."
    if kind == "cudaErrorMemoryAllocation":
        return OutOfMemoryError(
            message, "Close other programs that use the GPU, or give --memory less than it has free."
        )
    if kind in _NO_DEVICE:
        return BackendError(message, "Install NVIDIA's driver for the machine's GPU, or use --device cpu.")
    return BackendError(message, "Try again, or use --device cpu; please report it if it stays.")
