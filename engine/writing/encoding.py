"""How the result is coded: what a user may choose, and what is chosen where nothing is said."""

from __future__ import annotations

import io
import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container.output import OutputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from ...errors import OutputError
from ..pixels.colour import resolve_matrix
from ..pixels.frame import Colour, Format
from .pixel_format import pixel_format
from .tags import aspect_kept, written_colour

_MOST_TICKS = 2**31 - 1  # what a time base may have as its denominator
# By libav's name of the container; None: it says itself what it holds.
_HELD: dict[str, tuple[str, ...] | None] = {
    "mp4": None,
    "mov": None,
    "matroska": None,
    "webm": None,
    "avi": None,
    "flv": ("h264",),
    "mpegts": ("h264", "hevc", "mpeg2video"),
    "mpeg": ("mpeg2video", "mpeg1video"),
    "vob": ("mpeg2video",),
    "ipod": None,
    "3gp": None,
    "nut": None,
}
_SUFFIXES = {"mp4": ".mp4", "matroska": ".mkv", "mov": ".mov", "webm": ".webm", "avi": ".avi"}
_ALIASES = {
    "h264": "libx264",
    "x264": "libx264",
    "avc": "libx264",
    "hevc": "libx265",
    "h265": "libx265",
    "x265": "libx265",
    "av1": "libsvtav1",
    "vp9": "libvpx-vp9",
    "vp8": "libvpx",
    "prores": "prores_ks",
}
_USUAL = {  # quality and speed where nothing is said
    "libx264": {"crf": "16", "preset": "medium"},
    "libx265": {"crf": "16", "preset": "medium"},
    "libvpx-vp9": {"crf": "16"},
    "libsvtav1": {"crf": "16", "preset": "6"},
    "libvpx": {"crf": "8"},
}
# These know no constant quality but a scale for their rounding, 118 to the step; finest but one.
_BY_SCALE = ("mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "flv")
_MPEG_RATES = {Fraction(n * 1000, 1001) for n in (24, 30, 60)} | {Fraction(n) for n in (24, 25, 30, 50, 60)}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to encode a film; None stands for the usual choice of the container.

    Attributes:
        codec: An encoder of libav, such as ``libx264``, ``libx265``, ``libvpx-vp9``, ``ffv1``, or what
            everybody calls it: ``h264``, ``hevc``, ``av1``, ``prores``.
        crf: Constant quality, lower is better; 16 unless given, for encoders that know it.
        preset: Speed of the encoder, ``medium`` unless given, for encoders that know it.
        pix_fmt: Pixel format; by default that of the film as nearly as the encoder takes it, but 10 bits
            at most and 4:2:0 for grey and RGB unless the encoder is a lossless one.
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
    if container.format.name not in _HELD:
        raise OutputError(
            f"No film is written as {container.format.name}.",
            "End its name in .mp4, .mkv, .mov, .webm, .avi, .ts, .flv or .mpg.",
        )
    codec = _chosen_codec(encoding, container, film)
    _check_held(container, codec, film)
    pix_fmt = pixel_format(encoding.pix_fmt, codec, film)
    options = _options(encoding, codec, container.format.name)
    wanted = replace(
        film.colour,
        matrix=resolve_matrix(film.colour, film.width, film.height),
        full_range=film.colour.full_range and film.sampling != "rgb",  # RGB has no other
    )
    colour = written_colour(
        wanted,
        film,
        codec=codec.name,
        container=container.format.name,
        pix_fmt=pix_fmt,
        options=options,
    )
    return Choice(codec, pix_fmt, options, colour, _time_base(container, codec, film))


def keeps_pixel_aspect(path: Path, encoding: Encoding, film: Format) -> bool:
    """Whether the film that will be written there can say of what shape its pixels are."""
    with TemporaryDirectory() as folder, suppress(FFmpegError, ValueError):  # which are told of later
        container = av.open(f"{folder}/trial{path.suffix}", "w")
        try:
            name = container.format.name
            if name not in _HELD:
                return True
            codec = _chosen_codec(encoding, container, film)
            return aspect_kept(
                film.pixel_aspect,
                codec=codec.name,
                container=name,
                pix_fmt=pixel_format(
                    None, codec, replace(film, width=64, height=64, depth=8, sampling="420")
                ),
                options=_options(encoding, codec, name),
            )
        finally:
            container.close()
    return True


def usual_encoder(path: Path, film: Format) -> str | None:
    """Return the encoder of a film where nothing is said; None where none is written there."""
    with TemporaryDirectory() as folder, suppress(FFmpegError, ValueError):  # which are told of later
        container = av.open(f"{folder}/trial{path.suffix}", "w")
        try:
            return _usual_codec(container, film) if container.format.name in _HELD else None
        finally:
            container.close()
    return None


def constant_quality(codec: str, crf: int | None) -> dict[str, str]:
    """Return what tells NVENC to keep a quality, as ``crf`` tells others; nothing for those."""
    if not codec.endswith("_nvenc"):
        return {}
    # Without b=0 its default bit rate, 2 Mb/s, caps the quality.
    return {"rc": "vbr", "cq": "16" if crf is None else str(crf), "b": "0"}


def _chosen_codec(encoding: Encoding, container: OutputContainer, film: Format) -> Codec:
    name = (encoding.codec or "").lower()
    return _codec(_ALIASES.get(name, name) or _usual_codec(container, film))


def _codec(name: str) -> Codec:
    try:
        codec = Codec(name, "w")
    except UnknownCodecError as error:
        known = [known for known in _COMMON if _exists(known)]
        raise OutputError(
            f"There is no encoder {name}.", f"Choose --codec among {', '.join(known)}."
        ) from error
    if codec.type != "video":
        raise OutputError(f"{name} encodes {codec.type} and not pictures.", "Choose --codec libx264.")
    if name == "libsvtav1":  # It writes pages to standard error by itself, unless told here.
        os.environ.setdefault("SVT_LOG", "1")
    return codec


def _check_held(container: OutputContainer, codec: Codec, film: Format) -> None:
    if _can_hold(container.format.name, container.supported_codecs, codec):
        return
    able = [suffix for name, suffix in _SUFFIXES.items() if _can_hold(name, _held_by(name), codec)]
    other = f"name the output {' or '.join(able)}" if able else "name another output"
    raise OutputError(
        f"{container.format.name} files cannot hold {codec.name}.",
        f"Choose --codec {_usual_codec(container, film)}, or {other}.",
    )


def _can_hold(name: str, supported: Collection[str], codec: Codec) -> bool:
    held = _HELD[name] or supported
    return not held or codec.name in held or codec.canonical_name in held


@cache
def _held_by(name: str) -> frozenset[str]:
    """Return the codecs that a container holds."""
    with av.open(io.BytesIO(), "w", format=name) as container:
        return frozenset(container.supported_codecs)


_COMMON = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "ffv1", "prores_ks", "h264_nvenc", "hevc_nvenc")


