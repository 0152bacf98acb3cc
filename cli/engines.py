"""What reel-export does for a GPU: engines, where there is one."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import BackendError
from ..models.engines import Engine, all_engines
from ..models.frame_range import Size
from ..models.gpu import find_gpu
from ..models.manifest import network_named
from ..models.store import Artifact, Store
from ..models.tensorrt_library import load_tensorrt

_LARGEST = 16384  # pixels: a side of what H.264, HEVC and AV1 can have at most


@dataclass(frozen=True, slots=True)
class Target:
    """What an export is for.

    Attributes:
        gpu: Whether engines are built.
        why: One line on why none are, where nobody said so.
    """

    gpu: bool
    why: str | None = None


def add_options(grammar: argparse.ArgumentParser) -> None:
    """Add the options that say which engines are built."""
    grammar.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="cuda builds TensorRT engines for this machine's GPU, too, which takes minutes; auto does so "
        "where there is one (default: auto)",
    )
    grammar.add_argument(
        "--size",
        dest="sizes",
        metavar="WxH",
        nargs="+",
        action="extend",
        type=frame_size,
        default=[],
        help="engines for films of this size, and smaller ones; several sizes are several engines "
        "(default: built for 640x480, up to 1920x1080)",
    )


def frame_size(text: str) -> Size:
    """Return height and width of what ``640x480`` stands for."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (2 <= width <= _LARGEST and 2 <= height <= _LARGEST):
        raise argparse.ArgumentTypeError(f"{text!r} is no size of a film; give 640x480")
    return height, width


def target(device: str) -> Target:
    """Return what an export on this machine is for.

    Raises:
        BackendError: ``cuda`` was asked for, and engines cannot be built here.
    """
    if device == "cpu":
        return Target(gpu=False)
    try:
        find_gpu()
        load_tensorrt()
        with comparing():  # now, and not after minutes of building
            pass
    except BackendError as error:
        if device == "cuda":
            raise
        why = error.message.partition(":")[0].rstrip(".")
        return Target(gpu=False, why=f"{why}: graphs are exported, engines are not.")
    return Target(gpu=True)


@contextmanager
def comparing() -> Generator[Callable[[Engine, Path], None]]:
    """Give what compares a new engine with its graph on the CPU.

    Raises:
        BackendError: The GPU cannot be used from here.
    """
    try:
        from ..engine.device.cudart import Cudart
    except ImportError as error:
        raise BackendError(
            f"The Python bindings of CUDA cannot be loaded: {error}.",
            "Install them with `pip install cuda-bindings`, or use --device cpu.",
        ) from error
    from ..engine.backends.engine_check import check_engine
    from ..engine.device.device import Device

    runtime = Cudart()
    runtime.prepare()
    with Device(runtime) as device:
        yield lambda engine, source: check_engine(engine, source, device)


def build(artifacts: Iterable[Artifact], store: Store, sizes: Iterable[Size]) -> None:
    """Build the engines of a network: of its float16 graphs where they are exported, and say what came of it.

    Raises:
        ReelError: See ``export.engines.build_engines``.
    """
    from ..export.engines import build_engines

    artifact = min(artifacts, key=lambda one: one.card.precision)  # fp16 before fp32
    network = network_named(artifact.card.network)
    with comparing() as check:
        made = build_engines(
            network,
            artifact,
            store,
            sizes=sizes,
            check=check,
            step=lambda text: print(f"  {text} ...", flush=True),
        )
    basis = made.engines[0].card.basis
    seconds = sum(engine.card.seconds for engine in made.engines)
    there = len(made.engines) - made.fresh
    print(f"  engines: {made.fresh} built, {there} there already, {seconds:.0f} s in all")
    print(f"  for {basis.gpu.name}, driver {basis.gpu.driver}, TensorRT {basis.tensorrt}")


def describe(artifact: Artifact) -> str | None:
    """Return a line on the engines of an artifact; None where it has none."""
    engines = all_engines(artifact.folder)
    if not engines:
        return None
    gpus = sorted({engine.card.basis.gpu.name for engine in engines})
    size = sum(engine.card.size for engine in engines)
    return f"{len(engines)} engines for {' and '.join(gpus)}, {size / 1e6:.0f} MB"


def damaged(artifact: Artifact) -> list[tuple[Engine, str]]:
    """Return the engines of an artifact whose file is not the one that was built, and what is wrong."""
    found = [(engine, engine.damage()) for engine in all_engines(artifact.folder)]
    return [(engine, problem) for engine, problem in found if problem is not None]
