"""Tracks as people name them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from ..engine.track_choice import check_choice
from ..errors import InputError


def track(text: str) -> str:
    """Return a word that chooses tracks, such as ``0:a:1`` or ``-s``."""
    try:
        return check_choice(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{error.message.rstrip('.')}: {error.remedy}") from error


def joined(arguments: Sequence[str]) -> list[str]:
    """Return a command line in which ``--map -s`` is one word; the grammar takes ``-s`` for an option."""
    return list(_joined(iter(arguments)))


def _joined(arguments: Iterator[str]) -> Iterator[str]:
    for argument in arguments:
        if argument == "--":
            yield argument
            yield from arguments
        elif argument == "--map":
            following = next(arguments, None)
            yield argument if following is None else f"{argument}={following}"
        else:
            yield argument