def _exists(name: str) -> bool:
    try:
        return Codec(name, "w").is_encoder
    except UnknownCodecError:
        return False


def _usual_codec(container: OutputContainer, film: Format) -> str:
    names = ("libx265", "libx264", "libsvtav1") if film.depth > 8 else ("libx264", "libvpx-vp9")
    usual = [*names, "mpeg2video", container.default_video_codec]
    supported = container.supported_codecs
    return next(name for name in usual if _can_hold(container.format.name, supported, Codec(name, "w")))


def _options(encoding: Encoding, codec: Codec, container: str) -> dict[str, str]:
    context = VideoCodecContext.create(codec, "w")
    known = {option.name for option in context.supported_options.private}
    options = constant_quality(codec.name, encoding.crf)
    crf = None if options else encoding.crf
    usual = _USUAL.get(codec.name, {})
    for option, value in (("crf", crf), ("preset", encoding.preset)):
        if value is not None and option not in known:
            raise OutputError(
                f"{codec.name} has no {option}.", f"Leave out --{option}, or choose --codec libx264."
            )
        if value is not None or option in usual:
            options[option] = usual[option] if value is None else str(value)
    if codec.name in _BY_SCALE:
        options |= {"flags": "+qscale", "global_quality": "236"}
    if codec.name == "libvpx-vp9":
        options |= {"b": "0", "row-mt": "1"}  # without b=0 the default bit rate caps the quality
    if codec.name == "libvpx":
        options["b"] = "100000000"  # it has no quality without a bound
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
    if codec.canonical_name in ("mpeg1video", "mpeg2video"):
        if film.rate is None or film.rate not in _MPEG_RATES:
            rate = "a variable rate" if film.rate is None else f"{float(film.rate):.5g} frames per second"
            raise OutputError(
                f"{codec.name} cannot have {rate}.",
                "Name the output .mkv or .mp4, or interpolate to --fps 25.",
            )
        return 1 / film.rate
    most = 65535 if codec.canonical_name in ("mpeg4", "h263") else _MOST_TICKS
    if exact.denominator > most:
        coarse = 1 / film.rate if film.rate else Fraction(1, 60000)
        return coarse if coarse.denominator <= most else Fraction(1, 60000)
    return exact
