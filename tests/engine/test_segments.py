"""A film that was encoded in segments is the same film as one that was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from reel.engine.encoding import Encoding
from reel.engine.frame import Format, Frame
from reel.engine.job.folder import Job, job_folder
from reel.engine.job.identity import Identity
from reel.engine.job.segments import Division, division_for
from reel.engine.sink import Sink, open_sink
from reel.errors import JobError

WHOLE = Division(10**6, 10**6)
PARTS = Division(3, 7)
LOSSLESS = Encoding(crf=0, preset="medium")
CUTS = {5, 6, 16, 18, 30}
NTSC = Fraction(24000, 1001)


class BrokenOffError(Exception):
    """What ends a run."""


@contextmanager
def broken_off(sink: Sink) -> Iterator[Sink]:
    """A run that ends with an error."""
    with suppress(BrokenOffError), sink:
        yield sink
        raise BrokenOffError


def frames_of(count: int, times: Sequence[Fraction], *, cuts: set[int] = CUTS) -> list[Frame]:
    """Frames of a pattern that moves and changes at each cut, so that encoders make B-frames."""
    random = np.random.default_rng(11)
    made: list[Frame] = []
    scene = random.random((3, 12, 60), np.float32)
    for number in range(count):
        if number in cuts:
            scene = random.random((3, 12, 60), np.float32)
        pixels = np.kron(scene[:, :, number % 40 : number % 40 + 16], np.ones((4, 4), np.float32))
        time, after = times[number], times[number + 1]
        made.append(Frame(pixels[None].astype(np.float32), time, after - time, number, cut=number in cuts))
    return made


def even(count: int, rate: Fraction = NTSC) -> list[Fraction]:
    return [number / rate for number in range(count + 1)]


def uneven(count: int) -> list[Fraction]:
    gaps = np.random.default_rng(4).integers(1, 9000, count + 1)
    return [Fraction(int(stamp), 90000) for stamp in 632 + np.cumsum(gaps)]


def film_of(frames: Sequence[Frame], rate: Fraction | None = NTSC, depth: int = 8) -> Format:
    return Format(64, 48, rate, 1 / rate if rate else Fraction(1, 90000), depth=depth, frames=len(frames))


def write(path: Path, film: Format, frames: Sequence[Frame], division: Division, **options) -> Path:
    with open_sink(path, film, division=division, **options) as sink:
        for frame in frames:
            sink.write(frame)
    return path


def looked(path: Path) -> tuple[list[Fraction], list[bytes], Fraction | None]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pictures = list(container.decode(stream))
        duration = stream.duration and stream.duration * stream.time_base
        return [p.pts * p.time_base for p in pictures], [bytes_of(p) for p in pictures], duration


def bytes_of(picture: av.VideoFrame) -> bytes:
    return b"".join(bytes(plane) for plane in picture.planes)


def packets(path: Path, kind: str = "video") -> list[tuple]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(p.pts, p.dts, p.duration, bytes(p)) for p in container.demux(stream) if p.size]


@pytest.mark.parametrize(
    ("name", "encoding", "depth"),
    [
        ("a.mp4", LOSSLESS, 8),
        ("a.mkv", LOSSLESS, 8),
        ("a.mkv", Encoding(codec="ffv1"), 8),
        ("a.mkv", Encoding(codec="ffv1", pix_fmt="bgr0"), 8),
        ("a.avi", Encoding(codec="ffv1"), 8),
        ("a.avi", LOSSLESS, 8),
        ("a.ts", LOSSLESS, 8),
        ("a.flv", LOSSLESS, 8),
        ("a.mov", Encoding(codec="prores_ks"), 10),
        ("a.mov", Encoding(codec="v210"), 10),
        ("a.avi", Encoding(codec="utvideo"), 8),
        ("frames/", None, 8),
    ],
)
def test_segments_make_no_difference_to_pictures_and_times(
    tmp_path: Path, name: str, encoding: Encoding | None, depth: int
) -> None:
    frames = frames_of(38, even(38))
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    film = film_of(frames, depth=depth)
    paths = [
        write(f"{tmp_path}/{folder}/{name}", film, frames, division, encoding=encoding)
        for folder, division in (("whole", WHOLE), ("parts", PARTS))
    ]
    if name == "frames/":
        whole, parts = (
            [(file.name, file.read_bytes()) for file in sorted(Path(path).iterdir())] for path in paths
        )
        assert len(whole) == 38
        assert whole == parts
        return
    times, pictures, duration = looked(paths[0])
    assert len(times) == 38
    assert looked(paths[1]) == (times, pictures, duration)


def test_a_variable_rate_survives_the_seams(tmp_path: Path) -> None:
    frames = frames_of(38, uneven(38))
    paths = [
        write(tmp_path / f"{n}.mp4", film_of(frames, None), frames, division, encoding=LOSSLESS)
        for n, division in enumerate((WHOLE, PARTS))
    ]
    assert looked(paths[0]) == looked(paths[1])
    assert looked(paths[1])[0] == [frame.time for frame in frames]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("encoding", [Encoding(crf=20), Encoding(codec="libx265", preset="medium")])
def test_packets_are_decoded_in_rising_order_and_before_they_are_shown(
    tmp_path: Path, suffix: str, encoding: Encoding
) -> None:
    frames = frames_of(38, even(38))
    made = packets(write(tmp_path / f"a{suffix}", film_of(frames), frames, PARTS, encoding=encoding))
    assert any(pts > after for (pts, *_), (after, *_) in pairwise(made))  # B-frames
    if suffix == ".mp4":  # Matroska keeps no times of decoding
        decoded = [dts for _, dts, _, _ in made]
        assert decoded == sorted(set(decoded))
        assert all(dts <= pts for pts, dts, _, _ in made)
    assert len(looked(tmp_path / f"a{suffix}")[0]) == 38


def test_one_segment_is_what_the_encoder_gives(tmp_path: Path) -> None:
    """Times of decoding made anew must not lose what the encoder's own would be."""
    frames = frames_of(20, even(20), cuts=set())
    path = write(tmp_path / "a.mp4", film_of(frames), frames, WHOLE, encoding=Encoding(crf=1))
    with av.open(str(tmp_path / "b.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=NTSC, options={"crf": "1", "preset": "medium"})
        stream.width, stream.height = 64, 48
        stream.codec_context.time_base = stream.time_base = 1 / NTSC
        with av.open(str(path)) as source:
            for picture in source.decode(video=0):
                picture.pts, picture.time_base, picture.pict_type = picture.pts // 1001, 1 / NTSC, 0
                container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    ours, theirs = packets(path), packets(tmp_path / "b.mp4")
    assert any(pts != dts for pts, dts, _, _ in theirs)
    assert [pts for pts, *_ in ours] == [pts for pts, *_ in theirs]
    assert all(early <= late <= pts for (_, early, *_), (pts, late, *_) in zip(theirs, ours, strict=True))


def test_sound_is_the_same_whatever_the_segments(make_film, drifting, tmp_path: Path) -> None:
    given = make_film("given.mkv", drifting(38), sound=1.5, sound_codec="flac")
    frames = frames_of(38, even(38, Fraction(25)))
    film = film_of(frames, Fraction(25))
    paths = [
        write(tmp_path / f"{n}.mkv", film, frames, division, encoding=LOSSLESS, tracks_of=given)
        for n, division in enumerate((WHOLE, PARTS))
    ]
    assert packets(paths[0], "audio") == packets(paths[1], "audio")
    assert [data for *_, data in packets(paths[1], "audio")] == [data for *_, data in packets(given, "audio")]


def test_segments_end_before_a_cut_or_when_they_are_long(tmp_path: Path) -> None:
    frames = frames_of(38, even(38))
    lengths = segment_lengths(tmp_path / "a.mkv", frames)
    # Cuts before 5, 6, 16, 18 and 30; none leaves a segment of fewer than 3 frames.
    assert lengths == [5, 7, 4, 7, 7, 7]


def segment_lengths(path: Path, frames: Sequence[Frame]) -> list[int]:
    """Return how many frames lie in each segment that a run leaves which ends before the end."""
    job = Job(job_folder(path), lambda: Identity(()), result=path)
    ffv1 = Encoding(codec="ffv1")
    with broken_off(open_sink(path, film_of(frames), encoding=ffv1, division=PARTS, job=job)) as sink:
        for frame in frames:
            sink.write(frame)
    return [card.frames for card in job.cards]


@pytest.mark.parametrize(
    ("width", "height", "depth", "most"), [(64, 48, 8, 240), (2560, 1920, 8, 145), (7680, 4320, 10, 48)]
)
def test_large_frames_make_short_segments(width: int, height: int, depth: int, most: int) -> None:
    assert division_for(Format(width, height, NTSC, 1 / NTSC, depth=depth)).most == most


def stopped_and_resumed(path: Path, frames: Sequence[Frame], stops: Sequence[int], **options) -> Path:
    """Write a film in several runs, each stopped before the frame of that number, without a word."""
    restarts: list[int] = []
    for stop in [*stops, None]:
        job = Job(job_folder(Path(str(path).rstrip("/"))), lambda: Identity(()), result=Path(path))
        sink = open_sink(path, film_of(frames), division=PARTS, job=job, **options)
        with sink if stop is None else broken_off(sink):
            done = sink.position.frames
            restarts.append(done)
            assert sink.position.until == (frames[done].time if done else None)
            for frame in frames[done:stop]:
                sink.write(frame)
    assert restarts[-1] > 0
    return path


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("a.mp4", LOSSLESS),
        ("a.mkv", Encoding(codec="ffv1", pix_fmt="bgr0")),
        ("a.mkv", LOSSLESS),
        ("a.ts", LOSSLESS),
        ("a.mpg", Encoding()),
        ("a.webm", Encoding(crf=30)),
        ("a.mp4", Encoding(codec="av1", preset="10")),
        ("frames/", None),
    ],
)
def test_a_run_that_was_stopped_goes_on_to_the_same_file(
    tmp_path: Path, monkeypatch, name: str, encoding: Encoding | None, journal: bool
) -> None:
    monkeypatch.setattr("reel.engine.job.journal.SLOW", 0.0 if journal else 1e9)
    if not journal:
        monkeypatch.setattr("reel.engine.job.journal._JUDGED_BY", 1)
    frames = frames_of(38, even(38))
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = write(f"{tmp_path}/whole/{name}", film_of(frames), frames, PARTS, encoding=encoding)
    stops = (3, 6, 8, 8, 20, 37) if journal else (6, 14, 14, 38)
    parts = stopped_and_resumed(f"{tmp_path}/parts/{name}", frames, stops, encoding=encoding)
    if name == "frames/":
        for file in sorted(Path(whole).iterdir()):
            assert file.read_bytes() == (Path(parts) / file.name).read_bytes()
        assert len(list(Path(parts).iterdir())) == 38
    else:
        assert Path(whole).read_bytes() == Path(parts).read_bytes()
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [name.rstrip("/")]


