"""What networks restore of material that the starter networks were never trained on, and what it costs.

    python benchmarks/starters.py [NETWORK ...] --store PATH

Each network that enlarges or interpolates runs over the films and photos that ``training/material.py`` keeps
for measuring: one that enlarges over films shrunk by a cubic (``clean``) and over worn ones (``worn``),
beside bicubic and Lanczos; one that interpolates over films of which every second frame is left out, beside
repetition and averaging. Writes ``results/starters-NETWORK.json``: decibels of RGB and of luma, SSIM,
unsteadiness (how far changes from frame to frame are from the true ones, levels of 8 bits), and seconds for a
frame of 640x480; and a picture. A network that the store has on random weights alone is only timed, as
``edvr`` and ``dain`` may be. Needs OpenCV and Pillow, and ``../shared`` (see ``training/README.md``).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, facts, keep
from numpy.typing import NDArray
from PIL import Image
from reel.engine.backends.cpu import CpuBackend
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.pixels.frame import Frame
from reel.engine.stages.cadence import Cadence
from reel.engine.stages.interpolate import Interpolate
from reel.engine.stages.upscale import Upscale
from reel.models.manifest import network_named
from reel.models.spec import Kind, Network
from reel.models.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "training"))
from degrade import shrunk, worn
from figures import decibels, luma, similarity, unsteadiness
from material import KEPT_CLIPS, frames, photos, with_smaller
from motion import camera_sequence

Film = NDArray[np.uint8]
"""Frames [N, H, W, 3]."""

Stage = Callable[[Iterator[Frame]], Iterator[Frame]]

EDGE = 2  # frames at each end of a film that are not measured: an EDVR has not all neighbours there
WEARS = {"clean": lambda film, _: shrunk(film), "worn": worn}


def main() -> None:
    """Measure each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["edvr-s", "edvr-s-film", "dain-s"])
    parser.add_argument("--store", type=Path)
    parser.add_argument("--only-time", action="store_true", help="no quality")
    args = parser.parse_args()
    for name in args.networks:
        network = network_named(name)
        artifact = Store(args.store).find(network)
        result = facts(("onnxruntime", "numpy", "opencv-python-headless"))
        result |= {"network": name, "weights": artifact.card.weights_sha256[:16]}
        with LoadedNetwork(network, artifact, CpuBackend(), keep=True) as loaded:
            if not (args.only_time or artifact.card.rehearsal):
                stage = stage_of(network, loaded)
                measured = (
                    interpolation(name, stage) if Kind.INTERPOLATE is network.kind else enlarging(name, stage)
                )
                result |= {"cases": measured, "mean": means(measured)}
            result["seconds"] = pace(network, stage_of(network, loaded))
        print(keep(f"starters-{name}", result), result.get("mean", ""), result["seconds"], flush=True)


def stage_of(network: Network, loaded: LoadedNetwork) -> Stage:
    """Return the stage of the engine that runs a network."""
    match network.kind:
        case Kind.UPSCALE:
            return Upscale(loaded)
        case Kind.INTERPOLATE:
            return Interpolate(loaded, Cadence(factor=Fraction(2)))
        case Kind.COLOURISE:
            raise SystemExit(f"{network.name} colours: nobody knows which colours would be right.")


def films() -> dict[str, Film]:
    """Return the films to measure on by name; four of them are photos under a moving camera."""
    found = {name: cropped(np.stack(frames(clip)), 32) for name, clip in KEPT_CLIPS.items()}
    rng = np.random.default_rng(7)
    for number, photo in enumerate(photos(kept=True), start=1):
        smaller = with_smaller([photo], scales=(0.6,))
        found[f"photo {number}"] = camera_sequence(rng, smaller, 13, 256, fastest=6, layers=0.0)
    return found


