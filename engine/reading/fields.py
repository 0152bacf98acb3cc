"""Interlaced and telecined film made progressive: two half pictures of different moments are no frame.

Done by libavfilter: ``bwdif`` for interlaced film, ``fieldmatch`` and ``decimate`` for film that was spread
from 24 frames to 30 by repeating fields (2:3 pulldown). What a film is, is told by ``idet`` from samples,
and only where the film says itself that it is interlaced: fine patterns that move look alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path

from av.container.input import InputContainer
from av.error import BlockingIOError as NotYet
from av.error import EOFError as EndOfStream
from av.error import FFmpegError
from av.filter.graph import Graph
from av.video.frame import VideoFrame

from ...errors import InputError
from .packets import Key, Scan, main_video, open_container

Timed = tuple[Fraction, VideoFrame]

_SAMPLE = 50  # frames in each of three stretches
_TO_BE_SURE = 8  # frames of a sample that move; fewer tell nothing
_CLEARLY = 0.9
# Of five telecined frames two repeat a field of the one before, and compression hides some of that.
_REPEATED = 0.1
_LAST_MATRIX = 14  # that libavfilter 11 knows of
_CYCLE, _KEPT = 5, 4  # frames in, frames out of the pulldown's removal


class Field(StrEnum):
    """How the pictures of a film are made up."""

    AUTO = "auto"
    PROGRESSIVE = "progressive"
    TFF = "tff"  # interlaced, the upper field first
    BFF = "bff"
    TELECINE = "telecine"

    @property
    def frames(self) -> Fraction:
        """Frames that come out of it for one that goes in."""
        return Fraction(_KEPT, _CYCLE) if self is Field.TELECINE else Fraction(1)


@dataclass(frozen=True, slots=True)
class Looks:
    """What samples of a film look like, in numbers of frames.

    Attributes:
        marked: Frames that are said to be interlaced.
        tff, bff: Frames that look interlaced, by their first field.
        progressive: Frames that move and do not look so.
        repeated: Frames of which one field is that of the frame before.
        count: All frames looked at.
    """

    marked: int = 0
    tff: int = 0
    bff: int = 0
    progressive: int = 0
    repeated: int = 0
    count: int = 0

    def field(self, rate: Fraction | None) -> Field:
        """Return what the film is, for its frames per second."""
        moving = self.tff + self.bff + self.progressive
        if 2 * self.marked < self.count or self.progressive >= _CLEARLY * moving > 0:
            return Field.PROGRESSIVE
        if rate is not None and 29 < rate < 31 and self.repeated >= _REPEATED * self.count:
            return Field.TELECINE
        return self.likely

    def __add__(self, other: Looks) -> Looks:
        return Looks(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def likely(self) -> Field:
        """Which of its fields comes first, if it is interlaced."""
        return Field.TFF if self.tff >= self.bff else Field.BFF

    @property
    def doubtful(self) -> bool:
        """Whether the film looks interlaced and does not say so."""
        most = max(self.tff, self.bff)
        return (
            2 * self.marked < self.count
            and most >= _TO_BE_SURE
            and most >= _CLEARLY * (self.tff + self.bff + self.progressive)
        )


def resolved_field(field: Field, path: Path, scan: Scan) -> tuple[Field, str | None]:
    """Return how a film's pictures are made up, found out where it is AUTO, and what to tell its user.

    Raises:
        InputError: Telecine cannot be undone, as the film has no constant rate.
    """
    remark: str | None = None
    if field is Field.AUTO:
        looks = looks_of_film(path, scan)
        field = looks.field(scan.timing.rate)
        if field is not Field.PROGRESSIVE:
            what = "telecined" if field is Field.TELECINE else "interlaced"
            remark = f"{path} is {what} and is made progressive; --field progressive would leave it as it is."
        elif looks.doubtful:
            remark = (
                f"{path} looks interlaced and does not say so; if its frames show combs, "
                f"add --field {looks.likely.value}."
            )
    if field is Field.TELECINE and scan.timing.rate is None:
        raise InputError(
            f"{path} has no constant frame rate, so its telecine cannot be undone.",
            "Give --field tff to take it for interlaced.",
        )
    return field, remark


def looks_of_film(path: Path, scan: Scan) -> Looks:
    """Return what a film looks like, from samples of its beginning, middle and later part."""
    keys = [scan.keys[len(scan.keys) * third // 3] for third in (1, 2)] if len(scan.keys) > 3 else []
    status = path.stat()
    return _looks_of_file(path, scan.stream, status.st_size, status.st_mtime_ns, (None, *keys))


@lru_cache(maxsize=32)  # a film is opened to plan and again to run
def _looks_of_file(path: Path, number: int, size: int, changed: int, keys: tuple[Key | None, ...]) -> Looks:
    def stretch(container: InputContainer, key: Key | None) -> Iterator[VideoFrame]:
        stream = main_video(container, path, number)
        stream.thread_type = "AUTO"
        with suppress(FFmpegError):  # what is damaged is left to who reads the film
            if key is not None:
                container.seek(key.decoded, stream=stream)
            yield from islice(container.decode(stream), _SAMPLE)

    looks = Looks()
    for key in keys:
        with open_container(path) as container:
            looks += looks_of(stretch(container, key))
    return looks


def looks_of(pictures: Iterator[VideoFrame]) -> Looks:
    """Return what successive frames of a film look like."""
    counts = dict.fromkeys(("single.tff", "single.bff", "single.progressive", *_REPEATS), 0)
    marks: list[bool] = []  # noted before `idet` sees the frames, since it marks them itself
    for picture in _through([("idet", "")], _counted(pictures, marks), None):
        counts = {name: round(float(picture.metadata.get(f"lavfi.idet.{name}", 0))) for name in counts}
    return Looks(
        marked=sum(marks),
        tff=counts["single.tff"],
        bff=counts["single.bff"],
        progressive=counts["single.progressive"],
        repeated=sum(counts[name] for name in _REPEATS),
        count=len(marks),
    )


_REPEATS = ("repeated.top", "repeated.bottom")


def made_progressive(frames: Iterator[Timed], field: Field, *, step: Fraction | None) -> Iterator[Timed]:
    """Give a film's decoded frames as progressive ones, with exact times.

    Args:
        frames: Time in seconds and picture, from the film's beginning: which frames of a telecined film
            belong together is counted from there.
        field: What the film is; AUTO is not resolved here.
        step: Seconds from frame to frame, where that is constant; a telecined film must have it.
    """
    if field in (Field.PROGRESSIVE, Field.AUTO):
        yield from frames
        return
    times: dict[int, Fraction] = {}

    def numbered() -> Iterator[VideoFrame]:
        for number, (time, picture) in enumerate(frames):
            times[number] = time
            picture.pts, picture.time_base = number, Fraction(1, 30)
            yield picture

    if field is Field.TELECINE:
        assert step is not None
        chain = [("fieldmatch", "mode=pc_n:combmatch=full"), ("decimate", f"cycle={_CYCLE}")]
        for number, picture in enumerate(_through(chain, numbered(), Fraction(30))):
            place, parts = divmod(number * _CYCLE, _KEPT)  # among the frames that went in
            yield times[place] + parts * step / _KEPT, picture
            for past in [past for past in times if past < place]:
                del times[past]
        return
    chain = [("bwdif", f"mode=send_frame:parity={field.value}:deint=all")]
    for number, picture in enumerate(_through(chain, numbered(), Fraction(30))):
        yield times.pop(number), picture


def _counted(pictures: Iterator[VideoFrame], marks: list[bool]) -> Iterator[VideoFrame]:
    for number, picture in enumerate(pictures):
        marks.append(picture.interlaced_frame)
        picture.pts, picture.time_base = number, Fraction(1, 30)
        yield picture


def _through(
    chain: list[tuple[str, str]], pictures: Iterator[VideoFrame], rate: Fraction | None
) -> Iterator[VideoFrame]:
    """Give what a chain of filters makes of pictures, in their own pixel format."""
    graph: Graph | None = None
    shape: tuple[int, int, str] | None = None
    for picture in pictures:
        if shape != (shape := (picture.width, picture.height, picture.format.name)):
            if graph is not None:  # whoever reads the film says that it changes its size
                graph.push(None)
                yield from _ready(graph.pull)
            graph = _graph(chain, picture, rate)
        assert graph is not None
        graph.push(picture)
        yield from _ready(graph.pull)
    if graph is not None:
        graph.push(None)
        yield from _ready(graph.pull)


def _ready(pull: Callable[[], object]) -> Iterator[VideoFrame]:
    while True:
        try:
            picture = pull()
        except (NotYet, EndOfStream):
            return
        if isinstance(picture, VideoFrame):
            yield picture


def _graph(chain: list[tuple[str, str]], picture: VideoFrame, rate: Fraction | None) -> Graph:
    name = picture.format.name
    described = f"video_size={picture.width}x{picture.height}:pix_fmt={name}:time_base=1/30:pixel_aspect=1/1"
    if rate is not None:  # `decimate` wants one, whichever; times are counted, not read
        described += f":frame_rate={rate}"
    matrix = int(picture.colorspace)  # damaged films name any number
    described += f":colorspace={matrix if matrix <= _LAST_MATRIX else 2}:range={int(picture.color_range)}"
    graph = Graph()
    node = graph.add("buffer", described)
    for filter_name, arguments in [*chain, ("format", f"pix_fmts={name}"), ("buffersink", "")]:
        following = graph.add(filter_name, arguments) if arguments else graph.add(filter_name)
        node.link_to(following)
        node = following
    graph.configure()
    return graph