def test_slow_frames_are_kept_one_by_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("reel.engine.job.journal.SLOW", 0.0)
    frames = frames_of(9, even(9))
    path = tmp_path / "a.mp4"
    for expected, more in ((0, 2), (2, 0), (2, 3), (5, 3)):
        job = Job(job_folder(path), lambda: Identity(()), result=path)
        sink = open_sink(path, film_of(frames), division=Division(9, 9), job=job)
        with broken_off(sink):
            assert sink.position.frames == expected
            for frame in frames[expected : expected + more]:
                sink.write(frame)


def test_an_encoder_that_loses_a_frame_is_caught(tmp_path: Path, monkeypatch) -> None:
    from reel.engine import film_segment

    frames = frames_of(9, even(9))
    kept = film_segment.FilmSegment._keep

    def lossy(self, given) -> None:
        kept(self, [packet for packet in given if packet.pts != 4])

    monkeypatch.setattr(film_segment.FilmSegment, "_keep", lossy)
    with pytest.raises(JobError, match=r"9 frames, and [78] came back"):
        write(tmp_path / "a.mp4", film_of(frames), frames, WHOLE, encoding=LOSSLESS)
    assert list(tmp_path.iterdir()) == []


def test_packets_that_cannot_be_decoded_are_caught(tmp_path: Path, monkeypatch) -> None:
    from reel.engine import film_segment

    frames = frames_of(9, even(9))
    written = film_segment.Records.append

    def scrambled(self, head: str, *body: bytes) -> None:
        written(self, head, *(bytes(len(part)) if '"pts": 4,' in head else part for part in body))

    monkeypatch.setattr(film_segment.Records, "append", scrambled)
    with pytest.raises(JobError, match=r"9 frames, and [0-8] came back"):
        write(tmp_path / "a.mp4", film_of(frames), frames, WHOLE, encoding=LOSSLESS)


