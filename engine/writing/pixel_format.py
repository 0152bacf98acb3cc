"""The pixel format of a result: the film's own sampling and depth, as far as its encoder takes them."""

from __future__ import annotations

import logging

from av.codec import Codec
from av.video.format import VideoFormat

from ...errors import OutputError
from ..pixels.frame import Format
from ..reading.pictures import depth_of, sampling_of

_log = logging.getLogger(__name__)

LOSSLESS = ("ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "rawvideo", "png", "qtrle", "r210")
# What takes the place of a sampling that an encoder has not got; only a lossless one keeps grey and RGB,
# since films of these two can be played by few.
_INSTEAD = {
    "420": ("420", "422", "444"),
    "422": ("422", "444", "420"),
    "444": ("444", "422", "420"),
    "grey": ("420", "422", "444"),
    "rgb": ("420", "422", "444"),
}
_DEEPER = {8: (8, 10, 12, 16), 10: (10, 12, 16, 8), 12: (12, 16, 10, 8), 16: (16, 12, 10, 8)}
_DEPTH_PLAYED = 10  # deeper films than that are for archives


def pixel_format(wanted: str | None, codec: Codec, film: Format) -> str:
    """Return the pixel format to encode a film with.

    Args:
        wanted: What the user named, if anything.
        codec: An encoder.
        film: What is encoded: its sampling and its depth are kept where that is possible.

    Raises:
        OutputError: The encoder does not take what was named.
    """
    taken = [taken.name for taken in codec.video_formats or ()]
    if wanted is None:
        return _usual(codec, film, taken)
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


def _usual(codec: Codec, film: Format, taken: list[str]) -> str:
    lossless = codec.name in LOSSLESS
    names = [name for depth in _depths(film, lossless=lossless) for name in _names(film, depth, lossless)]
    fitting = [name for name in names if name in taken] or taken[:1] or ["yuv420p"]
    whole = [name for name in fitting if _is_whole(name, codec, film)]
    chosen = whole[0] if whole else fitting[0]
    if chosen != fitting[0]:
        _log.warning("%dx%d is odd, so the film is written as %s.", film.width, film.height, chosen)
    elif film.sampling in ("422", "444") and sampling_of(chosen) not in (film.sampling, "444", "rgb"):
        _log.warning("%s keeps the colour of fewer pixels than the film has: %s.", codec.name, chosen)
    if film.depth > 8 and depth_of(chosen) == 8:
        _log.warning("%s keeps 8 bits of the %d that the film has.", codec.name, film.depth)
    return chosen


def _depths(film: Format, *, lossless: bool) -> tuple[int, ...]:
    return _DEEPER[film.depth if lossless else min(film.depth, _DEPTH_PLAYED)]


def _names(film: Format, depth: int, lossless: bool) -> list[str]:
    tail = f"{depth}le" if depth > 8 else ""
    names = [f"yuv{sampling}p{tail}" for sampling in _INSTEAD[film.sampling]]
    if lossless and film.sampling == "grey":
        names.insert(0, f"gray{tail}")
    if lossless and film.sampling == "rgb":
        names[:0] = [
            f"gbrp{tail}",
            *(("bgr0", "rgb24") if depth == 8 else ("rgb48le",) if depth == 16 else ()),
        ]
    return names


def _is_whole(name: str, codec: Codec, film: Format) -> bool:
    """Whether this encoder keeps every column and line of the film in this format."""
    pixel_format = VideoFormat(name)
    across = film.width % 2 and pixel_format.chroma_width(64) < 64
    down = film.height % 2 and pixel_format.chroma_height(64) < 64
    if codec.canonical_name in ("h264", "hevc", "utvideo"):  # They refuse such a film, or lose its last line.
        return not (across or down)
    # The last column of 4:2:2 comes back as noise (libavcodec 62.28).
    return not (across and codec.canonical_name == "prores")
