"""Several settings tried at once: ``--sweep render_factor=20,28,36``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

MOST = 12  # settings; more would leave none of them large enough to see

# What says which part of which film is read, and where things go: no settings to choose between.
_NO_SETTINGS = frozenset({"start", "end", "rate", "map"})


@dataclass(frozen=True, slots=True)
class Sweep:
    """An option and the values to try.

    Attributes:
        name: As the user wrote it.
        option: As the command knows it, ``--render-factor``.
        values: The words of each value; more than one only where the option takes several.
        several: Whether it does.
    """

    name: str
    option: str
    values: tuple[tuple[str, ...], ...]
    several: bool

    def asked_for(self, words: tuple[str, ...]) -> list[str]:
        """Return what stands in a command line for one of the values."""
        return [self.option, *words] if self.several else [f"{self.option}={words[0]}"]


def sweep_type(options: Sequence[argparse.Action]) -> Callable[[str], Sweep]:
    """Return what reads ``NAME=VALUE,VALUE``, where NAME is one of these options of a command."""
    known = {
        flag: action
        for action in options
        for flag in action.option_strings
        if action.help is not argparse.SUPPRESS and action.dest not in _NO_SETTINGS
    }

    def sweep(text: str) -> Sweep:
        name, equals, values = text.partition("=")
        name = name.strip().lstrip("-")
        action = known.get(f"--{name}") or known.get(f"--{name.replace('_', '-')}")
        sweepable = sorted({a.option_strings[0].removeprefix("--") for a in known.values() if a.nargs != 0})
        if action is None or action.nargs == 0:
            what = f"--{name} takes no value" if action else f"{name!r} is no setting"
            raise argparse.ArgumentTypeError(f"{what}; there are {', '.join(sweepable)}")
        several = action.nargs == "*"
        given = [value.strip() for value in values.split(",")]
        if not equals or (not all(given) and not several):
            raise argparse.ArgumentTypeError(f"{text!r} names no values; give {name}=VALUE,VALUE")
        words = tuple(tuple(filter(None, value.split("+"))) if several else (value,) for value in given)
        return Sweep(name, action.option_strings[0], tuple(dict.fromkeys(words)), several)

    return sweep


def combinations(sweeps: Sequence[Sweep]) -> list[tuple[str, list[str]]]:
    """Return each combination of values: what it is called, and the words of a command line for it."""
    each = [
        [(f"{sweep.name}={'+'.join(words) or 'none'}", sweep.asked_for(words)) for words in sweep.values]
        for sweep in sweeps
    ]
    return [
        (", ".join(label for label, _ in chosen), [word for _, words in chosen for word in words])
        for chosen in product(*each)
    ]