def test_two_segments_coded_differently_are_not_joined(tmp_path: Path) -> None:
    frames = frames_of(20, even(20))
    path = tmp_path / "a.mp4"
    for encoding, part in ((Encoding(preset="ultrafast"), frames[:12]), (LOSSLESS, frames)):
        job = Job(job_folder(path), lambda: Identity(()), result=path)
        sink = open_sink(path, film_of(frames), division=PARTS, job=job, encoding=encoding)
        if part is frames:
            with pytest.raises(JobError, match="in another way"):
                write_to(sink, frames)
        else:
            with broken_off(sink):
                for frame in part:
                    sink.write(frame)


def write_to(sink: Sink, frames: Sequence[Frame]) -> None:
    with sink:
        for frame in frames[sink.position.frames :]:
            sink.write(frame)


def test_the_same_frames_give_the_same_file_every_time(tmp_path: Path) -> None:
    """x264 read memory that nobody had written (see ``engine.encoding``), most often at this width."""
    pattern = np.random.default_rng(1).random((32, 60), np.float32)
    frames: list[Frame] = []
    for number in range(9):
        now, then = (pattern[:, n : n + 48] for n in (number // 2, (number + 1) // 2))
        grey = np.kron((now + then) / 2, np.ones((4, 4), np.float32)).astype(np.float32)
        frames.append(Frame(np.stack([grey] * 3)[None], number / NTSC, 1 / NTSC, number))
    film = Format(192, 128, NTSC, 1 / NTSC)
    paths = [write(tmp_path / f"{n}.mp4", film, frames, PARTS) for n in range(10)]
    assert len({path.read_bytes() for path in paths}) == 1


def test_no_frame_of_a_film_that_changed_is_kept(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("reel.engine.job.journal.SLOW", 0.0)
    frames, path, changed = frames_of(9, even(9)), tmp_path / "a.mp4", list[bool]()

    def watch() -> None:
        if changed:
            raise BrokenOffError

    def sink() -> Sink:
        job = Job(job_folder(path), lambda: Identity(()), result=path, watch=watch)
        return open_sink(path, film_of(frames), division=PARTS, job=job)

    with broken_off(sink()) as first:
        for number, frame in enumerate(frames[:5]):
            changed.extend([True] * (number == 2))
            with suppress(BrokenOffError):
                first.write(frame)
    changed.clear()
    with broken_off(sink()) as second:
        assert second.position.frames == 2
