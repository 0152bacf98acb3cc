"""Whole films through the command: what goes in and what comes out, both as libav alone reads them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from reel.cli import run

FAST = ("--crf", "8", "--preset", "ultrafast")
_BT709, _BT601 = 1, 5
_COVER = 0x400


@dataclass(frozen=True)
class Outcome:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str

    @property
    def warnings(self) -> list[str]:
        prefix = "warning: "
        return [line.removeprefix(prefix) for line in self.err.splitlines() if line.startswith(prefix)]


@dataclass(frozen=True)
class Track:
    """A track that is no film: its packets with their times from the first picture on, in seconds."""

    kind: str
    codec: str
    language: str
    disposition: int
    packets: list[tuple[bytes, Fraction]] = field(default_factory=list, repr=False)


@dataclass(frozen=True)
class Seen:
    """A film as libav reads it, in seconds from its beginning, with that of its first picture apart."""

    first: Fraction
    times: list[Fraction]
    end: Fraction | None
    tick: Fraction
    size: tuple[int, int]
    aspect: Fraction
    tags: tuple[int, int, int]
    means: list[np.ndarray] = field(repr=False)
    tracks: list[Track]
    chapters: list[tuple[Fraction, Fraction, str]]
    metadata: dict[str, str]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of tiny networks."""
    pytest.importorskip("onnx", reason="needs the package onnx to make small networks")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
        from tiny import put_tiny

        folder = tmp_path_factory.mktemp("tiny") / "store"
        put_tiny(folder, "dain", "edvr-m")
        sys.modules.pop("tiny", None)
    return folder


@pytest.fixture
def reel_run(capsys: pytest.CaptureFixture[str], store: Path) -> Callable[..., Outcome]:
    """Run ``reel-run`` in this process, fast and at little loss."""

    def call(*arguments: object, fast: bool = True) -> Outcome:
        capsys.readouterr()
        try:
            code = run.main([*map(str, arguments), "--store", str(store), *(FAST if fast else ())])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture(scope="session")
def see() -> Callable[..., Seen]:
    """Read a film, or a stretch of it, with libav alone."""
    return _see


