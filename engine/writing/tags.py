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

from ..pixels.colour import is_known_matrix, resolve_matrix, same_matrix
from ..pixels.frame import Colour, Format
from ..reading.pictures import aspect_of, colour_of, layout_of, planar_format

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
    back = _read_back(wanted, Fraction(1), codec, container, pix_fmt, tuple(options.items()))
    read = Colour() if back is None else back[0]
    if read.primaries != wanted.primaries and wanted.primaries == _BT2020:
        _log.warning("A %s file of %s cannot say that its colours are those of BT.2020.", container, codec)
    matrix = read.matrix if is_known_matrix(read.matrix) and read.matrix else 2
    matrix = resolve_matrix(replace(wanted, matrix=matrix), film.width, film.height)
    if same_matrix(matrix, wanted.matrix):
        matrix = wanted.matrix
    return replace(wanted, matrix=matrix, full_range=read.full_range)


_BT2020 = 9


def aspect_kept(
    aspect: Fraction, *, codec: str, container: str, pix_fmt: str, options: dict[str, str]
) -> bool:
    """Whether a file that is written so says of what shape its pixels are."""
    back = _read_back(Colour(matrix=6), aspect, codec, container, pix_fmt, tuple(options.items()))
    return back is not None and back[1] == aspect


@lru_cache(maxsize=64)
def _read_back(
    colour: Colour,
    aspect: Fraction,
    codec: str,
    container: str,
    pix_fmt: str,
    options: tuple[tuple[str, str], ...],
) -> tuple[Colour, Fraction] | None:
    """Return how a film that is written so says that its colour is coded and of what shape its pixels are.

    None where that is not known.
    """
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
            context.sample_aspect_ratio = aspect
            picture = VideoFrame(_SIDE, _SIDE, pix_fmt)
            for plane in picture.planes:
                plane.update(bytes(plane.buffer_size))
            picture.pts, picture.time_base = 0, Fraction(1, 25)
            picture.colorspace, picture.color_primaries = colour.matrix, colour.primaries
            picture.color_trc, picture.color_range = colour.transfer, 2 if colour.full_range else 1
            for number, packet in enumerate([*stream.encode(picture), *stream.encode(None)]):
                packet.pts = packet.dts = number  # x265 gives a single frame no time of decoding
                output.mux_one(packet)
        file.seek(0)
        with av.open(file, "r") as again:
            picture = next(again.decode(video=0))
            return colour_of(picture, image=False), aspect_of(again.streams.video[0])
    except (FFmpegError, ValueError, OSError, StopIteration):
        return None
