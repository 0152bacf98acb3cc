"""The other tracks of a film arrive as they were."""

import logging
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest
from reel.engine.encoding import Encoding
from reel.engine.sink import open_sink
from reel.engine.source import open_source

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


def copy(source: Path, target: Path, *, count: int | None = None, start=None, end=None) -> list[Fraction]:
    encoding = Encoding(crf=50) if target.suffix == ".webm" else FAST
    with (
        open_source(source, start=start, end=end) as given,
        open_sink(target, given.format, encoding=encoding, tracks_of=source, start=start, end=end) as sink,
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
