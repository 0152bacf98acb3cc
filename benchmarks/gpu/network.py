"""One network on one backend: is it right, and how fast: ``network.py NETWORK BACKEND PRECISION``.

Compared with the float32 graphs on the CPU, by the bounds that the network's own facts have. Speed is along a
film: what belongs to a frame is computed once per frame. Frames are on the device already and results stay
there; the time is from the first of many to the last.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from gpu_facts import Watch
from one_frame import SQUARE, maker, padded, pictures_for, type_of_frames
from reel.engine.backends.choice import chosen_backend
from reel.engine.backends.cpu import CpuBackend
from reel.engine.backends.engine_check import difference
from reel.engine.device.array import Value, pixels_of
from reel.engine.networks.backend import Backend, LoadedNetwork
from reel.models.manifest import network_named
from reel.models.spec import Kind, Network
from reel.models.store import Artifact, Store
from stages import sizes
from telling import pack, tell

_SECONDS = 1.5
"""Of each of three rounds, about."""

_ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("backend", choices=("cpu", "cuda", "tensorrt"))
    parser.add_argument("precision", choices=("fp16", "fp32"))
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    network, store = network_named(options.network), Store()
    artifact = store.find(network, precision=options.precision)
    if options.backend == "tensorrt":
        _build_engines(network, artifact, store)
    expected = _checked_frames(network, store.find(network), CpuBackend())
    with Watch() as watch, chosen_backend(options.backend) as choice:
        tell(device=choice.why)
        _check(network, artifact, choice.backend, expected)
        _measure(network, artifact, choice.backend, rehearse=options.rehearse)
        tell(**{key: value for key, value in watch.facts().items() if key != "busy"})


def _build_engines(network: Network, artifact: Artifact, store: Store) -> None:
    from reel.cli.engines import comparing
    from reel.export.engines import build_engines

    began = time.monotonic()
    with comparing() as check:
        made = build_engines(network, artifact, store, check=check)
    seconds = {engine.card.basis.graph: engine.card.seconds for engine in made.engines}
    tell(engines={"seconds": sum(seconds.values()), "each": seconds, "now": time.monotonic() - began})


def _checked_frames(network: Network, artifact: Artifact, backend: Backend) -> list[np.ndarray]:
    width, height = padded(network, 96, 64)
    with LoadedNetwork(network, artifact, backend) as loaded:
        make = maker(loaded, _on(backend, network, artifact, width, height))
        return [pixels_of(make()) for _ in range(2)]


def _on(backend: Backend, network: Network, artifact: Artifact, width: int, height: int) -> list[Value]:
    """Return frames where the backend has them, in the type that the graphs take."""
    dtype = type_of_frames(network, artifact.card.precision)
    frames = pictures_for(network, width, height)
    if backend.device is None:
        return [frame.astype(dtype) for frame in frames]
    return [backend.device.upload(frame, dtype) for frame in frames]


def _check(network: Network, artifact: Artifact, backend: Backend, expected: list[np.ndarray]) -> None:
    bound = network.half_tolerance if artifact.card.precision == "fp16" else network.tolerance
    found = _checked_frames(network, artifact, backend)
    relative = max(difference(network, one, other) for one, other in zip(expected, found, strict=True))
    tell(
        check={
            "relative_l2": relative,
            "allowed": bound.relative_l2,
            "right": bool(relative <= bound.relative_l2),
            **levels(expected, found),
        }
    )


def levels(expected: list[np.ndarray], found: list[np.ndarray]) -> dict[str, float]:
    """Return how far frames are apart in 8 bits: the share of values within one level, and the most."""
    eight = [np.clip(np.stack(frames) * 255.0, 0, 255).round() for frames in (expected, found)]
    apart = np.abs(eight[0] - eight[1])
    return {"within_a_level": float((apart <= 1).mean()), "most_levels": float(apart.max())}


def _measure(network: Network, artifact: Artifact, backend: Backend, *, rehearse: bool) -> None:
    counted: dict[str, float] = json.loads((pack() / "reel" / "work.json").read_text())
    speed: dict[str, Any] = {}
    names = ("any",) if network.kind is Kind.COLOURISE else sizes(rehearse=rehearse)
    for name in names:
        side = 64 if rehearse else SQUARE
        width, height = (side, side) if name == "any" else map(int, name.split("x"))
        width, height = padded(network, width, height)
        room = backend.memory()
        with LoadedNetwork(network, artifact, backend, memory=room, keep=True) as loaded:
            make = maker(loaded, _on(backend, network, artifact, width, height))
            speed[name] = _timed(make, backend, seconds=0.2 if rehearse else _SECONDS)
        teraflops = 2 * counted[network.name] * width * height * speed[name]["frames_per_second"] / 1e12
        speed[name] |= {"network_size": f"{width}x{height}", "teraflops": teraflops}
        tell(speed=speed)


def _timed(make: Callable[[], Value], backend: Backend, *, seconds: float) -> dict[str, Any]:
    """Return frames per second, the median of rounds of some seconds, after a warm-up."""

    def took(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            make()
        if backend.device is not None:
            device = backend.device
            device.runtime.synchronise(device.record(device.compute).handle)
        return time.perf_counter() - began

    first = took(1)
    once = min(took(2), took(2)) / 2
    count = max(round(seconds / once), 1)
    rounds = [took(count) / count for _ in range(_ROUNDS)]
    return {
        "frames_per_second": 1 / statistics.median(rounds),
        "spread": [1 / max(rounds), 1 / min(rounds)],
        "frames": count * _ROUNDS,
        "first_frame_seconds": first,
    }


if __name__ == "__main__":
    main()
