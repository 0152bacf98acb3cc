"""A whole film, three networks: reel-run in one pass against PaddleGAN's predictors one after the other.

    python benchmarks/chain.py

Both start from the same film with the same seeded weights and make the same frames of it, in turns. Of
PaddleGAN only the running is counted, its networks being loaded already; of reel the whole command from
start to end, and in another line the same without its loading. The result goes to ``results/chain.json``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import machine
import numpy as np
from chain_worker import ORDER, write
from contenders import exported
from contest import Contender, hold, say, summary
from reel.export.networks.examples import moving_pictures

WORKER = Path(__file__).with_name("chain_worker.py")


def draw(film: Path, frames: int, height: int, width: int) -> None:
    """Write a film of a scene that drifts."""
    pictures = [picture[0].transpose(1, 2, 0) for picture in moving_pictures(frames, height, width)]
    write(film, [(255 * picture).round().astype(np.uint8) for picture in pictures], 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path(__file__).with_name("store"))
    parser.add_argument("--frames", type=int, default=3, help="of the film, three at least (default: 3)")
    parser.add_argument("--size", default="48x32", metavar="WxH", help="default: 48x32")
    parser.add_argument("--render-factor", type=int, default=9, help="default: 9, as the frames are tiny")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=300, help="begin no further round after these")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    head = machine.facts()
    for name in ORDER:
        exported(name, options.store)
    with tempfile.TemporaryDirectory() as folder:
        draw(film := Path(folder) / "film.mp4", options.frames, height, width)
        case = (str(film), str(options.render_factor), str(options.store))

        def one(name: str, kind: str) -> Contender:
            return Contender(name, (sys.executable, str(WORKER), kind, *case))

        entrants = [
            one("PaddleGAN's predictors", "script"),
            one("reel-run", "reel"),
            one("reel-run, networks loaded", "reel-loaded"),
            one("reel-run --parity ppgan", "reel-ppgan"),
        ]
        measured = hold(entrants, Path(folder), rounds=options.rounds, seconds=options.seconds)
        for name, one_measured in measured.items():
            if one_measured.failure:
                say(f"  {name}: {one_measured.failure}")
                say((Path(folder) / f"{name.replace(' ', '-')}.log").read_text()[-2000:])
    head |= {"clip": {"frames": options.frames, "size": [width, height], "order": ORDER}}
    head["contenders"] = summary(measured, base="reel-run")
    kept = machine.keep("chain", head)
    for name, figures in head["contenders"].items():
        if "median" in figures:
            say(f"  {name}: {figures['median']:.1f} s, {figures['times_base']:.2f} times reel-run's")
    say(f"  {kept}")


if __name__ == "__main__":
    main()
