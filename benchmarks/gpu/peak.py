"""What the device can do at most: a large matrix product, and copies in and out: ``peak.py cuda``.

Through the same runtime as the networks (ONNX Runtime), on random numbers: on zeros the products are faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from reel.engine.backends.choice import chosen_backend
from reel.engine.device.device import Device
from reel.engine.networks.backend import Backend
from telling import pack, tell

_SIDE, _SMALL_SIDE = 8192, 256
_BYTES = 64 << 20
_ROUNDS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("device", choices=("cpu", "cuda"))
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    side = _SMALL_SIDE if options.rehearse else _SIDE
    with chosen_backend(options.device) as choice:
        rates: dict[str, float] = {}
        for precision in ("fp16", "fp32") if choice.backend.device else ("fp32",):
            rates[f"{precision}_teraflops"] = _product(choice.backend, precision, side)
            tell(side=side, **rates)
        if choice.backend.device is not None:
            tell(copies=_copies(choice.backend.device))


def _product(backend: Backend, precision: str, side: int) -> float:
    """Return the rate of the product of two matrices, TFLOP/s, the median of several."""
    rng = np.random.default_rng(0)
    dtype = np.float16 if precision == "fp16" else np.float32
    left, right = (rng.standard_normal((side, side), np.float32).astype(dtype) for _ in range(2))
    session = backend.load(pack() / "reel" / f"product-{precision}.onnx", keep=True)
    device = backend.device
    given = {
        name: value if device is None else device.upload(value)
        for name, value in (("left", left), ("right", right))
    }
    count = 1 if device is None else 10

    def run() -> None:
        for _ in range(count):
            session(**given)

    seconds = _median(run, device) / count
    session.close()
    return 2 * side**3 / seconds / 1e12


def write_product(target: Path, precision: str) -> None:
    """Write a graph of one matrix product; needs onnx."""
    import onnx
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT16 if precision == "fp16" else TensorProto.FLOAT
    named = [helper.make_tensor_value_info(name, kind, ["N", "N"]) for name in ("left", "right", "product")]
    node = helper.make_node("MatMul", ["left", "right"], ["product"])
    graph = helper.make_graph([node], "product", named[:2], named[2:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(target)
    )


def _copies(device: Device) -> dict[str, float]:
    """Return the rates of copies in and out through pinned memory, as frames take them, GB/s."""
    pixels = np.random.default_rng(0).integers(0, 255, _BYTES, np.uint8)
    there = device.upload(pixels)
    return {
        "in": _BYTES / _median(lambda: device.upload(pixels), device) / 1e9,
        "out": _BYTES / _median(lambda: device.download(there).wait(), device) / 1e9,
    }


def _median(run: Callable[[], object], device: Device | None) -> float:
    """Return how long it takes, seconds; once before is not counted."""
    times: list[float] = []
    for _ in range(_ROUNDS + 1):
        began = time.perf_counter()
        run()
        if device is not None:
            for stream in (device.arriving, device.compute, device.leaving):
                device.runtime.synchronise(device.record(stream).handle)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
