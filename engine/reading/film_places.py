"""Pictures from all over a film, without decoding all of it where it is long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from av.video.frame import VideoFrame

from ..pixels.frame import Pixels
from .decoding import Decoding, Timed
from .glimpse import FEW, LATER, Glimpse, glimpse
from .packets import Key

DECODED_WHOLE = 1000  # frames that may all be decoded to see a few of them


@dataclass(frozen=True, slots=True)
class Places:
    """Where the part of a film that is asked for can be looked at.

    Attributes:
        decoding: Its decoder.
        keys: The key frames in it, and what says when each is shown, seconds on the film's own clock.
        count: How many frames it has.
        origin: When it begins, seconds on the film's own clock.
        seekable: Whether there is a key frame shortly before any frame.
        anew: Gives its pictures, decoded from the beginning of the film.
        pixels: Gives the pixels of a picture.
        warn_of_first: Told how many frames, of those that can only be decoded one after the other, are
            looked at, where these are not all.
    """

    decoding: Decoding
    keys: Sequence[Key]
    time_of: Callable[[int], Fraction]
    count: int
    origin: Fraction
    seekable: bool
    anew: Callable[[], Iterator[Timed]]
    pixels: Callable[[VideoFrame], Pixels]
    warn_of_first: Callable[[int], None]

    def samples(self, count: int) -> Iterator[Pixels]:
        """Give about so many pictures, or none; see ``Film.samples``."""
        if len(self.keys) >= count:
            for key in self.keys[:: len(self.keys) // count]:
                packets = self.decoding.packets_from(key)
                picture = None if packets is None else next(self.decoding.pictures(packets), None)
                if picture is not None:
                    yield self.pixels(picture)
            return
        if self.count > DECODED_WHOLE:  # too much to decode all, and too few places to decode from
            return
        for _, picture in islice(self.anew(), 0, self.count, max(1, self.count // count)):
            yield self.pixels(picture)

    def glimpses(self, count: int) -> Iterator[Glimpse]:
        """Look at about so many places; see ``Film.glimpses``."""
        keys, looked = self.keys, min(self.count, FEW)
        if self.seekable and (len(keys) >= count or self.count > looked):
            for key in keys[:: max(1, len(keys) // count)]:
                packets = self.decoding.packets_from(key)
                if packets is not None:
                    time = self.time_of(key.shown)
                    yield from self._glimpse((time, picture) for picture in self.decoding.pictures(packets))
            return
        if self.count > looked:
            self.warn_of_first(looked)
        shown, step = self.anew(), max(LATER + 1, looked // count)
        for _ in range(0, looked, step):
            yield from self._glimpse(shown)
            for _ in islice(shown, step - LATER - 1):  # one by one: many would not fit into memory
                pass

    def _glimpse(self, shown: Iterator[Timed]) -> Iterator[Glimpse]:
        """Give what is kept of the next picture, if there is one."""
        some = list(islice(shown, LATER + 1))
        if some:
            later = self.pixels(some[-1][1]) if len(some) > 1 else None
            yield glimpse(some[0][0] - self.origin, self.pixels(some[0][1]), later)
