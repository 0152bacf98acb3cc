"""Frames written as pictures: a folder of them, or one photo."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from av.video.codeccontext import VideoCodecContext

from ..errors import OutputError
from .frame import Colour, Format, Frame
from .partial import Partial, reported
from .pictures import Writer, layout_of, planar_format

_log = logging.getLogger(__name__)


class _Kind:
    """How pictures of one suffix are coded: encoder, pixel format, that for more than 8 bits, options."""

    def __init__(self, codec: str, usual: str, deep: str | None = None, **options: str) -> None:
        self.codec = codec
        self.usual = usual
        self.deep = deep or usual
        self.options = options


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
}


class PictureSink:
    """Writes frames as pictures, losslessly unless the suffix is that of JPEG; see ``open_sink``.

    Args:
        partial: The folder, or the photo.
        film: What the frames are.
        name: How to name a picture in the folder, a printf pattern; None for one photo.
    """

    def __init__(self, partial: Partial, film: Format, *, name: str | None) -> None:
        self.path = partial.path
        self._partial = partial
        self._film = film
        self._name = name
        self._count = 0
        suffix = Path(name or partial.path.name).suffix.lower()
        if suffix not in _KINDS:
            raise OutputError(f"No pictures are written as {suffix}.", f"Choose among {', '.join(_KINDS)}.")
        self._kind = _KINDS[suffix]

    def __enter__(self) -> Self:
        self._partial.__enter__()
        self._pix_fmt = self._kind.deep if self._film.depth > 8 else self._kind.usual
        rgb = layout_of(planar_format(self._pix_fmt)).kind == "rgb"
        matrix = 0 if rgb else 6  # JFIF knows no other than BT.601
        primaries, transfer = self._film.colour.primaries, self._film.colour.transfer
        self._writer = Writer(self._pix_fmt, Colour(matrix, primaries, transfer, full_range=True), left=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                if not self._count:
                    raise OutputError(f"No frame was made for {self.path}.", "Check the input and its range.")
                self._partial.complete()
        finally:
            self._partial.__exit__(kind, error, trace)

    def write(self, frame: Frame) -> None:
        """Write one frame as a picture, numbered from 1.

        Raises:
            OutputError: The disk is full, or there is more than one frame for one photo.
        """
        self._count += 1
        if self._name is None and self._count > 1:
            raise OutputError(
                f"{self.path} can hold one frame and the film has more.",
                "Name a film, or a folder ending in /.",
            )
        file = self._partial.temporary / (self._name % self._count) if self._name else self._partial.temporary
        with reported(self.path):
            file.write_bytes(self._encoded(frame))

    def _encoded(self, frame: Frame) -> bytes:
        context = VideoCodecContext.create(self._kind.codec, "w")
        if not isinstance(context, VideoCodecContext):
            raise TypeError(f"{self._kind.codec} is no picture encoder")
        context.width, context.height = frame.width, frame.height
        context.pix_fmt = self._pix_fmt
        context.time_base = Fraction(1, 25)
        context.sample_aspect_ratio = self._film.pixel_aspect
        context.color_range = 2
        context.options = dict(self._kind.options)
        picture = self._writer.write(frame.pixels)
        return b"".join(bytes(packet) for packet in [*context.encode(picture), *context.encode(None)])
