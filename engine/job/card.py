"""What is remembered of a finished segment, and of where the run goes on after it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .restart import Mark, Restart

FORMAT = 1


class DamagedError(ValueError):
    """What was read is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A finished segment. It names no file: names follow from the number.

    Attributes:
        number: Which one, from 1.
        before, frames: Frames in the segments before it, and in it.
        since, until: Times of its first frame, and of the first one after it, seconds.
        size, sha256: Of what it consists of.
        restart: How to begin again with the frame at ``until``; None: only from the beginning.
        last: Whether the film ends with it.
    """

    number: int
    before: int
    frames: int
    since: Fraction
    until: Fraction
    size: int
    sha256: str
    restart: Restart | None
    last: bool


def sealed(content: dict[str, Any], before: str) -> tuple[bytes, str]:
    """Return JSON that carries a digest of itself and of the digest ``before`` it, and that digest."""
    seal = _seal(content, before)
    return (json.dumps({**content, "seal": seal}, indent=1) + "\n").encode(), seal


def unsealed(data: bytes, before: str) -> tuple[dict[str, Any], str]:
    """Return what ``sealed`` was given, and the digest.

    Raises:
        DamagedError: It was damaged or edited, or follows another.
    """
    try:
        content: dict[str, Any] = json.loads(data)
        seal = content.pop("seal")
        if seal == _seal(content, before):
            return content, seal
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedError("it cannot be read") from error
    raise DamagedError("it was damaged or edited")


def _seal(content: dict[str, Any], before: str) -> str:
    return hashlib.sha256((before + json.dumps(content, sort_keys=True)).encode()).hexdigest()


def card_as_json(card: Card) -> dict[str, Any]:
    """Return a card as JSON knows it."""
    return {
        "format": FORMAT,
        "number": card.number,
        "before": card.before,
        "frames": card.frames,
        "since": str(card.since),
        "until": str(card.until),
        "size": card.size,
        "sha256": card.sha256,
        "restart": card.restart and restart_as_json(card.restart),
        "last": card.last,
    }


def card_from_json(content: dict[str, Any]) -> Card:
    """Return the card that ``card_as_json`` was given.

    Raises:
        DamagedError: It is none.
    """
    try:
        if content["format"] != FORMAT:
            raise DamagedError("it is of another version of reel")
        return Card(
            number=int(content["number"]),
            before=int(content["before"]),
            frames=int(content["frames"]),
            since=Fraction(content["since"]),
            until=Fraction(content["until"]),
            size=int(content["size"]),
            sha256=str(content["sha256"]),
            restart=restart_from_json(content["restart"]) if content["restart"] else None,
            last=bool(content["last"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError("it cannot be read") from error


def restart_as_json(restart: Restart) -> dict[str, Any]:
    """Return a restart as JSON knows it."""
    return {
        "time": str(restart.time),
        "first": str(restart.first),
        "marks": [[str(mark.time), mark.index, mark.cut, mark.held, mark.checksum] for mark in restart.marks],
        "since": [str(time) for time in restart.since],
        "shot": restart.shot,
    }


def restart_from_json(content: dict[str, Any]) -> Restart:
    """Return the restart that ``restart_as_json`` was given; KeyError, TypeError or ValueError if none."""
    return Restart(
        Fraction(content["time"]),
        Fraction(content["first"]),
        tuple(
            Mark(Fraction(time), int(index), bool(cut), bool(held), int(checksum))
            for time, index, cut, held, checksum in content["marks"]
        ),
        tuple(Fraction(time) for time in content["since"]),
        None if content.get("shot") is None else int(content["shot"]),  # older jobs did not count them
    )
