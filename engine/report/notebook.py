"""What a notebook shows of a run: before and after, and the film."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import av
from av.error import FFmpegError

from ..runs.summary import Summary
from ..writing.naming import place_of
from .page import clock, environment, run_stills

_EMBEDDED = 12_000_000  # bytes of a film that goes into the notebook itself
_PLAYED = {  # by browsers: suffixes with the codecs in them, and pixel formats
    ".mp4": ("h264", "vp9", "av1", "libdav1d"),
    ".m4v": ("h264",),
    ".webm": ("vp8", "vp9", "av1", "libdav1d"),
}
_PIXELS = ("yuv420p", "yuvj420p", "yuv420p10le")
_STILLS = 3


def shown_in_notebook(summary: Summary) -> str:
    """Return HTML with a before and after slider and the film, playable where a browser can play it.

    A small film is embedded; of a large one the place is named, as seen from the folder that a notebook
    is run in.
    """
    found = run_stills(summary.plan, summary.settings, summary.course, summary.frames, most=_STILLS)
    place, pictures = place_of(summary.output)
    film = not pictures and not summary.plan.before.still
    plays = film and _plays(place)
    return (
        environment()
        .get_template("notebook.html")
        .render(
            stills=found,
            rehearsal=summary.plan.rehearsal,
            place=str(summary.output),
            film=film,
            address=_address(place) if plays else None,
            poster=found[0].whole.addresses[1] if found else "",
            told=f"{summary.frames} frames in {clock(summary.seconds)}",
        )
    )


def _plays(path: Path) -> bool:
    """Whether browsers play a film."""
    codecs = _PLAYED.get(path.suffix.lower(), ())
    try:
        with av.open(str(path)) as film:
            coded = film.streams.video[0].codec_context
            return coded.name in codecs and coded.pix_fmt in _PIXELS
    except (FFmpegError, OSError, IndexError):
        return False


def _address(path: Path) -> str:
    if path.stat().st_size > _EMBEDDED:
        try:
            return quote(str(path.absolute().relative_to(Path.cwd())))
        except ValueError:  # a notebook reaches nothing above its folder
            return path.absolute().as_uri()
    kind = "video/webm" if path.suffix.lower() == ".webm" else "video/mp4"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