def cropped(film: Film, multiple: int) -> Film:
    height, width = (side // multiple * multiple for side in film.shape[1:3])
    return film[:, :height, :width]


def enlarging(network: str, stage: Stage) -> dict[str, Any]:
    """Compare enlarged films with the large ones: figures by kind of wear, film and way."""
    cases: dict[str, Any] = {}
    for wear, shrink in WEARS.items():
        rng, shown = np.random.default_rng(3), list[Film]()
        cases[wear] = {}
        for name, large in films().items():
            small = shrink(large, rng)
            size = (large.shape[2], large.shape[1])
            ways = {
                "bicubic": np.stack([resized(f, size, Image.Resampling.BICUBIC) for f in small]),
                "Lanczos": np.stack([resized(f, size, Image.Resampling.LANCZOS) for f in small]),
                network: pictures(stage(as_frames(small))),
            }
            inner = slice(EDGE, len(large) - EDGE)
            cases[wear][name] = {way: figures(film[inner], large[inner]) for way, film in ways.items()}
            shown.append(strip([film[len(film) // 2] for film in (*ways.values(), large)]))
            tell(f"{wear} {name}", cases[wear][name])
        save(f"{network}-{wear}", shown)
    return cases


def interpolation(network: str, stage: Stage) -> dict[str, Any]:
    """Leave out every second frame, and compare what is put in its place with it: figures by film and way."""
    cases, shown = dict[str, Any](), list[Film]()
    for name, film in films().items():
        odd = film[1::2][: (len(film) - 1) // 2]
        kept = film[::2][: len(odd) + 1]
        mean = np.rint((kept[:-1].astype(np.float32) + kept[1:]) / 2).astype(np.uint8)
        made = pictures(stage(as_frames(kept)))
        ways = {"repetition": kept[:-1], "average": mean, network: made[1::2][: len(odd)]}
        cases[name] = {}
        for way, between in ways.items():
            whole = np.stack([f for pair in zip(kept, between, strict=False) for f in pair])
            cases[name][way] = figures(between, odd) | {
                "unsteadiness": unsteadiness(whole, film[: len(whole)])
            }
        shown.append(strip([way[len(odd) // 2] for way in (*ways.values(), odd)]))
        tell(name, cases[name])
    save(network, shown)
    return {"films": cases}


def figures(found: Film, wanted: Film) -> dict[str, float]:
    """Return the figures of a film, the means of its frames."""
    each: Mapping[str, Callable[[Film, Film], float]] = {
        "rgb": decibels,
        "luma": lambda a, b: decibels(luma(a), luma(b)),
        "ssim": lambda a, b: similarity(luma(a), luma(b)),
    }
    result = {
        name: float(np.mean([way(a, b) for a, b in zip(found, wanted, strict=True)]))
        for name, way in each.items()
    }
    return result | {"unsteadiness": unsteadiness(found, wanted)}


def means(cases: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mean of each figure over the films, by kind of wear and way; and over real films alone."""
    result: dict[str, Any] = {}
    for kind, by_film in cases.items():
        for which, names in ((kind, [*by_film]), (f"{kind}, real", [n for n in by_film if n in KEPT_CLIPS])):
            by_way = next(iter(by_film.values()))
            result[which] = {
                way: {
                    figure: round(float(np.mean([by_film[name][way][figure] for name in names])), 4)
                    for figure in found
                }
                for way, found in by_way.items()
            }
    return result


def pace(network: Network, stage: Stage) -> dict[str, Any]:
    """Return seconds for each frame made at 640x480, once under way: of a clock, and of all processors."""
    rng = np.random.default_rng(5)
    film = camera_sequence(rng, photos(kept=True)[:1], 13, 640, layers=0.0)[:, :480]
    made = stage(as_frames(film))
    # An interpolator is under way with the second pair; every second frame of its is given back as it came.
    each = 2 if network.kind is Kind.INTERPOLATE else 1
    for _ in range(2 * each):
        next(made)
    timed, wall, own = 0, time.perf_counter(), time.process_time()
    while timed < 6 and (timed == 0 or time.perf_counter() - wall < 60):  # EDVR L takes minutes for one
        for _ in range(each):
            next(made)
        timed += 1
    return {
        "wall": round((time.perf_counter() - wall) / timed, 3),
        "processors": round((time.process_time() - own) / timed, 3),
        "frames": timed,
    }


def as_frames(film: Film) -> Iterator[Frame]:
    for index, picture in enumerate(film):
        pixels = np.ascontiguousarray(picture.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        yield Frame(pixels, Fraction(index, 25), Fraction(1, 25), index)


def pictures(given: Iterator[Frame]) -> Film:
    return np.stack(
        [np.clip(np.rint(f.pixels[0].transpose(1, 2, 0) * 255), 0, 255).astype(np.uint8) for f in given]
    )


def resized(picture: Film, size: tuple[int, int], way: Image.Resampling) -> Film:
    return np.asarray(Image.fromarray(picture).resize(size, way))


def tell(name: str, found: Mapping[str, Mapping[str, float]]) -> None:
    print(name, {way: round(figures["rgb"], 2) for way, figures in found.items()}, flush=True)


def strip(row: list[Film]) -> Film:
    """Put the middles of pictures side by side, [128, 192 * n, 3]."""
    height, width = row[0].shape[:2]
    y, x = max((height - 128) // 2, 0), max((width - 192) // 2, 0)
    cuts = [picture[y : y + 128, x : x + 192] for picture in row]
    return np.concatenate(
        [np.pad(c, ((0, 128 - len(c)), (0, 192 - c.shape[1]), (0, 0))) for c in cuts], axis=1
    )


def save(name: str, rows: list[Film]) -> None:
    """Write the picture of a network: a row for each film, a column for each way, the truth last."""
    RESULTS.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(rows)).save(RESULTS / f"starters-{name}.jpg", quality=90)


if __name__ == "__main__":
    main()
