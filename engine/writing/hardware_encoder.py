"""The encoder of the GPU in the place of a usual one: taken where a picture goes through it, and said."""

from __future__ import annotations

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from ..networks.backend import Backend
from ..pixels.frame import Format
from ..remarks import SHOWN
from .encoding import Encoding, constant_quality, usual_encoder

# By the usual encoder: the GPU's, and the pixel format that it is given.
INSTEAD = {"libx264": ("h264_nvenc", "yuv420p"), "libx265": ("hevc_nvenc", "p010le")}

_log = logging.getLogger(__name__)


def with_hardware(encoding: Encoding, path: Path, film: Format, backend: Backend) -> Encoding:
    """Return how to encode a film where networks run on a GPU: as before, or by its encoder if that works.

    Whatever the user has said of the encoding is left as it is. One line says which encoder it is and why.

    Args:
        encoding: What was asked for.
        path: Where the film goes.
        film: What is encoded.
        backend: What runs the networks.
    """
    if backend.device is None or encoding != Encoding():
        return encoding
    usual = usual_encoder(path, film)
    if usual is None or usual not in INSTEAD:
        return encoding
    name, pix_fmt = INSTEAD[usual]
    why = _why_not(name, pix_fmt, film)
    if why is not None:
        _log.info("encoder: %s (not %s: %s)", usual, name, why, extra={SHOWN: True})
        return encoding
    line = "encoder: %s, which opens on this GPU; --codec %s takes its place"
    _log.info(line, name, usual, extra={SHOWN: True})
    return replace(encoding, codec=name, pix_fmt=pix_fmt)


def _why_not(name: str, pix_fmt: str, film: Format) -> str | None:
    """Return why an encoder cannot take this film; None where it can, which a picture of its size shows."""
    if film.sampling in ("422", "444"):
        return f"it would keep less of the colour than {film.sampling} has"
    if film.width % 2 or film.height % 2:
        return f"{film.width}x{film.height} is odd"
    try:
        context = VideoCodecContext.create(name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = film.width, film.height, pix_fmt
        context.time_base = Fraction(1, 25)
        context.options = constant_quality(name, None)
        picture = VideoFrame(film.width, film.height, pix_fmt)
        picture.pts = 0
        for plane in picture.planes:
            plane.update(bytes(plane.buffer_size))
        packets = [*context.encode(picture), *context.encode(None)]
    except (FFmpegError, ValueError) as error:
        return (getattr(error, "strerror", None) or str(error)).rstrip(".")
    return None if packets else "nothing comes out of it"
