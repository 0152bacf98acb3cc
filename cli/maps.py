"""Command lines as people write them, and tracks as they name them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence

from ..engine.reading.track_choice import check_choice
from ..errors import InputError


def track(text: str) -> str:
    """Return a word that chooses tracks, such as ``0:a:1`` or ``-s``."""
    try:
        return check_choice(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{error.message.rstrip('.')}: {error.remedy}") from error


def joined(arguments: Sequence[str]) -> list[str]:
    """Return a command line in which every option is one word with the value that is meant for it.

    The grammar takes the ``-s`` of ``--map -s`` for an option, and the film in ``--compare film.mp4`` for how
    to compare.
    """
    return list(_joined(list(arguments)))


def _joined(arguments: list[str]) -> Iterator[str]:
    while arguments:
        argument = arguments.pop(0)
        following = arguments[0] if arguments else None
        if argument == "--":
            yield argument
            yield from arguments
            return
        if argument == "--map" and following is not None:
            yield f"{argument}={arguments.pop(0)}"
        elif argument in _OPTIONAL:
            meant = following is not None and _OPTIONAL[argument](following)
            yield f"{argument}={arguments.pop(0) if meant else _UNTOLD[argument]}"
        else:
            yield argument


# What may follow an option that may also stand alone, and what it means alone.
_OPTIONAL: dict[str, Callable[[str], bool]] = {
    "--compare": lambda word: word in ("side", "wipe"),
    "--report": lambda word: word.lower().endswith((".html", ".htm")),
}
_UNTOLD = {"--compare": "side", "--report": ""}
