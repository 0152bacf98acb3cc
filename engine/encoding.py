"""How the result is coded: what a user may choose, and what is chosen where nothing is said."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path

from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container.output import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat

from ..errors import OutputError
from .colour import resolve_matrix
from .frame import Colour, Format
from .pictures import layout_of, planar_format

_log = logging.getLogger(__name__)

_MOST_TICKS = 2**31 - 1  # what a time base may have as its denominator


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode a film; None stands for the usual choice of the container.

    Attributes:
        codec: An encoder of libav, such as ``libx264``, ``libx265``, ``libvpx-vp9``, ``ffv1``.
        crf: Constant quality, lower is better; 16 unless given, for encoders that know it.
        preset: Speed of the encoder, ``medium`` unless given, for encoders that know it.
        pix_fmt: Pixel format; ``yuv420p``, or ``yuv420p10le`` for films of more than 8 bits.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    pix_fmt: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a film is encoded with, nothing left open.

    Attributes:
        codec: An encoder.
        pix_fmt: A pixel format that it takes.
        options: What to tell it.
        colour: How colour is coded, with a resolved matrix; 0 where the planes are RGB.
        time_base: Seconds per tick of its packets.
    """

    codec: Codec
    pix_fmt: str
    options: dict[str, str]
    colour: Colour
    time_base: Fraction


def choose(encoding: Encoding, container: OutputContainer, film: Format) -> Choice:
    """Settle how to encode a film into a container.

    Raises:
        OutputError: The encoder is not known, does not take the pixel format or an option, or the
            container cannot hold what it makes.
    """
    name = encoding.codec or _usual_codec(container, film)
    try:
        codec = Codec(name, "w")
    except UnknownCodecError as error:
        known = [known for known in _COMMON if _exists(known)]
        raise OutputError(
            f"There is no encoder {name}.", f"Choose --codec among {', '.join(known)}."
        ) from error
    if codec.type != "video":
        raise OutputError(f"{name} encodes {codec.type} and not pictures.", "Choose --codec libx264.")
    held = container.supported_codecs
    if held and codec.name not in held and codec.canonical_name not in held:
        raise OutputError(
            f"A {container.format.name} file cannot hold {name}.",
            "Choose another --codec, or name the output .mkv.",
        )
    pix_fmt = _pixel_format(encoding, codec, film)
    colour = Colour(
        matrix=resolve_matrix(film.colour, film.width, film.height),
        primaries=film.colour.primaries,
        transfer=film.colour.transfer,
        full_range=pix_fmt.startswith("yuvj"),
    )
    if layout_of(planar_format(pix_fmt)).kind == "rgb":
        colour = replace(colour, matrix=0, full_range=True)
    return Choice(
        codec,
        pix_fmt,
        _options(encoding, codec, container.format.name),
        colour,
        _time_base(container, codec, film),
    )


_COMMON = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "ffv1", "prores_ks", "h264_nvenc", "hevc_nvenc")


def _exists(name: str) -> bool:
    try:
        return Codec(name, "w").is_encoder
    except UnknownCodecError:
        return False


def _usual_codec(container: OutputContainer, film: Format) -> str:
    held = container.supported_codecs or {"libx264", "libx265"}  # MPEG-TS does not say
    names = ("libx265", "libx264", "libvpx-vp9") if film.depth > 8 else ("libx264", "libvpx-vp9")
    return next((name for name in names if name in held), container.default_video_codec)


def _pixel_format(encoding: Encoding, codec: Codec, film: Format) -> str:
    taken = [taken.name for taken in codec.video_formats or ()]
    wanted = encoding.pix_fmt
    if wanted is None:
        preferred = ["yuv420p10le", "yuv422p10le"] if film.depth > 8 else []
        wanted = next(
            (name for name in [*preferred, "yuv420p"] if not taken or name in taken),
            taken[0] if taken else "yuv420p",
        )
        odd = film.width % 2 or film.height % 2
        full = wanted.replace("420", "444")
        # VP9, AV1 and FFV1 take half a chroma sample more; H.264 and HEVC would lose a line.
        if odd and codec.canonical_name in ("h264", "hevc") and wanted != full and full in taken:
            _log.warning("%dx%d is odd, so the film is written as %s.", film.width, film.height, full)
            return full
    if taken and wanted not in taken:
        raise OutputError(
            f"{codec.name} does not take the pixel format {wanted}.",
            f"Choose --pix-fmt among {', '.join(taken[:12])}.",
        )
    try:
        VideoFormat(wanted)
    except ValueError as error:
        raise OutputError(f"There is no pixel format {wanted}.", "Choose --pix-fmt yuv420p.") from error
    return wanted


def _options(encoding: Encoding, codec: Codec, container: str) -> dict[str, str]:
    context = VideoCodecContext.create(codec, "w")
    known = {option.name for option in context.supported_options.private}
    options: dict[str, str] = {}
    for option, value, usual in (("crf", encoding.crf, "16"), ("preset", encoding.preset, "medium")):
        if option in known and (value is not None or codec.canonical_name in ("h264", "hevc", "vp9")):
            options[option] = usual if value is None else str(value)
        elif value is not None and option not in known:
            raise OutputError(
                f"{codec.name} has no {option}.", f"Leave out --{option}, or choose --codec libx264."
            )
    if codec.name == "libvpx-vp9":
        options |= {"b": "0", "row-mt": "1"}  # without b=0 the default bit rate caps the quality
    if container == "avi":  # It keeps no times to put B-frames in order by.
        options["bf"] = "0"
    if codec.name == "libx264" and _has_avx512():
        # x264's macroblock tree then reads memory that nobody wrote where the width in macroblocks is no
        # multiple of 8 (core 165, as in PyAV 18.1), and no two runs give the same film.
        options["x264-params"] = "asm=AVX2"
    if codec.name == "libx265":
        options["x265-params"] = "log-level=error"  # it writes to standard error by itself
    return options


@cache
def _has_avx512() -> bool:
    try:
        return "avx512" in Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return False


def _time_base(container: OutputContainer, codec: Codec, film: Format) -> Fraction:
    """Return the tick that keeps every time exact, or the finest that can be written."""
    exact = film.time_base
    if container.format.name == "avi":  # It counts frames, and fills every tick between two with one.
        exact = 1 / film.rate if film.rate else exact
        if exact < Fraction(1, 250):
            raise OutputError(
                "An avi file cannot hold a variable frame rate.", "Name the output .mkv or .mp4."
            )
    most = 65535 if codec.canonical_name in ("mpeg4", "h263") else _MOST_TICKS
    if exact.denominator > most:
        coarse = 1 / film.rate if film.rate else Fraction(1, 60000)
        return coarse if coarse.denominator <= most else Fraction(1, 60000)
    return exact
