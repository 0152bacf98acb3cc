"""Train edvr-s, or edvr-s-film.

    python training/edvr_s.py --folder DIR                                     # four times the size
    python training/edvr_s.py --film --begin DIR/edvr-s.pt --folder DIR        # the same of worn film

goes on from the checkpoint in DIR where there is one. ``keep.py`` takes what has come of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from course import Plan, train
from degrade import shrunk, worn
from figures import decibels, luma, to_eight_bits, unsteadiness
from material import KEPT_CLIPS, SHARP_CLIPS, frames, photos, scikit_pictures, shots, with_smaller
from motion import camera_sequence, clip_sequence, turned
from PIL import Image
from starter_edvr import WINDOW, StarterEdvr

PATCH, BATCH = 40, 6
LEGS = (3_500, 8_000, 12_000, 25_000)
STEADY = {"edvr-s": 2_400, "edvr-s-film": 0}
"""Steps after which what changes from frame to frame, and should not, counts as well."""
COLOURED = 8_000  # steps after which more of the grain of worn film has colours, as colour film's has
CLIPS = 0.3  # share of the sequences that are cut out of films
SHAKE = 0.6  # gate weave of worn film, pixels of the large frame

material: dict[str, list] = {}


def prepare() -> None:
    """Load what the batches are made of."""
    torch.set_num_threads(1)
    material["pictures"] = with_smaller(photos(kept=False) + scikit_pictures())
    material["clips"] = shots(SHARP_CLIPS)


def sequence(rng, count, *, weave=0.0):
    """Return frames [count, S, S, 3]."""
    size = 4 * PATCH
    if rng.random() < CLIPS:
        return turned(clip_sequence(rng, material["clips"], count, size), rng)
    made = camera_sequence(rng, material["pictures"], count, size, weave=weave)
    if rng.random() < 0.1:
        made = made[..., rng.permutation(3)]
    return turned(made, rng)


def clean_batch(rng, step):
    """Return windows [N, 5, h, w, 3] and their middle frames [N, 4h, 4w, 3].

    Once steadiness counts, those of every two windows are neighbours.
    """
    count, length = (BATCH // 2, WINDOW + 1) if step >= STEADY["edvr-s"] else (BATCH, WINDOW)
    large = [sequence(rng, length) for _ in range(count)]
    return windows(large, [shrunk(frames) for frames in large])


def film_batch(rng, step):
    """Return the same, of worn film, two of five without colour."""
    count, length = (BATCH // 2, WINDOW + 1) if step >= STEADY["edvr-s-film"] else (BATCH, WINDOW)
    large = []
    for _ in range(count):
        made = sequence(rng, length, weave=SHAKE * rng.random())
        if rng.random() < 0.4:
            made = np.repeat(np.rint(luma(made)).astype(np.uint8)[..., None], 3, axis=3)
        large.append(made)
    coloured = 0.6 if step >= COLOURED else 0.3
    return windows(large, [worn(frames, rng, coloured=coloured) for frames in large])


def windows(large, small):
    """Return all windows of small sequences, and the middle frames of the large ones."""
    each = range(len(small[0]) - WINDOW + 1)
    return (
        np.stack([frames[i : i + WINDOW] for frames in small for i in each]),
        np.stack([frames[i + WINDOW // 2] for frames in large for i in each]),
    )


def loss_of(name):
    def loss(net, batch, step):
        window, wanted = batch
        off = net(window) - wanted
        steady = 0.5 * charbonnier(off[::2] - off[1::2]) if step >= STEADY[name] else 0.0
        return charbonnier(off) + steady

    return loss


def charbonnier(x):
    return torch.sqrt(x**2 + 1e-6).mean()


def enlarged(net, small, *, alone=False):
    """Return the inner frames of uint8 frames [N, h, w, 3] as a network has them, [N - 4, 4h, 4w, 3].

    With ``alone`` it is shown each frame five times in place of the frame and its neighbours.
    """
    x = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 255
    out = []
    with torch.no_grad():
        for index in range(len(x) - WINDOW + 1):
            window = x[index : index + WINDOW]
            y = net((window[[WINDOW // 2] * WINDOW] if alone else window)[None])[0]
            out.append(to_eight_bits(y.permute(1, 2, 0).numpy()))
    return np.stack(out)


def kept_sequences():
    """Return the sequences to measure on, by name: large frames [N, H, W, 3], H and W multiples of 32."""
    found = {}
    for name, clip in KEPT_CLIPS.items():
        whole = np.stack(frames(clip)[: WINDOW + 3])
        height, width = (min(v // 32 * 32, 384) for v in whole.shape[1:3])
        y, x = (whole.shape[1] - height) // 2, (whole.shape[2] - width) // 2
        found[name] = whole[:, y : y + height, x : x + width]
    rng = np.random.default_rng(7)
    stills = photos(kept=True)
    for index, still in enumerate(stills):
        smaller = with_smaller([still], scales=(0.6,))
        found[f"still{index}"] = camera_sequence(rng, smaller, WINDOW + 1, 256, fastest=6, layers=0.0)
    return found


def measure(film):
    """Return a function that measures a network.

    Decibels above bicubic, of RGB and of luma, and how many of them (RGB) come of the neighbours.
    """
    rng = np.random.default_rng(3)
    cases = {}
    for name, large in kept_sequences().items():
        small = worn(large, rng) if film else shrunk(large)
        inner = small[WINDOW // 2 : len(small) - WINDOW // 2]
        size = (large.shape[2], large.shape[1])
        cubic = np.stack(
            [np.asarray(Image.fromarray(s).resize(size, Image.Resampling.BICUBIC)) for s in inner]
        )
        cases[name] = (large[WINDOW // 2 : len(large) - WINDOW // 2], small, cubic)

    def gains(net):
        found = {}
        for name, (wanted, small, cubic) in cases.items():
            got = enlarged(net, small)
            found[f"{name}_rgb"] = mean_decibels(got, wanted) - mean_decibels(cubic, wanted)
            found[f"{name}_luma"] = mean_decibels(luma(got), luma(wanted)) - mean_decibels(
                luma(cubic), luma(wanted)
            )
            lone = mean_decibels(enlarged(net, small, alone=True), wanted)
            found[f"{name}_neighbours"] = mean_decibels(got, wanted) - lone
            found[f"{name}_steadier"] = unsteadiness(cubic, wanted) / max(unsteadiness(got, wanted), 1e-6)
        for kind in ("rgb", "luma", "neighbours"):
            found[f"clips_{kind}"] = float(np.mean([found[f"{name}_{kind}"] for name in KEPT_CLIPS]))
            found[f"stills_{kind}"] = float(np.mean([found[f"still{i}_{kind}"] for i in range(4)]))
        return {key: round(value, 3) for key, value in found.items()}

    return gains


def mean_decibels(got, wanted):
    return float(np.mean([decibels(g, w) for g, w in zip(got, wanted, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--film", action="store_true")
    parser.add_argument("--begin", type=Path, help="checkpoint whose mean weights are the first ones")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--until", type=int, default=LEGS[-1], help=f"step to stop after; legs end at {LEGS}")
    parser.add_argument("--every", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    name = "edvr-s-film" if args.film else "edvr-s"
    plan = Plan(
        name,
        seed=11,
        legs=LEGS,
        peak=8e-4,
        every=args.every,
    )
    torch.manual_seed(plan.seed)
    net = StarterEdvr()
    if args.begin:
        kept = torch.load(args.begin, weights_only=True)["mean"]
        net.load_state_dict({name: kept[name] for name in net.state_dict()})
    make = film_batch if args.film else clean_batch
    train(
        net,
        plan,
        args.folder,
        prepare=prepare,
        make=make,
        until=args.until,
        loss=loss_of(name),
        measure=measure(args.film),
    )


if __name__ == "__main__":
    main()
