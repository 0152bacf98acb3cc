"""The command that makes the same result again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

from ...models.spec import Kind
from ..runs.plan import Plan
from ..runs.settings import Settings
from ..stages.cadence import Cadence

_SWITCHES = {"cuts": ("auto", "off"), "crop": ("auto", "off")}


def command_of(plan: Plan, settings: Settings) -> str:
    """Return a call of ``reel-run``, as one would type it, that is the same run."""
    words = ["reel-run", str(plan.input), "-o", str(plan.output), "--order", *settings.networks]
    if any(step.network.kind is Kind.INTERPOLATE for step in plan.steps):
        words += _cadence(settings.cadence)
    words += _options(settings)
    stores = {step.artifact.store.folder for step in plan.steps if not step.artifact.shipped}
    if len(stores) == 1:
        words += ["--store", str(stores.pop())]
    return shlex.join(words)


def _options(settings: Settings) -> Iterator[str]:
    usual = Settings()
    for field in fields(Settings):
        value, name = getattr(settings, field.name), "--" + field.name.replace("_", "-")
        if field.name in ("order", "cadence", "encoding", "fresh", "tracks") or value == getattr(
            usual, field.name
        ):
            continue
        if field.name in _SWITCHES:
            yield from (name, _SWITCHES[field.name][not value])
        elif value is True:
            yield name
        else:
            yield from ("--work-dir" if field.name == "work" else name, _as_word(value))
    yield from (f"--map={track}" for track in settings.tracks)
    for field in fields(settings.encoding):
        if getattr(settings.encoding, field.name) is not None:
            yield from ("--" + field.name.replace("_", "-"), str(getattr(settings.encoding, field.name)))


def _cadence(cadence: Cadence) -> list[str]:
    if cadence.rate is not None:
        return ["--fps", _as_word(cadence.rate)]
    factor = cadence.factor or Fraction(1)
    return ["--times", str(factor)] if factor.denominator == 1 else ["--time-step", str(1 / factor)]


def _as_word(value: object) -> str:
    if isinstance(value, Fraction):
        short = f"{float(value):.6g}"
        return short if Fraction(short) == value else str(value)
    if isinstance(value, Path):
        return str(value)
    return str(getattr(value, "value", value))
