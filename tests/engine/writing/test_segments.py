"""A film in segments is the film that one encoder makes; and what is lost between is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from reel.engine.job.folder import Job, job_folder
from reel.engine.job.identity import Identity
from reel.engine.pixels.frame import Format, Frame
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.sink import Sink, open_sink
from reel.errors import JobError
from reel.tests.engine.moving_frames import (
    LOSSLESS,
    NTSC,
    PARTS,
    WHOLE,
    broken_off,
    even,
    film_of,
    frames_of,
    uneven,
    write,
)


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


def test_an_encoder_that_loses_a_frame_is_caught(tmp_path: Path, monkeypatch) -> None:
    from reel.engine.writing import film_segment

    frames = frames_of(9, even(9))
    kept = film_segment.FilmSegment._keep

    def lossy(self, given) -> None:
        kept(self, [packet for packet in given if packet.pts != 4])

    monkeypatch.setattr(film_segment.FilmSegment, "_keep", lossy)
    with pytest.raises(JobError, match=r"9 frames, and [78] came back"):
        write(tmp_path / "a.mp4", film_of(frames), frames, WHOLE, encoding=LOSSLESS)
    assert list(tmp_path.iterdir()) == []


def test_packets_that_cannot_be_decoded_are_caught(tmp_path: Path, monkeypatch) -> None:
    from reel.engine.writing import film_segment

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
    """x264 read memory nobody had written (see ``engine.writing.encoding``), most often at this width."""
    pattern = np.random.default_rng(1).random((32, 60), np.float32)
    frames: list[Frame] = []
    for number in range(9):
        now, then = (pattern[:, n : n + 48] for n in (number // 2, (number + 1) // 2))
        grey = np.kron((now + then) / 2, np.ones((4, 4), np.float32)).astype(np.float32)
        frames.append(Frame(np.stack([grey] * 3)[None], number / NTSC, 1 / NTSC, number))
    film = Format(192, 128, NTSC, 1 / NTSC)
    paths = [write(tmp_path / f"{n}.mp4", film, frames, PARTS) for n in range(10)]
    assert len({path.read_bytes() for path in paths}) == 1