def _see(path: Path, start: Fraction = Fraction(0), end: Fraction | None = None) -> Seen:
    with av.open(str(path), metadata_errors="replace") as film:
        video = _video(film)
        starts = [s.start_time * s.time_base for s in film.streams.audio if s.start_time is not None]
        origin = max(Fraction(0), min([_first(path), *starts])) + start
        until = None if end is None else end - start
        # No picture is kept: what a decoder makes up for a damaged one depends on those that are.
        times: list[Fraction] = []
        means: list[np.ndarray] = []
        looks: list[tuple[tuple[int, int], bool, tuple[int, int, int]]] = []
        final: Fraction | None = None
        for picture in _pictures(film, video):
            time = picture.pts * video.time_base - origin
            if until is not None and time >= until:
                final = time
                break
            final = time + picture.duration * video.time_base if (picture.duration or 0) > 1 else None
            if time >= 0:
                times.append(time)
                means.append(_mean(picture))
                if not looks:
                    tags = (int(picture.colorspace), int(picture.color_primaries), int(picture.color_trc))
                    looks.append(((picture.width, picture.height), picture.rotation % 180 == 90, tags))
        (size, turned, tags), first = looks[0], times[0]
        aspect = Fraction(video.sample_aspect_ratio or 1)
        seen = Seen(
            first=first,
            times=times,
            end=final,
            tick=Fraction(video.time_base),
            size=size[::-1] if turned else size,
            aspect=1 / aspect if turned else aspect,
            tags=tags,
            means=[means[place] for place in (0, len(means) // 2, -1)],
            tracks=[],
            chapters=[
                (
                    chapter["start"] * chapter["time_base"] - origin,
                    chapter["end"] * chapter["time_base"] - origin,
                    chapter["metadata"].get("title", ""),
                )
                for chapter in film.chapters()
            ],
            metadata={key.lower(): value for key, value in film.metadata.items()},
        )
    seen.tracks.extend(_tracks(path, origin, origin + first, until, cut=bool(start)))
    return seen


def _first(path: Path) -> Fraction:
    with av.open(str(path)) as film:
        return min(
            (picture.pts * picture.time_base for picture in islice(_pictures(film, _video(film)), 5)),
            default=Fraction(0),
        )


def _video(film: Any) -> Any:
    best = film.streams.best("video")
    assert best is not None
    return best


def _pictures(film: Any, video: Any) -> Iterator[Any]:
    for packet in film.demux(video):
        try:
            yield from (picture for picture in packet.decode() if picture.pts is not None)
        except (av.error.InvalidDataError, av.error.EOFError):
            continue


def _mean(picture: Any) -> np.ndarray:
    matrix = int(picture.colorspace)
    if matrix == 2:
        matrix = _BT709 if picture.width >= 1280 or picture.height > 576 else _BT601
    source = _BT601 if matrix == 6 else matrix
    rgb = picture.reformat(format="rgb24", src_colorspace=source).to_ndarray()
    return rgb.reshape(-1, 3).mean(axis=0)


def shown(packet: Any) -> Fraction:
    return (packet.duration or 0) * packet.time_base


def _tracks(path: Path, begin: Fraction, zero: Fraction, until: Fraction | None, *, cut: bool) -> list[Track]:
    with av.open(str(path), metadata_errors="replace") as film:
        kept = [stream for stream in film.streams if stream.type in ("audio", "subtitle")]
        tracks = {
            stream.index: Track(
                stream.type,
                stream.codec_context.name,
                stream.metadata.get("language", "und"),
                int(stream.disposition),
            )
            for stream in kept
        }
        codecs = {index: track.codec for index, track in tracks.items()}
        for packet in film.demux(kept) if kept else ():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if not packet.size or stamp is None:
                continue
            time = stamp * packet.time_base
            if cut and packet.stream.type == "subtitle" and time < begin < time + shown(packet):
                time = begin  # it is still to be read
            empty = codecs[packet.stream.index] == "mov_text" and bytes(packet) == b"\x00\x00"
            inside = (not cut or time >= begin) and (until is None or time - begin < until)
            if inside and not empty:  # MP4 fills the time between subtitles
                data = bytes(packet)
                if data[:2] in (b"\xff\xf1", b"\xff\xf9") and codecs[packet.stream.index] == "aac":
                    data = data[7:]  # MPEG's own head of a packet, which other containers need not
                tracks[packet.stream.index].packets.append((data, time - zero))
        return list(tracks.values())


MILLISECOND = Fraction(1, 1000)


@pytest.fixture(scope="session")
def compared() -> Callable[..., None]:
    """Compare what came out with what went in: times, tracks and, of whole films, chapters."""

    def compare(before: Seen, after: Seen, warnings: list[str], *, whole: bool, times: bool = True) -> None:
        if times:
            _check_times(before, after, warnings)
        _check_tracks(before, after, warnings)
        if whole:
            assert [title for *_, title in after.chapters] == [title for *_, title in before.chapters]

    return compare


def _kept_share(warnings: list[str]) -> Fraction:
    return Fraction(4, 5) if any("is telecined" in line for line in warnings) else Fraction(1)


def _check_times(before: Seen, after: Seen, warnings: list[str]) -> None:
    near = max(before.tick, after.tick, MILLISECOND)
    if (share := _kept_share(warnings)) != 1:
        assert abs(len(after.times) - len(before.times) * share) <= 1
        assert abs(after.times[-1] - before.times[-1]) <= Fraction(1, 12)
        return
    assert len(after.times) == len(before.times)
    for was, came in zip(before.times, after.times, strict=True):
        assert abs((came - after.first) - (was - before.first)) <= near


def _check_tracks(before: Seen, after: Seen, warnings: list[str]) -> None:
    missing = [track for track in before.tracks if f"{track.kind} track" in "".join(warnings)]
    expected = [track for track in before.tracks if track not in missing]
    assert [track.codec for track in after.tracks] == [track.codec for track in expected]
    for was, came in zip(expected, after.tracks, strict=True):
        assert came.language == was.language
        if was.codec.startswith("pcm"):  # samples, put into packets as each container likes
            assert b"".join(data for data, _ in came.packets) == b"".join(data for data, _ in was.packets)
            assert abs(came.packets[0][1] - was.packets[0][1]) <= max(before.tick, after.tick, MILLISECOND)
            continue
        assert [data for data, _ in came.packets] == [data for data, _ in was.packets]
        near = 2 * max(before.tick, after.tick, MILLISECOND)
        for (_, time), (_, then) in zip(was.packets, came.packets, strict=True):
            assert abs(then - time) <= near, "sound and picture are not in step"


@pytest.fixture
def noted(put_in_table: Callable[..., None]) -> Callable[..., None]:
    """Put a line into the table of films."""

    def note(name: str, chain: str, result: Seen | None, verdict: str) -> None:
        def put(frames: str = "-", fps: str = "-", size: str = "-", tracks: str = "-") -> None:
            figures = {"frames": frames, "fps": fps, "size": size, "tracks": tracks}
            put_in_table("films in, films out", {"clip": name, "chain": chain, **figures, "verdict": verdict})

        if result is None:
            put()
            return
        gaps = {b - a for a, b in pairwise(result.times)}
        even = gaps and max(gaps) - min(gaps) <= 2 * max(result.tick, Fraction(1, 1000))
        span = result.times[-1] - result.times[0]
        rate = f"{float((len(result.times) - 1) / span):.4g}" if even else "variable"
        tracks = " ".join(track.codec for track in result.tracks) or "none"
        size = f"{result.size[0]}x{result.size[1]}"
        put(str(len(result.times)), rate, size, tracks)

    return note
