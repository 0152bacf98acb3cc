"""The other tracks of a film arrive as they were."""

import logging
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from reel.engine.reading.source import open_source
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.sink import open_sink

FAST = Encoding(crf=40, preset="ultrafast")

Packets = dict[tuple[str, int], list[tuple[bytes, Fraction]]]


def packets_of(path: Path) -> Packets:
    """Return bytes and time of every packet that is no picture, by kind and place among its kind."""
    with av.open(str(path)) as container:
        others = [*container.streams.audio, *container.streams.subtitles]
        place = {stream.index: (stream.type, n) for n, stream in enumerate(container.streams.audio)}
        place |= {stream.index: (stream.type, n) for n, stream in enumerate(container.streams.subtitles)}
        found: Packets = {where: [] for where in place.values()}
        if others:
            for packet in container.demux(others):
                if packet.size:
                    stamp = packet.pts if packet.pts is not None else packet.dts
                    found[place[packet.stream.index]].append((bytes(packet), stamp * packet.time_base))
        return found


def copy(source: Path, target: Path, *, count=None, start=None, end=None, tracks=()) -> list[Fraction]:
    encoding = Encoding(crf=50) if target.suffix == ".webm" else FAST
    with (
        open_source(source, start=start, end=end, tracks=tracks) as given,
        open_sink(
            target,
            given.format,
            encoding=encoding,
            tracks_of=source,
            start=start,
            end=end,
            tracks=tracks,
        ) as sink,
    ):
        times = []
        for frame in islice(given.frames(), count):
            sink.write(frame)
            times.append(frame.time)
    return times


def only_bytes(packets: list[tuple[bytes, Fraction]]) -> list[bytes]:
    return [data for data, _ in packets]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi"])
def test_sound_is_copied_byte_for_byte(make_film, drifting, tmp_path: Path, suffix: str) -> None:
    given = make_film("given.mp4", drifting(25), sound=1.0, sound_codec="libmp3lame")
    copy(given, tmp_path / f"result{suffix}")
    before, after = packets_of(given), packets_of(tmp_path / f"result{suffix}")
    assert len(before["audio", 0]) > 30
    assert only_bytes(after["audio", 0]) == only_bytes(before["audio", 0])


def test_sound_keeps_its_distance_to_the_pictures(make_film, drifting, tmp_path: Path) -> None:
    given = make_film("given.mkv", drifting(25), sound=1.0, sound_codec="flac", stamps=range(7, 32))
    result = tmp_path / "result.mp4"
    assert copy(given, result)[0] == Fraction(7, 25)
    assert packets_of(result)["audio", 0] == packets_of(given)["audio", 0]


@pytest.mark.parametrize("sound", [0.3, 3.0])
def test_sound_shorter_or_longer_than_the_pictures_stays_so(
    make_film, drifting, tmp_path, sound: float
) -> None:
    given = make_film("given.mkv", drifting(25), sound=sound, sound_codec="flac")
    copy(given, tmp_path / "result.mkv")
    assert packets_of(tmp_path / "result.mkv") == packets_of(given)


def test_a_range_takes_the_sound_of_that_range_counted_from_its_start(make_film, drifting, tmp_path) -> None:
    given = make_film("given.mkv", drifting(50), sound=2.0, sound_codec="flac")
    start, end = Fraction(1, 2), Fraction(3, 2)
    times = copy(given, tmp_path / "result.mp4", start=start, end=end)
    assert len(times) == 25
    whole = [entry for entry in packets_of(given)["audio", 0] if start <= entry[1] < end]
    part = packets_of(tmp_path / "result.mp4")["audio", 0]
    assert only_bytes(part) == only_bytes(whole)
    for (_, time), (_, original) in zip(part, whole, strict=True):
        assert abs(time - (original - start)) <= Fraction(1, 1000)


def test_chapters_metadata_and_attachments_are_copied(make_film, drifting, tmp_path: Path) -> None:
    def prepare(container) -> None:
        container.metadata["title"] = "The Kid"
        container.metadata["encoder"] = "of the given file"
        container.streams.audio[0].metadata["language"] = "fra"
        container.add_attachment("poster.txt", "text/plain", b"poster")
        second = Fraction(1, 1000)
        container.set_chapters(
            [
                {"id": 1, "start": 0, "end": 600, "time_base": second, "metadata": {"title": "one"}},
                {"id": 2, "start": 600, "end": 1000, "time_base": second, "metadata": {"title": "two"}},
            ]
        )

    given = make_film("given.mkv", drifting(25), sound=1.0, prepare=prepare)
    copy(given, tmp_path / "whole.mkv")
    copy(given, tmp_path / "part.mkv", start=Fraction(2, 5), end=Fraction(4, 5))
    with av.open(str(tmp_path / "whole.mkv")) as container:
        assert {key.lower(): value for key, value in container.metadata.items()}["title"] == "The Kid"
        assert container.streams.audio[0].language == "fra"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["one", "two"]
        assert bytes(container.streams.attachments[0].data) == b"poster"
    with av.open(str(tmp_path / "part.mkv")) as container:
        spans = [
            (chapter["start"] * chapter["time_base"], chapter["end"] * chapter["time_base"])
            for chapter in container.chapters()
        ]
        assert spans == [(0, Fraction(1, 5)), (Fraction(1, 5), Fraction(2, 5))]


