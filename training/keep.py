"""Take what a training has come to into the project.

    python training/keep.py edvr-s --folder DIR

reads the checkpoint in DIR and writes the weights (``models/edvr-s.npz``, float16), the course of the
measures as JSON and as a picture (``training/curves/``), and a small example of what PyTorch makes of these
weights (``tests/parity/starters/``), which the Paddle network is compared with.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from course import write
from PIL import Image
from starter_dain import StarterDain
from starter_edvr import WINDOW, StarterEdvr

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "tests" / "parity" / "starters"
NETWORKS = {"edvr-s": StarterEdvr, "edvr-s-film": StarterEdvr, "dain-s": StarterDain}


def halved(net: torch.nn.Module) -> dict[str, np.ndarray]:
    """Round a network's weights to float16, in place, and return them."""
    arrays = {}
    for name, parameter in net.named_parameters():
        arrays[name] = parameter.detach().half().contiguous().numpy()
        parameter.data = parameter.data.half().float()
    return arrays


def made_up_film(count):
    """Return frames [count, 160, 160, 3] of coloured blots that drift: nobody's picture."""
    noise = np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    blots = np.asarray(Image.fromarray(noise).resize((240, 240), Image.Resampling.BICUBIC))
    return np.stack([blots[20 + 2 * i : 180 + 2 * i, 20 + i : 180 + i] for i in range(count)])


@torch.no_grad()
def example(name: str, net: torch.nn.Module) -> dict[str, np.ndarray]:
    """Return inputs and what the network makes of them."""
    film = made_up_film(WINDOW)
    if name == "dain-s":
        a, b = (film[i, 60:92, 60:124].transpose(2, 0, 1)[None] for i in (0, 2))
        t = np.array([0.4], np.float32)
        given = (torch.from_numpy(a).float() / 255, torch.from_numpy(b).float() / 255, torch.from_numpy(t))
        return {"a": a, "b": b, "t": t, "expected": net(*given).numpy()}
    window = film[:, 100:116, 100:124].transpose(0, 3, 1, 2)[None]
    return {"window": window, "expected": net(torch.from_numpy(window).float() / 255).numpy()}


def draw(name: str, curve: list[dict[str, float]], target: Path) -> None:
    """Draw the course of the measures."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    steps = [point["step"] for point in curve]
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    shown = sorted({key.removesuffix("_rgb") for key in curve[-1] if key.endswith("_rgb")})
    for case in shown:
        whole = case in ("clips", "stills")
        axes.plot(
            steps,
            [point[f"{case}_rgb"] for point in curve],
            label=f"{case}, mean" if whole else case,
            linewidth=2.5 if whole else 1,
        )
    baseline = "the mean of both neighbours" if name == "dain-s" else "bicubic"
    axes.set(xlabel="steps", ylabel=f"dB above {baseline} (RGB)", title=f"{name}, on films never trained on")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8, ncols=2)
    figure.tight_layout()
    figure.savefig(target, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=sorted(NETWORKS))
    parser.add_argument("--folder", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    kept = torch.load(args.folder / f"{args.network}.pt", weights_only=True)
    net = NETWORKS[args.network]()
    net.load_state_dict(kept["mean"])
    curve = json.loads(kept["curve"])
    curves = ROOT / "training" / "curves"
    for part in (EXAMPLES, curves):
        part.mkdir(exist_ok=True)
    np.savez_compressed(ROOT / "models" / f"{args.network}.npz", **halved(net))
    np.savez_compressed(EXAMPLES / f"{args.network}.npz", **example(args.network, net))
    write(curves / f"{args.network}.json", json.dumps(curve, indent=1).encode() + b"\n")
    draw(args.network, curve, curves / f"{args.network}.png")
    print(f"{args.network}: after {kept['step']} steps, {json.dumps(curve[-1])}")


if __name__ == "__main__":
    main()
