"""A film in a container, read frame by frame with exact times."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ...errors import InputError
from ..pixels.colour import is_known_matrix
from ..pixels.frame import Format, Frame, Pixels
from ..pixels.turn import turn_of
from .damage import Damage
from .decoding import Decoding, Timed
from .fields import Field, made_progressive, resolved_field
from .film_places import DECODED_WHOLE, Places
from .glimpse import Glimpse
from .packets import WHAT_TO_GIVE, check_within, is_cover, origin_of, scan
from .pictures import CHROMA_BETWEEN, Reader, aspect_of, colour_of, depth_of, has_alpha, sampling_of
from .tonemap import Hdr, tone_map_of, tone_mapped

_log = logging.getLogger(__name__)


class Film:
    """A film in any container that libav reads; see ``open_source``.

    Args:
        path: The file.
        start, end: Seconds from the beginning of the film; frames with start <= time < end are
            given, and their times count from ``start``.
        field: How its pictures are made up; what is not progressive is made so.
        tracks: Which tracks are wanted, where there is more than one film.
        clip: See ``Format.clipped``.
        hdr: What to do with a film of high dynamic range.
        planar: Whether frames may be given as the planes that they were decoded to.
    """

    def __init__(
        self,
        path: Path,
        *,
        start: Fraction | None = None,
        end: Fraction | None = None,
        field: Field = Field.AUTO,
        tracks: tuple[str, ...] = (),
        clip: bool = True,
        hdr: Hdr = Hdr.REFUSE,
        planar: bool = False,
    ) -> None:
        self.path = path
        self._clip = clip
        self._hdr = hdr
        self._planar = planar
        self._field = field
        self._tracks = tracks
        self._start = start
        self._end = end
        self._warned: set[str] = set()
        self._damage = Damage(path)
        self._pictures: Iterator[Timed] = iter(())
        self._index = 0

    @property
    def format(self) -> Format:
        """What is known of the frames; available once the film is entered."""
        return self._format

    @property
    def has_tracks(self) -> bool:
        """Whether the file holds sound, subtitles or attachments; available once it is entered."""
        return self._has_tracks

    @property
    def seekable(self) -> bool:
        """Whether there is a key frame shortly before any other; available once the film is entered."""
        return self._field is Field.PROGRESSIVE and len(self._scan.keys) * DECODED_WHOLE > self._count

    @property
    def length(self) -> Fraction:
        """Seconds from the first moment that is asked for to the last; available once the film is entered."""
        end = self._scan.timing.end
        return (end if self._until is None else min(end, self._until)) - self._origin

    @property
    def files(self) -> list[Path]:
        """The file."""
        return [self.path]

    def __enter__(self) -> Self:
        self._scan = scan(self.path, self._tracks)
        self._decoding = Decoding(self.path, self._scan, self._damage)
        if self._scan.breaks:
            count = len(self._scan.breaks)
            what = "The clock of %s begins anew %s; what follows is put right after what was before."
            self._warn("breaks", what, self.path, "once" if count == 1 else f"{count} times")
        if self._scan.remark:
            self._warn("end", "%s", self._scan.remark)
        try:
            self._begin()
        except BaseException:
            self._decoding.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._damage.tell()
        self._decoding.close()

    def samples(self, count: int) -> Iterator[Pixels]:
        """Give about so many pictures from all over the film, or none; ``frames`` gives nothing after it."""
        return self._places().samples(count)

    def glimpses(self, count: int) -> Iterator[Glimpse]:
        """Look at about so many places of the film, without decoding all of it if it is long.

        ``frames`` gives nothing after it. Of a film that can only be decoded from its beginning only that is
        looked at.
        """
        return self._places().glimpses(count)

    def frames(self) -> Iterator[Frame]:
        """Give every frame once, in order; a second call goes on where the first one stopped.

        Raises:
            InputError: The picture changes its size midway.
        """
        current = next(self._pictures, None)
        while current is not None:
            time, picture = current
            current = next(self._pictures, None)
            if self._until is not None and time >= self._until:
                return
            after = current[0] if current is not None else max(self._scan.timing.end, time + self._step)
            yield self._frame(picture, time, after - time)

    def go_to(self, time: Fraction, index: int, *, seek: bool = True) -> None:
        """Let ``frames`` begin with the one at this time, whose index it is.

        Args:
            time: As of one of the frames given.
            index: Likewise.
            seek: Whether to begin decoding at a key frame shortly before it. In some damaged or oddly coded
                films that yields other pixels than decoding from the beginning does.
        """
        self._index = index
        if seek:
            self._pictures = self._pictures_from(self._origin + time)
        else:
            self._pictures = self._anew(self._origin + time)

    def _places(self) -> Places:
        """Give no more frames, and return where to look instead."""
        self._pictures = iter(())
        time_of, until = self._scan.timing.time_of, self._until
        keys = [key for key in self._scan.keys if time_of(key.shown) >= self._origin]
        return Places(
            self._decoding,
            [key for key in keys if until is None or time_of(key.shown) < until],
            time_of=time_of,
            count=self._count,
            origin=self._origin,
            seekable=self.seekable,
            anew=lambda: self._anew(self._origin),
            pixels=self._pixels,
            warn_of_first=self._warn_of_first,
        )

    def _warn_of_first(self, looked: int) -> None:
        what = "%s can only be decoded from its beginning; of its %d frames the first %d are looked at."
        self._warn("glimpses", what, self.path, self._count, looked)

    def _begin(self) -> None:
        timing = self._scan.timing
        self._reopen()
        self._field, remark = resolved_field(self._field, self.path, self._scan)
        if remark:
            self._warn("field", "%s", remark)
        self._timing = timing if self._field.frames == 1 else timing.thinned(self._field.frames)
        self._step = self._timing.step or timing.tick
        start = origin_of(self._decoding.container, timing.first)
        self._until = None if self._end is None else start + self._end
        self._origin = start if self._start is None else start + self._start
        self._decoding.origin = self._origin
        self._check_range(timing.end - start)
        self._pictures = self._pictures_from(self._origin) if self._start else self._shown()
        first = next(self._pictures, None)
        if first is None:
            raise InputError(f"{self.path} holds no frame that can be decoded.", WHAT_TO_GIVE)
        self._pictures = chain([first], self._pictures)
        self._describe(first[1])

    def _check_range(self, length: Fraction) -> None:
        times = [self._scan.timing.time_of(stamp) for stamp in self._scan.stamps]
        if self._field.frames != 1:
            times = [times[0] + place * self._step for place in range(self._timing.frames)]
        until = self._until
        self._count = sum(1 for t in times if t >= self._origin and (until is None or t < until))
        check_within(self.path, length, self._start, self._end)
        if not self._count:
            raise InputError(
                f"No frame of {self.path} lies in the range asked for.",
                "Widen the range of --start and --end.",
            )

    def _describe(self, picture: VideoFrame) -> None:
        """Take from the first picture what only a decoded one tells."""
        name, stream, timing = picture.format.name, self._stream, self._timing
        colour, turn = colour_of(picture, image=stream.codec_context.name == "mjpeg"), turn_of(picture)
        left = stream.codec_context.name not in CHROMA_BETWEEN
        self._reader = Reader(colour, turn, left=left, clip=self._clip)
        self._size = (picture.width, picture.height)
        if has_alpha(name):
            self._warn("alpha", "The transparency of %s is not kept; it is laid over black.", self.path)
        elif stream.metadata.get("alpha_mode") == "1":  # beside the pictures, where few players look
            self._warn("alpha", "The transparency of %s is left out.", self.path)
        if not is_known_matrix(colour.matrix):
            self._warn(
                "matrix",
                "The colour matrix %d of %s is not known; BT.709 or BT.601 is assumed.",
                colour.matrix,
                self.path,
            )
        width, height = self._size[::-1] if turn.transpose else self._size
        aspect = aspect_of(stream)
        self._format = Format(
            width=width,
            height=height,
            rate=timing.rate,
            time_base=timing.time_base(self._origin),
            pixel_aspect=1 / aspect if turn.transpose else aspect,
            depth=depth_of(name),
            sampling=sampling_of(name),
            colour=colour,
            clipped=self._clip,
            frames=self._count,
        )
        self._tone_map = tone_map_of(colour, picture, self.path, self._hdr)
        if self._tone_map is not None:
            self._format = tone_mapped(self._format)

    def _frame(self, picture: VideoFrame, time: Fraction, duration: Fraction) -> Frame:
        if (picture.width, picture.height) != self._size:
            sizes = f"{self._size[0]}x{self._size[1]} to {picture.width}x{picture.height}"
            raise InputError(
                f"{self.path} changes from {sizes} at {float(time - self._origin):.3f} seconds.",
                "Cut it there with --start and --end and restore the parts one by one.",
            )
        if picture.is_corrupt:
            self._damage.note("is a damaged frame, which is shown as it is", time - self._origin)
        index, self._index = self._index, self._index + 1
        as_planes = self._planar and self._tone_map is None
        pixels = self._reader.planar(picture) if as_planes else self._pixels(picture)
        return Frame(pixels, time - self._origin, duration, index)

    def _pixels(self, picture: VideoFrame) -> Pixels:
        pixels = self._reader.read(picture)
        return pixels if self._tone_map is None else self._tone_map(pixels)

    def _pictures_from(self, start: Fraction) -> Iterator[Timed]:
        """Give the pictures from ``start`` on, decoding from the key frame before it."""
        time_of = self._scan.timing.time_of
        # Which fields belong together is counted from the beginning.
        usable = self._scan.keys if self._field is Field.PROGRESSIVE else ()
        for key in [key for key in usable if time_of(key.shown) <= start][:-3:-1]:
            packets = self._decoding.packets_from(key)
            if packets is not None:
                return self._shown(packets, start)
        return self._anew(start)

    def _anew(self, start: Fraction) -> Iterator[Timed]:
        """Give the pictures from ``start`` on, decoding from the beginning of the film."""
        self._reopen()
        return self._shown(after=start)

    def _shown(
        self, packets: Iterator[Packet[VideoStream]] | None = None, after: Fraction | None = None
    ) -> Iterator[Timed]:
        """Give the pictures, progressive, with strictly rising times on the film's own clock."""
        step = self._scan.timing.step
        for time, picture in made_progressive(self._decoding.timed(packets), self._field, step=step):
            if after is None or time >= after:
                yield time, picture

    def _reopen(self) -> None:
        self._decoding.reopen()
        self._stream = stream = self._decoding.stream
        streams = self._decoding.container.streams
        videos = [film for film in streams.video if not is_cover(film)]
        if len(videos) > 1:
            self._warn(
                "videos",
                "%s holds %d films; stream %d is taken. --map 0:v:%d would take another.",
                self.path,
                len(videos),
                stream.index,
                next(place for place, film in enumerate(videos) if film.index != stream.index),
            )
        self._has_tracks = len(streams) > 1

    def _warn(self, about: str, message: str, *details: object) -> None:
        if about not in self._warned:
            self._warned.add(about)
            _log.warning(message, *details)