def test_a_track_that_the_container_cannot_hold_is_left_out_and_named(
    clips: Path, tmp_path: Path, caplog
) -> None:
    given = clips / "media3_sample_with_srt.mkv"
    with caplog.at_level(logging.WARNING):
        copy(given, tmp_path / "result.mp4", count=5)
        copy(given, tmp_path / "result.webm", count=5)
        copy(given, tmp_path / "result.mkv", count=5)
    left_out = [record.getMessage() for record in caplog.records if "left out" in record.message]
    assert len(left_out) == 3
    assert "subtitle track 2" in left_out[0]
    assert ".mkv can" in left_out[0]
    assert packets_of(tmp_path / "result.mp4")["audio", 0]
    assert list(packets_of(tmp_path / "result.webm")) == []
    assert only_bytes(packets_of(tmp_path / "result.mkv")["subtitle", 0]) == only_bytes(
        packets_of(given)["subtitle", 0]
    )


@pytest.fixture
def several(make_film, drifting) -> Path:
    """A film with two films, two languages of sound and a cover."""

    def prepare(container) -> None:
        second = container.add_stream("libx264", rate=25, options={"qp": "0"})
        second.width, second.height, second.pix_fmt = 32, 16, "yuv420p"
        container.streams.audio[0].metadata["language"] = "eng"
        container.add_stream("flac", rate=48000).metadata["language"] = "deu"
        container.add_attachment("poster.png", "image/png", picture_file())
        container.start_encoding()
        for number in range(5):
            picture = av.VideoFrame(32, 16, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(second.encode(picture))
        container.mux(second.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), format="s16", layout="stereo")
        silence.sample_rate, silence.pts, silence.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(container.streams.audio[1].encode(silence))
        container.mux(container.streams.audio[1].encode(None))

    return make_film("several.mkv", drifting(10), sound=0.4, prepare=prepare)


def picture_file() -> bytes:
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 8, 8, "rgb24", Fraction(1, 25)
    picture = av.VideoFrame.from_ndarray(np.full((8, 8, 3), 90, np.uint8), format="rgb24")
    (packet,) = encoder.encode(picture)
    return bytes(packet)


@pytest.mark.parametrize(
    ("words", "languages", "size"),
    [
        ((), ["eng", "deu"], (64, 48)),
        (("a:1",), ["deu"], (64, 48)),
        (("-a:m:language:deu",), ["eng"], (64, 48)),
        (("-a",), [], (64, 48)),
        (("v:1", "a"), ["eng", "deu"], (32, 16)),
    ],
)
def test_tracks_are_kept_as_they_are_chosen(several: Path, tmp_path, caplog, words, languages, size) -> None:
    copy(several, tmp_path / "result.mkv", tracks=words)
    with av.open(str(tmp_path / "result.mkv")) as result:
        assert [stream.language for stream in result.streams.audio] == languages
        assert (result.streams.video[0].width, result.streams.video[0].height) == size
    assert any("--map 0:v:1" in record.message for record in caplog.records) == (size == (64, 48))


@pytest.mark.parametrize("before", [".mkv", ".mp4"])
@pytest.mark.parametrize("after", [".mkv", ".mp4"])
def test_a_cover_stays_with_its_film(several: Path, tmp_path: Path, before: str, after: str) -> None:
    given, result = tmp_path / f"given{before}", tmp_path / f"result{after}"
    copy(several, given, tracks=("a:0", "0:4"))
    copy(given, result)
    with av.open(str(result)) as film:
        (cover,) = [stream for stream in film.streams.video if stream.disposition & Disposition.attached_pic]
        assert next(bytes(packet) for packet in film.demux(cover) if packet.size) == picture_file()
        assert len(film.streams.video) == 2


def test_a_cover_that_the_container_cannot_hold_is_named(several: Path, tmp_path: Path, caplog) -> None:
    copy(several, tmp_path / "result.avi", tracks=("0:4",))
    assert "avi files cannot hold it; .mkv and .mp4 can" in caplog.text


def test_a_timecode_stays_with_the_same_frames_only(make_film, drifting, tmp_path: Path, caplog) -> None:
    def prepare(container) -> None:
        container.streams.video[0].metadata["timecode"] = "01:00:00:00"

    given = make_film("given.mov", drifting(25), prepare=prepare)
    copy(given, tmp_path / "whole.mov")
    assert not caplog.records
    copy(given, tmp_path / "part.mov", start=Fraction(2, 5))
    assert "timecode" in caplog.text
    with av.open(str(tmp_path / "whole.mov")) as whole, av.open(str(tmp_path / "part.mov")) as part:
        assert whole.streams.video[0].metadata["timecode"] == "01:00:00:00"
        assert "timecode" not in part.streams.video[0].metadata


def test_a_subtitle_that_is_shown_when_the_range_begins_is_in_it(clips: Path, tmp_path: Path) -> None:
    given = clips / "media3_sample_with_srt.mkv"
    with av.open(str(given)) as film:
        first = next(packet for packet in film.demux(film.streams.subtitles[0]) if packet.size)
        end = (first.pts + first.duration) * first.time_base
    start = Fraction(1, 2)
    copy(given, tmp_path / "result.mkv", start=start, end=Fraction(3, 5))
    with av.open(str(tmp_path / "result.mkv")) as film:
        kept = next(packet for packet in film.demux(film.streams.subtitles[0]) if packet.size)
        assert bytes(kept) == bytes(first)
        assert kept.pts == 0
        assert abs(kept.duration * kept.time_base - (end - start)) <= Fraction(1, 1000)


def test_chapters_that_are_a_track_of_their_own_are_not_called_lost(make_film, drifting, tmp_path, caplog):
    def prepare(container) -> None:
        tick = Fraction(1, 1000)
        container.set_chapters(
            [{"id": 1, "start": 0, "end": 900, "time_base": tick, "metadata": {"title": "one"}}]
        )

    copy(make_film("given.mp4", drifting(25), prepare=prepare), tmp_path / "result.mp4")
    assert not caplog.records
    with av.open(str(tmp_path / "result.mp4")) as film:
        assert [chapter["metadata"]["title"] for chapter in film.chapters()] == ["one"]
