"""What the result of a run depends on: two runs of one identity make the same film."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import av

from ... import __version__
from ...models.store import Artifact
from ..networks.backend import Runner
from .card import FORMAT, DamagedError
from .files import digest_of

_OPTIONS = {
    "cadence.factor": "--times",
    "cadence.rate": "--fps",
    "tracks": "--map",
}  # others are called as their field
MEMORY = "the memory"
# Memory decides in how many parts a frame is computed, which changes the last digit of some values at most;
# who ran out of it must be able to go on with less.
_WITHOUT_EFFECT = {"overwrite", "work", "fresh", "memory"}
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that the result depends on.

    Attributes:
        name: As it is called in a sentence.
        value: Compared.
        opaque: Whether the value means nothing to anybody, so that only its change is worth a word.
        free: Whether the result may be gone on with whatever it is now. It is kept to be asked for.
    """

    name: str
    value: str
    opaque: bool = False
    free: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """All of them."""

    facts: tuple[Fact, ...]

    def value(self, name: str) -> str | None:
        """Return the value of that name, None where there is none."""
        return next((fact.value for fact in self.facts if fact.name == name), None)


def differences(before: Identity, now: Identity) -> list[str]:
    """Say what has changed, a clause each."""
    old, new = ({fact.name: fact for fact in identity.facts if not fact.free} for identity in (before, now))
    said: list[str] = []
    for name in {**old, **new}:
        was, is_ = old.get(name), new.get(name)
        if was is not None and is_ is not None and was.value == is_.value:
            continue
        if (was or is_ or Fact("", "")).opaque:
            said.append(f"{name} has changed")
        else:
            said.append(f"{name} was {_shown(was)} and is {_shown(is_)}")
    return said


def _shown(fact: Fact | None) -> str:
    return (fact.value if fact else "") or "not given"


def identity_of(
    source: Sequence[Path],
    settings: object,
    artifacts: Sequence[Artifact],
    *,
    device: str,
    memory: int,
    runners: Mapping[str, Runner] | None = None,
) -> Identity:
    """Return the identity of a run. All of the input is read for it.

    Args:
        source: The film, or its pictures in order.
        settings: A dataclass of what was asked for.
        artifacts: The networks.
        device: Where they run.
        memory: Bytes that they may take.
        runners: What runs each network there, by its name; None: the device itself, from the export alone.
    """
    return Identity(
        (
            Fact(source[0].name if len(source) == 1 else "the input", content_of(source), opaque=True),
            *facts_of(settings),
            *_facts_of_networks(artifacts),
            Fact("the device", device),
            *_facts_of_runners(runners or {}, device),
            Fact(MEMORY, str(memory), free=True),
            *versions(),
        )
    )


def content_of(files: Sequence[Path]) -> str:
    """Return a digest of the content of a film, or of the names and contents of pictures."""
    if len(files) == 1:
        return digest_of(files[0])
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{os.fsencode(file.name).hex()} {digest_of(file)}\n".encode())
    return whole.hexdigest()


def facts_of(settings: Any, above: str = "") -> Iterator[Fact]:
    """Give the settings that the result depends on, each called as its option; ``above`` is not given."""
    for field in fields(settings):
        value, name = getattr(settings, field.name), f"{above}{field.name}"
        if name in _WITHOUT_EFFECT:
            continue
        if is_dataclass(value):
            yield from facts_of(value, f"{name}.")
        else:
            option = _OPTIONS.get(name, "--" + field.name.replace("_", "-"))
            yield Fact(option, _as_text(value))


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Enum):
        return str(value.value)
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _facts_of_networks(artifacts: Sequence[Artifact]) -> Iterator[Fact]:
    for artifact in artifacts:
        graphs = sorted(graph.sha256 for graph in artifact.card.graphs.values())
        digest = hashlib.sha256(" ".join(graphs).encode()).hexdigest()
        yield Fact(f"the export of {artifact.card.network}", digest, opaque=True)


def _facts_of_runners(runners: Mapping[str, Runner], device: str) -> Iterator[Fact]:
    """Give what a device's name does not say: that another runs a network, and what was built for it."""
    for network, runner in sorted(runners.items()):
        if runner.name != device or runner.built:
            yield Fact(f"what runs {network}", runner.name)
        if runner.built:
            yield Fact(f"the set of engines of {network}", runner.built, opaque=True)


def versions() -> Iterator[Fact]:
    """Give the versions of what makes the result."""
    yield Fact("reel", __version__)
    yield Fact("PyAV", av.__version__)
    for library in ("libavcodec", "libavformat"):
        yield Fact(library, ".".join(map(str, av.library_versions[library])))
    yield Fact("numpy", version("numpy"))
    for runtime in _RUNTIMES:
        try:
            yield Fact(runtime, version(runtime))
        except PackageNotFoundError:
            continue


@dataclass(frozen=True, slots=True)
class Signature:
    """What a look at files tells without reading them, and whether they were touched since."""

    files: tuple[tuple[str, int, int], ...]


def signature_of(files: Sequence[Path]) -> Signature:
    """Look at files: their names, sizes and times of change.

    Raises:
        OSError: One of them is gone, or may not be looked at.
    """
    seen: list[tuple[str, int, int]] = []
    for file in files:
        status = file.stat()
        seen.append((file.name, status.st_size, status.st_mtime_ns))
    return Signature(tuple(seen))


def identity_as_json(identity: Identity) -> dict[str, Any]:
    """Return an identity as JSON knows it."""
    facts = [[fact.name, fact.value, fact.opaque, fact.free] for fact in identity.facts]
    return {"format": FORMAT, "facts": facts}


def identity_from_json(content: dict[str, Any]) -> Identity:
    """Return the identity that ``identity_as_json`` was given.

    Raises:
        DamagedError: It is none.
    """
    try:
        if content["format"] != FORMAT:
            raise DamagedError("it is of another version of reel")
        facts = [Fact(str(a), str(b), opaque=bool(c), free=bool(d)) for a, b, c, d in content["facts"]]
        return Identity(tuple(facts))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError("it cannot be read") from error
