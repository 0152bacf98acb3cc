"""What a file can say of how its colours are coded, found by writing one and reading it back."""

from __future__ import annotations

import io
import logging
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

import av
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from .colour import is_known_matrix, resolve_matrix, same_matrix
from .frame import Colour, Format
from .pictures import colour_of, layout_of, planar_format

_log = logging.getLogger(__name__)

_SIDE = 128  # pixels; a size that every encoder takes


def written_colour(
    wanted: Colour, film: Format, *, codec: str, container: str, pix_fmt: str, options: dict[str, str]
) -> Colour:
    """Return how to code colour so that whoever reads the file decodes it rightly.

    A codec and a container that cannot say what is wanted leave players to assume something: then that is
    what the film is coded in.

    Args:
        wanted: With a resolved matrix.
        film: Its size decides what players assume.
        codec: The encoder.
        container: By libav's name.
        pix_fmt: The pixel format.
        options: Of the encoder.
    """
    if layout_of(planar_format(pix_fmt)).kind == "rgb":
        return replace(wanted, matrix=0, full_range=True)
    if pix_fmt.startswith("yuvj"):
        wanted = replace(wanted, full_range=True)
    read = _read_back(wanted, codec, container, pix_fmt, tuple(options.items()))
    if read is None:
        read = Colour()
    if read.primaries != wanted.primaries and wanted.primaries == _BT2020:
        _log.warning("A %s file of %s cannot say that its colours are those of BT.2020.", container, codec)
    matrix = read.matrix if is_known_matrix(read.matrix) and read.matrix else 2
    matrix = resolve_matrix(replace(wanted, matrix=matrix), film.width, film.height)
    if same_matrix(matrix, wanted.matrix):
        matrix = wanted.matrix
    return replace(wanted, matrix=matrix, full_range=read.full_range)


_BT2020 = 9


@lru_cache(maxsize=64)
def _read_back(
    colour: Colour, codec: str, container: str, pix_fmt: str, options: tuple[tuple[str, str], ...]
) -> Colour | None:
    """Return how a film that is written so says that its colour is coded; None where that is not known."""
    file = io.BytesIO()
    try:
        with av.open(file, "w", format=container) as output:
            stream = output.add_stream(codec, rate=25, options=dict(options))
            assert isinstance(stream, VideoStream)
            stream.width = stream.height = _SIDE
            stream.pix_fmt = pix_fmt
            context = stream.codec_context
            context.colorspace, context.color_primaries = colour.matrix, colour.primaries
            context.color_trc, context.color_range = colour.transfer, 2 if colour.full_range else 1
            picture = VideoFrame(_SIDE, _SIDE, pix_fmt)
            for plane in picture.planes:
                plane.update(bytes(plane.buffer_size))
            picture.pts, picture.time_base = 0, Fraction(1, 25)
            picture.colorspace, picture.color_primaries = colour.matrix, colour.primaries
            picture.color_trc, picture.color_range = colour.transfer, 2 if colour.full_range else 1
            output.mux(stream.encode(picture))
            output.mux(stream.encode(None))
        file.seek(0)
        with av.open(file, "r") as again:
            return colour_of(next(again.decode(video=0)), image=False)
    except (FFmpegError, ValueError, OSError, StopIteration):
        return None
