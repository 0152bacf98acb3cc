"""Which tracks of a film are wanted, in a few of the words that ffmpeg's users know for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...errors import InputError

_KINDS = {"v": "video", "a": "audio", "s": "subtitle", "t": "attachment", "d": "data"}
_SPEC = re.compile(
    r"(?P<drop>-)?(?:(?P<all>0)|0:(?P<index>\d+)|(?:0:)?(?P<kind>[vastd])"
    r"(?::(?P<place>\d+)|:m:language:(?P<language>\w+))?)(?P<lenient>\?)?"
)
HOW = (
    "Write 0:a:1 for the second sound track, s for all subtitles, a:m:language:eng for English sound, "
    "0:3 for stream 3, -s for no subtitles."
)


@dataclass(frozen=True, slots=True)
class Track:
    """What a choice goes by: a track's number in the file, its kind, codec and language."""

    index: int
    kind: str
    codec: str
    language: str

    def __str__(self) -> str:
        language = "" if self.language in ("", "und") else f" ({self.language})"
        return f"{self.index} {self.kind} {self.codec}{language}"


@dataclass(frozen=True, slots=True)
class _Choice:
    """One word of a choice."""

    text: str
    drop: bool
    index: int | None
    kind: str | None
    place: int | None
    language: str | None
    lenient: bool

    def of(self, tracks: Sequence[Track]) -> list[int]:
        """Return the numbers of the tracks that it speaks of."""
        if self.index is not None:
            return [track.index for track in tracks if track.index == self.index]
        meant = [track for track in tracks if self.kind in (None, track.kind)]
        if self.language is not None:
            meant = [track for track in meant if track.language == self.language]
        if self.place is not None:
            meant = meant[self.place : self.place + 1]
        return [track.index for track in meant]


def check_choice(text: str) -> str:
    """Return a word of a choice as it is, if it is one.

    Raises:
        InputError: It is none.
    """
    _choice(text)
    return text


def _choice(text: str) -> _Choice:
    match = _SPEC.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} chooses no track.", HOW)
    index, place = match["index"], match["place"]
    return _Choice(
        text,
        bool(match["drop"]),
        None if index is None else int(index),
        _KINDS.get(match["kind"] or ""),
        None if place is None else int(place),
        match["language"],
        bool(match["lenient"]),
    )


def chosen(tracks: Sequence[Track], words: Iterable[str], name: object) -> set[int]:
    """Return the numbers of the tracks that are wanted; all of them where nothing is said.

    Args:
        tracks: All of a film.
        words: As ``check_choice`` takes them. Those that add leave out everything that none of them
            speaks of; those that begin with ``-`` only take away.
        name: The film, for messages.

    Raises:
        InputError: The film has no such track.
    """
    choices = [_choice(word) for word in words]
    wanted: set[int] = set()
    if all(choice.drop for choice in choices):
        wanted = {track.index for track in tracks}
    for choice in choices:
        meant = choice.of(tracks)
        if not meant and not choice.lenient and not choice.drop:
            held = "; ".join(map(str, tracks))
            raise InputError(f"{name} has no track {choice.text}.", f"Choose with --map among these: {held}.")
        wanted = wanted.difference(meant) if choice.drop else wanted.union(meant)
    return wanted


def film_wanted(tracks: Sequence[Track], words: Iterable[str], name: object) -> int | None:
    """Return the number of the film that is asked for, of several in a file; None where none is.

    Args:
        tracks: The films of the file.
        words, name: As in ``chosen``.

    Raises:
        InputError: There is none of that place or language, or the choice leaves none.
    """
    choices = [choice for choice in map(_choice, words) if choice.kind == "video"]
    naming = [choice for choice in choices if choice.place is not None or choice.language is not None]
    if any(choice.drop and choice not in naming for choice in choices):
        raise InputError(f"Nothing is left of {name} without its pictures.", HOW)
    films = {track.index for track in tracks}
    by_number = [choice for choice in map(_choice, words) if choice.index in films]
    if not naming and not by_number:
        return None
    wanted = chosen(tracks, [choice.text for choice in (*naming, *by_number)], name)
    return min(wanted, default=None)
