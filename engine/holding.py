"""Which containers can hold a track as it is, found by trying."""

from __future__ import annotations

import io

import av
from av.error import FFmpegError
from av.stream import Stream

_OFTEN = {"matroska": ".mkv", "mp4": ".mp4", "mov": ".mov", "avi": ".avi"}
# It takes anything, and what it does not know is lost as nameless data.
_IN_TRANSPORT_STREAMS = frozenset(
    {"mp1", "mp2", "mp3", "aac", "aac_latm", "ac3", "eac3", "dts", "truehd", "opus", "s302m"}
    | {"dvb_subtitle", "dvb_teletext", "hdmv_pgs_subtitle"}
)


def can_hold(container: str, stream: Stream) -> bool:
    """Whether a container, by libav's name, takes a stream as it is."""
    if container == "mpegts" and stream.codec_context.codec.canonical_name not in _IN_TRANSPORT_STREAMS:
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (FFmpegError, ValueError, OSError):
        return False
    return True


def holders(stream: Stream) -> str:
    """Say which usual containers can hold a stream: ``.mkv and .ts can``; empty where none does."""
    able = [suffix for name, suffix in _OFTEN.items() if can_hold(name, stream)]
    return f"{', '.join(able[:-1])}{' and ' if able[1:] else ''}{able[-1]} can" if able else ""
