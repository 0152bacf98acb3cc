"""Which device networks run on: the best that works, found by trying it, or the one that was named."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BackendError
from ...models.gpu import find_gpu
from ...models.tensorrt_library import load_tensorrt
from ..device.array import pixels_of
from ..device.device import Device
from ..device.runtime import Runtime
from ..networks.backend import Backend

DEVICES = ("tensorrt", "cuda", "cpu")
"""What networks can run on, the best first."""

# An ONNX file of one node that doubles x, [N], float32 (opset 17).
_TINY = (
    b'\x08\x08\x12\x00::\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Add\x12\x04tinyZ\x10\n\x01x\x12\x0b\n\t\x08\x01'
    b"\x12\x05\n\x03\x12\x01Nb\x10\n\x01y\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01NB\x04\n\x00\x10\x11"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """The device that was chosen.

    Attributes:
        backend: It, open.
        why: One line, for people: which one it is, and why none that would be better.
    """

    backend: Backend
    why: str


@contextmanager
def chosen_backend(device: str = "auto") -> Generator[Choice]:
    """Open a device for the ``with`` block.

    Args:
        device: ``cpu``, ``cuda``, ``tensorrt``, or ``auto`` for the best of them that works.

    Raises:
        BackendError: There is none of that name, or it does not work.
    """
    if device != "auto" and device not in DEVICES:
        known = ", ".join(["auto", *DEVICES])
        raise BackendError(f"There is no device called {device!r}.", f"Choose among: {known}.")
    with ExitStack() as stack:
        if device == "auto":
            choice = _best(stack)
        else:
            choice = Choice(_working(device, stack), f"device: {device}, as asked for")
        yield choice


def _best(stack: ExitStack) -> Choice:
    """Return the best device that works, and what is the matter with better ones."""
    try:
        gpu = find_gpu().name
    except BackendError as error:
        why = error.message.partition(":")[0].rstrip(".")
        return Choice(_working("cpu", stack), f"device: cpu ({why})")
    said: list[str] = []
    for name in DEVICES:
        try:
            backend = _working(name, stack, strict=False)
        except BackendError as error:
            if name == "cpu":
                raise
            said.append(f"{name}: {error.message.rstrip('.')}")
            continue
        where = "" if name == "cpu" else f" on {gpu}"
        because = f" (not {'; not '.join(said)})" if said else ""
        return Choice(backend, f"device: {name}{where}{because}")
    raise AssertionError("the CPU is among the devices")


def _working(name: str, stack: ExitStack, *, strict: bool = True) -> Backend:
    """Open a device and see it work; it stays open for as long as the stack does.

    Args:
        name: One of ``DEVICES``.
        stack: Closes it.
        strict: Whether it was asked for by its name, and so has to run all networks itself.

    Raises:
        BackendError: It does not work.
    """
    if name == "cpu":
        from .cpu import CpuBackend

        return CpuBackend()
    with ExitStack() as trying:
        backend = _tensorrt(trying, strict=strict) if name == "tensorrt" else _cuda(trying)
        _try_out(backend)
        stack.push(trying.pop_all().__exit__)
    return backend


def _cuda(stack: ExitStack, device: Device | None = None) -> Backend:
    if importlib.util.find_spec("onnxruntime") is None:
        raise BackendError("ONNX Runtime is not installed.", "Install it with `pip install onnxruntime-gpu`.")
    from .cuda import CudaBackend

    return CudaBackend(device or stack.enter_context(Device(_runtime())))


def _tensorrt(stack: ExitStack, *, strict: bool) -> Backend:
    load_tensorrt()  # most machines lack it, which is then the first to be told
    from .tensorrt import TensorrtBackend

    device = stack.enter_context(Device(_runtime()))
    # What is no network, and without ``strict`` those of which there are no engines, is ONNX Runtime's.
    return TensorrtBackend(device, rest=_cuda(stack, device), strict=strict)


def _runtime() -> Runtime:
    """Return CUDA's runtime, of which the bindings are installed with the GPU's libraries alone."""
    try:
        from ..device.cudart import Cudart
    except ImportError as error:
        raise BackendError(
            f"The Python bindings of CUDA cannot be loaded ({error}).",
            "Install them with `pip install cuda-bindings`, or use --device cpu.",
        ) from error
    runtime = Cudart()
    runtime.prepare()
    return runtime


def _try_out(backend: Backend) -> None:
    """Load a graph of one node and run it.

    Raises:
        BackendError: That fails, or gives something else than it should.
    """
    given = np.array([1.5, -2.0, 0.25], np.float32)
    with tempfile.TemporaryDirectory(prefix="reel-") as folder:
        path = Path(folder) / "tiny.onnx"
        path.write_bytes(_TINY)
        session = backend.load(path)
        try:
            found = pixels_of(session(x=given)[0])
        finally:
            session.close()
    if not np.array_equal(found, 2 * given):
        raise BackendError(
            f"{backend.name} made {found.tolist()} of twice {given.tolist()}.",
            "Check the GPU and its driver with nvidia-smi, or use --device cpu.",
        )
