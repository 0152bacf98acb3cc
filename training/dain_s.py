"""Train dain-s.

    python training/dain_s.py --folder DIR

goes on from the checkpoint in DIR where there is one. ``keep.py`` takes what has come of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from course import Plan, train
from figures import decibels, luma, to_eight_bits
from layers import layered_frames
from material import KEPT_CLIPS, MOVING_CLIPS, frames, photos, scikit_pictures, shots, with_smaller
from motion import clip_sequence, turned
from starter_dain import StarterDain, sample

PATCH, BATCH = 128, 6
LEGS = (4_000, 6_500, 15_000, 40_000)
FINELY = 1_800  # steps after which the motion is corrected at full size, and frames are read sharply
MEASURED = 3_400  # steps after which the motion is measured as well

material: dict[str, list] = {}


def prepare() -> None:
    """Load what the batches are made of."""
    torch.set_num_threads(1)
    material["pictures"] = with_smaller(photos(kept=False) + scikit_pictures())
    material["clips"] = shots(MOVING_CLIPS)


def triplet(rng):
    """Return frames [3, S, S, 3] at the times 0, t and 1, and t."""
    if rng.random() < 0.35:
        return turned(clip_sequence(rng, material["clips"], 3, PATCH, steps=(1, 1, 2, 3)), rng), 0.5
    t = 0.5 if rng.random() < 0.3 else rng.uniform(0.1, 0.9)
    made = layered_frames(rng, material["pictures"], (0.0, t, 1.0), PATCH)
    if rng.random() < 0.3:  # what is filmed is seldom free of noise
        noise = rng.normal(0, rng.uniform(0, 4), made.shape)
        made = np.clip(np.rint(made + noise), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        made, t = made[::-1], 1 - t
    made = made if rng.random() < 0.5 else made[:, :, ::-1]
    made = made if rng.random() < 0.5 else made[:, ::-1]
    return np.ascontiguousarray(made if rng.random() < 0.5 else made.transpose(0, 2, 1, 3)), t


def batch(rng, step):
    """Return the outer frames [N, 2, S, S, 3], the middle ones [N, S, S, 3] and their times [N]."""
    made = [triplet(rng) for _ in range(BATCH)]
    outer = np.stack([m[[0, 2]] for m, _ in made])
    return outer, np.stack([m[1] for m, _ in made]), np.array([t for _, t in made], np.float32)


def charbonnier(x):
    return torch.sqrt(x**2 + 1e-6).mean()


def loss(net, batch, step):
    outer, wanted, t = batch
    a, b = outer[:, 0], outer[:, 1]
    between, blend, flows = net(a, b, t, steps=True, finely=step >= FINELY, measure=step >= MEASURED)
    value = charbonnier(between - wanted) + 0.3 * charbonnier(blend - wanted)
    # Coarse flows learn sooner if each is asked on its own to bring the one frame onto the other.
    for level, flow in zip((5, 4, 3, 2), flows, strict=True):
        there, back = flow.split(len(a))
        small_a, small_b = (F.avg_pool2d(x, 2**level) for x in (a, b))
        value = value + 0.05 * (
            charbonnier(small_a - sample(small_b, there)) + charbonnier(small_b - sample(small_a, back))
        )
    return value


def measure():
    """Return a function that measures a network; decibels above the average of the outer frames."""
    triplets = {}
    for name, clip in KEPT_CLIPS.items():
        film = np.stack(frames(clip))
        height, width = (min(v // 32 * 32, 384) for v in film.shape[1:3])
        y, x = (film.shape[1] - height) // 2, (film.shape[2] - width) // 2
        film = film[:, y : y + height, x : x + width]
        chosen = [
            film[i : i + 3]
            for i in range(0, len(film) - 2, 2)
            if min(np.abs(film[i + k].astype(int) - film[i + k + 1]).mean() for k in (0, 1)) > 0.5
        ]
        triplets[name] = chosen[:5]

    def gains(net):
        found = {}
        for name, cases in triplets.items():
            rgb, grey = [], []
            for case in cases:
                a, b = (torch.from_numpy(case[i]).permute(2, 0, 1)[None].float() / 255 for i in (0, 2))
                with torch.no_grad():
                    got = to_eight_bits(net(a, b, torch.tensor([0.5]))[0].permute(1, 2, 0).numpy())
                mean = np.rint((case[0].astype(np.float64) + case[2]) / 2)
                rgb.append(decibels(got, case[1]) - decibels(mean, case[1]))
                grey.append(decibels(luma(got), luma(case[1])) - decibels(luma(mean), luma(case[1])))
            found[f"{name}_rgb"], found[f"{name}_luma"] = float(np.mean(rgb)), float(np.mean(grey))
        for kind in ("rgb", "luma"):
            found[f"clips_{kind}"] = float(np.mean([found[f"{name}_{kind}"] for name in triplets]))
        return {key: round(value, 3) for key, value in found.items()}

    return gains


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--until", type=int, default=LEGS[-1], help=f"step to stop after; legs end at {LEGS}")
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    plan = Plan("dain-s", seed=12, legs=LEGS, peak=5e-4, every=args.every)
    torch.manual_seed(plan.seed)
    net = StarterDain()
    train(
        net,
        plan,
        args.folder,
        prepare=prepare,
        make=batch,
        until=args.until,
        loss=loss,
        measure=measure(),
    )


if __name__ == "__main__":
    main()
