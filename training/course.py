"""The course of a training: steps, a mean of the weights, checkpoints, measures, the curve."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

AHEAD = 4  # batches made before they are asked for


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how hard to train.

    Attributes:
        name: Of the network; files are called after it.
        seed: Of everything: the first weights and each batch.
        legs: The steps after which the rate of learning has fallen to nothing, and rises again for the
            next leg: after each of them the network is as good as that many steps make it.
        peak: The highest rate of learning, reached after ``warm`` steps and held.
        fall: Share of a leg, its end, over which the rate falls to nothing.
        every: Steps between two measures.
        mean: What a step leaves of the running mean of the weights, which is what is kept.
    """

    name: str
    seed: int
    legs: tuple[int, ...]
    peak: float
    warm: int = 200
    fall: float = 0.5
    every: int = 500
    mean: float = 0.999

    def rate(self, step: int) -> float:
        """Return the rate of learning at a step."""
        end = next(leg for leg in self.legs if leg > step)
        begin = max((leg for leg in self.legs if leg <= step), default=0)
        left = (end - step) / (self.fall * (end - begin))
        down = 0.5 - 0.5 * np.cos(np.pi * min(left, 1.0))
        return float(self.peak * min((step - begin + 1) / self.warm, 1.0) * down)


Batch = tuple[torch.Tensor, ...]
Make = Callable[[np.random.Generator, int], tuple[np.ndarray, ...]]


def train(
    net: torch.nn.Module,
    plan: Plan,
    folder: Path,
    *,
    prepare: Callable[[], None],
    make: Make,
    until: int,
    loss: Callable[[torch.nn.Module, Batch, int], torch.Tensor],
    measure: Callable[[torch.nn.Module], dict[str, float]],
) -> torch.nn.Module:
    """Train, from the last checkpoint in ``folder`` if there is one, and return the mean network.

    ``prepare`` loads the material in the process that makes the batches, ``make`` makes that of a
    step: uint8 or float32 arrays. ``until`` is the step to stop after.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mean = copy.deepcopy(net)
    net.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), plan.peak, betas=(0.9, 0.99))
    checkpoint, curve, first = folder / f"{plan.name}.pt", [], 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(kept["net"])
        mean.load_state_dict(kept["mean"])
        optimiser.load_state_dict(kept["optimiser"])
        curve, first = json.loads(kept["curve"]), kept["step"]
        print(f"{plan.name}: goes on after step {first}", flush=True)
    with ProcessPoolExecutor(1, initializer=prepare) as maker:
        ahead = [maker.submit(make_seeded, make, plan.seed, first + i) for i in range(AHEAD)]
        began, sum_of_losses = time.perf_counter(), 0.0
        for step in range(first, until):
            batch = ahead.pop(0).result()
            ahead.append(maker.submit(make_seeded, make, plan.seed, step + AHEAD))
            for group in optimiser.param_groups:
                group["lr"] = plan.rate(step)
            optimiser.zero_grad(set_to_none=True)
            value = loss(net, as_tensors(batch), step)
            value.backward()
            norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            if torch.isfinite(norm):
                optimiser.step()
            follow(mean, net, min(plan.mean, (step + 1) / (step + 10)))
            sum_of_losses += value.item()
            done = step + 1
            if done % 100 == 0:
                speed = (time.perf_counter() - began) / 100
                print(f"{plan.name} {done} loss {sum_of_losses / 100:.5f} {speed:.2f} s/step", flush=True)
                began, mean_loss, sum_of_losses = time.perf_counter(), sum_of_losses / 100, 0.0
                if done % plan.every == 0 or done in plan.legs:
                    curve.append({"step": done, "loss": mean_loss} | measure(mean))
                    print(f"{plan.name} {json.dumps(curve[-1])}", flush=True)
                    write(folder / f"{plan.name}.json", json.dumps(curve, indent=1).encode())
                    began = time.perf_counter()
                keep(checkpoint, net=net, mean=mean, optimiser=optimiser, curve=curve, step=done)
        for future in ahead:
            future.cancel()
    return mean


def make_seeded(make: Make, seed: int, step: int) -> tuple[np.ndarray, ...]:
    """Make the batch of a step, always the same one."""
    return make(np.random.default_rng([seed, step]), step)


def as_tensors(batch: tuple[np.ndarray, ...]) -> Batch:
    """Return pictures [..., H, W, 3] uint8 as [..., 3, H, W] in [0, 1], other arrays as they are."""
    return tuple(
        torch.from_numpy(a).movedim(-1, -3).float() / 255 if a.dtype == np.uint8 else torch.from_numpy(a)
        for a in batch
    )


@torch.no_grad()
def follow(mean: torch.nn.Module, net: torch.nn.Module, stays: float) -> None:
    """Move the mean of the weights towards the weights."""
    for m, p in zip(mean.parameters(), net.parameters(), strict=True):
        m.lerp_(p, 1 - stays)


def keep(path: Path, *, net: Any, mean: Any, optimiser: Any, curve: list[Any], step: int) -> None:
    """Write a checkpoint, whole or not at all."""
    part = path.with_suffix(".part")
    torch.save(
        {
            "net": net.state_dict(),
            "mean": mean.state_dict(),
            "optimiser": optimiser.state_dict(),
            "curve": json.dumps(curve),
            "step": step,
        },
        part,
    )
    part.replace(path)


def write(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)
