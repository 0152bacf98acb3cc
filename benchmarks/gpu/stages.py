"""What is measured, in which order: what matters most comes first, since the time may end at any moment.

Needs the standard library alone, since it goes along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OWN, WITH_TENSORRT, PYTORCH = "own", "tensorrt", "pytorch"
"""Environments: the machine's Python with what was brought, the Python that was brought with TensorRT, the
machine's Python with its own PyTorch."""

ORDER = (
    *("edvr", "dain", "deoldify"),
    *("edvr-s", "dain-s"),
    *("edvr-m", "deoldify-artistic"),
    *("edvr-s-film", "dain-depth"),
)

SIZES = ("320x240", "640x480", "1280x720")
_SMALL_SIZES = ("96x64", "128x96")  # of a rehearsal
FILM = "640x480"


@dataclass(frozen=True, slots=True)
class Stage:
    """A measurement in a process of its own.

    Attributes:
        name: In results and tables; with a ``|`` it is of a network.
        program: A file beside this one, and its arguments; or ``-m`` and a module.
        environment: One of the above.
        bundles: What must have been brought.
        limit: Seconds after which it is stopped; what it has told until then counts.
        prepares: Whether it measures nothing, and so is run each time; it finds by itself what is done.
    """

    name: str
    program: tuple[str, ...]
    environment: str
    bundles: tuple[str, ...]
    limit: int
    prepares: bool = False


def sizes(*, rehearse: bool) -> tuple[str, ...]:
    """Return the sizes of frames that networks are measured at."""
    return _SMALL_SIZES if rehearse else SIZES


def stages_for(networks: Sequence[str], *, device: str, rehearse: bool) -> list[Stage]:
    """Return all stages for the networks that were packed.

    Args:
        networks: Their names.
        device: ``cuda`` for a GPU; ``cpu`` to try everything else without one.
        rehearse: Small frames and few of them, to see that all of it works.
    """
    known = [name for name in ORDER if name in networks]
    known += [name for name in networks if name not in known]
    small = ("--rehearse",) if rehearse else ()
    cuda = () if device == "cpu" else ("cuda",)

    def network(name: str, backend: str, precision: str, limit: int) -> Stage:
        environment = WITH_TENSORRT if backend == "tensorrt" else OWN
        return Stage(
            f"{name}|{backend} {precision}",
            ("network.py", name, backend, precision, *small),
            environment,
            (f"graphs-{name}", *cuda, *_brought(environment)),
            limit,
        )

    def film(order: tuple[str, ...], backend: str, limit: int) -> list[Stage]:
        if not set(order) <= set(known):
            return []
        environment = WITH_TENSORRT if backend == "tensorrt" else OWN
        bundles = (*(f"graphs-{name}" for name in order), *cuda, *_brought(environment))
        name = f"film {backend} {' '.join(order)}"
        return [Stage(name, ("film.py", backend, *order, *small), environment, bundles, limit)]

    def copies(name: str, backend: str) -> list[Stage]:
        if name not in known:
            return []
        program = ("copies.py", name, backend, *small)
        return [Stage(f"copies {backend}", program, OWN, (f"graphs-{name}", *cuda), 60)]

    graphs = Stage("graphs", ("graphs.py", *known), OWN, (), 240, prepares=True)
    peak = Stage("peak", ("peak.py", device, *small), OWN, cuda, 60)
    tests = ("-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "tests/gpu", "tests/engine/device")
    large, light = ("dain", "deoldify", "edvr"), ("dain", "deoldify-artistic", "edvr-m")
    starters = ("dain-s", "edvr-s-film")  # what comes with reel, trained: this film can be looked at
    if device == "cpu":
        first = [graphs, peak, *(network(name, "cpu", "fp32", 300) for name in known)]
        films = [*film(tuple(known[:2]), "cpu", 300), *film(starters, "cpu", 300)]
        return [*first, *films, *copies(known[0], "cpu")]
    return [
        graphs,
        peak,
        Stage("peak in PyTorch", ("in_torch.py", "peak", *small), PYTORCH, (), 60),
        *(network(name, "cuda", "fp16", 90) for name in known),
        *film(large, "cuda", 150),
        *film(light, "cuda", 100),
        *film(starters, "cuda", 100),
        *copies("edvr-m", "cuda"),
        Stage("tests", tests, OWN, cuda, 120),
        *(network(name, "tensorrt", "fp16", 300) for name in known),
        *film(large, "tensorrt", 150),
        *film(light, "tensorrt", 100),
        *film(starters, "tensorrt", 100),
        Stage("tests with TensorRT", tests, WITH_TENSORRT, (*cuda, *_brought(WITH_TENSORRT)), 200),
        *(network(name, "cuda", "fp32", 90) for name in known),
        Stage("dain-depth in PyTorch", ("in_torch.py", "dain-depth", *small), PYTORCH, (), 90),
        *(network(name, "tensorrt", "fp32", 300) for name in known),
    ]


def _brought(environment: str) -> tuple[str, ...]:
    return ("tensorrt", "tensorrt-wheels") if environment == WITH_TENSORRT else ()
