"""Whether copies hide behind computing: ``copies.py NETWORK BACKEND``.

Frames in, through the network, and out again: only the copies, only the network, and both as a film runs
them. Where copies are hidden wholly, both take as long as the longer of the two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from one_frame import Pictures, maker, padded, pictures_for, type_of_frames
from reel.engine.backends.choice import chosen_backend
from reel.engine.device.device import Device
from reel.engine.device.transfers import Download, in_flight
from reel.engine.networks.backend import LoadedNetwork
from reel.models.manifest import network_named
from reel.models.store import Store
from telling import tell


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network")
    parser.add_argument("backend", choices=("cpu", "cuda"))
    parser.add_argument("--rehearse", action="store_true")
    options = parser.parse_args()
    network = network_named(options.network)
    width, height = padded(network, *((96, 64) if options.rehearse else (640, 480)))
    with chosen_backend(options.backend) as choice:
        if choice.backend.device is None:
            tell(line="nothing is copied on the CPU")
            return
        precision = choice.backend.precisions[0]
        artifact = Store().find(network, precision=precision)
        with LoadedNetwork(network, artifact, choice.backend, keep=True) as loaded:
            dtype = type_of_frames(network, precision)
            pictures = [picture.astype(dtype) for picture in pictures_for(network, width, height)]
            _measure(loaded, choice.backend.device, pictures, 5 if options.rehearse else 60)


def _measure(loaded: LoadedNetwork, device: Device, pictures: Pictures, count: int) -> None:
    there = [device.upload(picture) for picture in pictures]
    make = maker(loaded, there)
    result = make()

    def computed() -> Iterator[Download]:
        for _ in range(count):
            make()
        yield device.download(there[0])

    def copied() -> Iterator[Download]:
        for number in range(count):
            device.upload(pictures[number % len(pictures)])
            yield device.download(result)  # pyright: ignore[reportArgumentType]

    def both() -> Iterator[Download]:
        for number in range(count):
            device.upload(pictures[number % len(pictures)])
            yield device.download(make())  # pyright: ignore[reportArgumentType]

    seconds: dict[str, float] = {}
    for name, work in (("network", computed), ("copies", copied), ("both", both)):
        for _ in range(2):  # the first is not counted
            began = time.perf_counter()
            for _ in in_flight(work()):
                pass
            seconds[name] = (time.perf_counter() - began) / count
    hidden = hidden_share(seconds["network"], seconds["copies"], seconds["both"])
    tell(
        seconds=seconds,
        hidden=hidden,
        line=f"{hidden:.0%} of the copies hidden ({1e3 * seconds['network']:.2f} ms of network, "
        f"{1e3 * seconds['copies']:.2f} of copies, {1e3 * seconds['both']:.2f} of both a frame)",
    )


def hidden_share(network: float, copies: float, both: float) -> float:
    """Return the share of the shorter of two that ran beside the longer one, 0 to 1."""
    return float(np.clip((network + copies - both) / min(network, copies), 0, 1))


if __name__ == "__main__":
    main()
