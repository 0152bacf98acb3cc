"""Frames written as pictures: a folder of them, or one photo."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from av.codec import Codec
from av.video.codeccontext import VideoCodecContext

from ...errors import OutputError
from ..job.folder import Job
from ..job.segments import Division, Position, RestartOf, Segments
from ..pixels.frame import Colour, Format, Frame
from ..reading.pictures import Writer, layout_of, planar_format
from .encoding import Encoding
from .partial import Partial, reported
from .picture_segment import PictureSegment

_log = logging.getLogger(__name__)


class _Kind:
    """How pictures of one suffix are coded: encoder, pixel formats for 8, 10 and more bits, options."""

    def __init__(
        self, codec: str, usual: str, deep: str | None = None, deepest: str | None = None, **options: str
    ) -> None:
        self.codec = codec
        self.usual = usual
        self.deep = deep or usual
        self.deepest = deepest or self.deep
        self.options = options

    def pixel_format(self, depth: int) -> str:
        return self.usual if depth <= 8 else self.deep if depth <= 10 else self.deepest


_JPEG = _Kind("mjpeg", "yuvj444p", qmin="1", qmax="1")
_TIFF = _Kind("tiff", "rgb24", "rgb48le")
_KINDS = {
    ".png": _Kind("png", "rgb24", "rgb48be"),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": _Kind("libwebp", "bgra", lossless="1"),
    ".bmp": _Kind("bmp", "bgr24"),
    ".dpx": _Kind("dpx", "gbrp10be", "gbrp10be", "rgb48be"),
}


class PictureCoder:
    """Codes frames as pictures, losslessly unless the suffix is that of JPEG.

    Args:
        suffix: ``.png`` and so on.
        film: What the frames are.
        encoding: A pixel format may be chosen, such as ``rgb48be`` for PNG of 16 bits; nothing else.

    Attributes:
        coding: See ``Sink``.
    """

    def __init__(self, suffix: str, film: Format, encoding: Encoding | None = None) -> None:
        if suffix not in _KINDS:
            raise OutputError(f"No pictures are written as {suffix}.", f"Choose among {', '.join(_KINDS)}.")
        self._film = film
        self._kind = _KINDS[suffix]
        self._pix_fmt = _pixel_format(suffix, film, encoding or Encoding())
        rgb = layout_of(planar_format(self._pix_fmt)).kind == "rgb"
        matrix = 0 if rgb else 6  # JFIF knows no other than BT.601
        colour = Colour(matrix, film.colour.primaries, film.colour.transfer, full_range=True)
        self._writer = Writer(self._pix_fmt, colour, left=False)
        self.coding = self._writer.coding

    def encoded(self, frame: Frame) -> bytes:
        """Return the file that a frame is."""
        context = VideoCodecContext.create(self._kind.codec, "w")
        if not isinstance(context, VideoCodecContext):
            raise TypeError(f"{self._kind.codec} is no picture encoder")
        context.width, context.height = frame.width, frame.height
        context.pix_fmt = self._pix_fmt
        context.time_base = Fraction(1, 25)
        context.sample_aspect_ratio = self._film.pixel_aspect
        context.color_range = 2
        context.options = dict(self._kind.options)
        picture = self._writer.write(frame.picture)
        return b"".join(bytes(packet) for packet in [*context.encode(picture), *context.encode(None)])


def _pixel_format(suffix: str, film: Format, encoding: Encoding) -> str:
    kind = _KINDS[suffix]
    for option in ("codec", "crf", "preset"):
        if getattr(encoding, option) is not None:
            raise OutputError(
                f"Pictures have no --{option}; their suffix, {suffix}, says how they are coded.",
                f"Leave out --{option}, or name a film with -o.",
            )
    wanted = encoding.pix_fmt or kind.pixel_format(film.depth)
    taken = [taken.name for taken in Codec(kind.codec, "w").video_formats or ()]
    if wanted not in taken:
        raise OutputError(
            f"{suffix} does not take the pixel format {wanted}.",
            f"Choose --pix-fmt among {', '.join(taken)}.",
        )
    return wanted


class PictureSink:
    """Writes frames as pictures into a folder; see ``open_sink``.

    Args:
        partial: The folder.
        film: What the frames are.
        name: How to name a picture in the folder, a printf pattern.
        encoding: See ``PictureCoder``.
        job, division, restart_of: See ``job.segments.Segments``.
    """

    def __init__(
        self,
        partial: Partial,
        film: Format,
        *,
        name: str,
        encoding: Encoding | None = None,
        job: Job,
        division: Division,
        restart_of: RestartOf,
    ) -> None:
        self.path = partial.path
        self.position = Position()
        self._partial = partial
        self._name = name
        self._job = job
        self._coder = PictureCoder(Path(name).suffix.lower(), film, encoding)
        self.coding = self._coder.coding
        self._division = division
        self._restart_of = restart_of

    def __enter__(self) -> Self:
        self._job.sweep()
        if not self._job.placing:
            self._partial.check()
        with ExitStack() as stack:
            stack.enter_context(self._job)
            self._segments = Segments(
                self._job, self._begin, restart_of=self._restart_of, division=self._division
            )
            stack.callback(self._segments.close)
            with reported(self.path):
                self.position = self._segments.resume()
            stack.push(self._finish)  # left first, so that the job stays if this fails
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, frame: Frame) -> None:
        """Write one frame as a picture, numbered from 1.

        Raises:
            OutputError: The disk is full.
        """
        with reported(self.path):
            self._segments.write(frame)

    def _begin(self, path: Path) -> PictureSegment:
        cards = self._job.cards
        before = cards[-1].before + cards[-1].frames if cards else 0
        return PictureSegment(path, self._name, before + 1, self._coder.encoded)

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Put the pictures in their place, if all went well."""
        if kind is not None:
            return
        with reported(self.path):
            self._segments.finish()
        cards = self._job.cards
        if not cards:
            raise OutputError(f"No frame was made for {self.path}.", "Check the input and its range.")
        if not self._job.placing:
            self._job.check()
            self._job.begin_placing(self._job.segment(cards[-1].number))
        own = {self._name % number for number in range(1, cards[-1].before + cards[-1].frames + 1)}
        folders = [self._job.segment(card.number) for card in cards]
        self._partial.place_pictures(folders, self._partial.temporary(self._job.folder), own)


class PhotoSink:
    """Writes one frame as a photo; see ``open_sink``.

    Args:
        partial: The photo.
        film: What the frame is.
        encoding: See ``PictureCoder``.
        job: Where it is kept until it takes its place.
    """

    def __init__(self, partial: Partial, film: Format, *, encoding: Encoding | None = None, job: Job) -> None:
        self.path = partial.path
        self.position = Position()
        self._partial = partial
        self._job = job
        self._coder = PictureCoder(partial.path.suffix.lower(), film, encoding)
        self.coding = self._coder.coding
        self._written: Path | None = None

    def __enter__(self) -> Self:
        self._partial.check()
        self._job.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if self._written is None:
                    raise OutputError(f"No frame was made for {self.path}.", "Check the input and its range.")
                self._partial.place(self._written, self._job)
        finally:
            self._job.__exit__(kind, error, trace)

    def write(self, frame: Frame) -> None:
        """Write the frame.

        Raises:
            OutputError: The disk is full, or there is more than one frame.
        """
        if self._written is not None:
            raise OutputError(
                f"{self.path} can hold one frame and the film has more.",
                "Name a film, or a folder ending in /.",
            )
        with reported(self.path):
            temporary = self._partial.temporary(self._job.folder)
            temporary.write_bytes(self._coder.encoded(frame))
        self._written = temporary
