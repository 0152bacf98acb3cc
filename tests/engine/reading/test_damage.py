"""Damaged films give what is there, say what is missing and when, and keep their length."""

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from reel.engine.reading.damage import Damage
from reel.engine.reading.source import open_source
from reel.errors import InputError

RATE = Fraction(25)


@pytest.fixture
def broken(make_film, drifting, tmp_path: Path):
    """Write a film of frames that stand alone, and break the packets with these numbers."""

    def make(suffix: str, count: int, numbers: list[int]) -> Path:
        path = make_film(f"whole{suffix}", drifting(count), codec="mjpeg", pix_fmt="yuvj420p", options={})
        data = bytearray(path.read_bytes())
        with av.open(str(path)) as film:
            packets = [bytes(packet) for packet in film.demux(film.streams.video[0]) if packet.size]
        for number in numbers:
            place = data.index(packets[number])
            data[place : place + len(packets[number])] = bytes(len(packets[number]))
        result = tmp_path / f"broken{suffix}"
        result.write_bytes(data)
        return result

    return make


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".mov"])
def test_damaged_packets_are_told_with_their_times_and_held_over(broken, caplog, suffix: str) -> None:
    path = broken(suffix, 20, [5, 11, 12, 19])
    with caplog.at_level(logging.WARNING), open_source(path) as film:
        frames = list(film.frames())
    places = [number for number in range(20) if number not in (5, 11, 12, 19)]
    assert [frame.time for frame in frames] == [place / RATE for place in places]
    held = {4: 2, 10: 3, 18: 2}
    assert [frame.duration * RATE for frame in frames] == [held.get(place, 1) for place in places]
    first, all_of_them = [r.getMessage() for r in caplog.records if "damaged packet" in r.getMessage()]
    assert "at 0.200 seconds" in first
    assert "4 times is a damaged packet, which is left out, at 0.200, 0.440, 0.480, 0.760 sec" in all_of_them


@pytest.mark.parametrize(("suffix", "header_first"), [(".mp4", True), (".mkv", False)])
def test_a_film_that_is_cut_off_is_called_that_and_gives_what_is_there(
    make_film, drifting, tmp_path: Path, caplog, suffix: str, header_first: bool
) -> None:
    whole = make_film(f"whole{suffix}", drifting(100), sound=4.0, sound_codec="libmp3lame")
    if header_first:
        whole = _with_header_first(whole)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with caplog.at_level(logging.WARNING), open_source(cut) as film:
        frames = list(film.frames())
    assert 20 <= len(frames) < 100
    assert "it should last 4.0 seconds" in caplog.text
    caplog.clear()
    with open_source(whole) as film:
        assert len(list(film.frames())) == 100
    assert not caplog.records


def _with_header_first(path: Path) -> Path:
    moved = path.with_name("header first.mp4")
    with av.open(str(path)) as given, av.open(str(moved), "w", options={"movflags": "faststart"}) as output:
        copies = {stream.index: output.add_stream_from_template(stream) for stream in given.streams}
        for packet in given.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                output.mux_one(packet)
    return moved


def test_pictures_that_end_before_the_sound_are_not_called_cut_off(make_film, drifting, caplog) -> None:
    with open_source(make_film("film.mkv", drifting(10), sound=4.0)) as film:
        assert len(list(film.frames())) == 10
    assert not caplog.records


def test_a_film_of_nothing_but_damage_is_an_error(broken) -> None:
    with (
        pytest.raises(InputError, match="no frame that can be decoded"),
        open_source(broken(".mp4", 5, [0, 1, 2, 3, 4])),
    ):
        pass


def test_a_thousand_damages_are_two_lines(caplog) -> None:
    damage = Damage(Path("film.mkv"))
    for number in range(1000):
        damage.note("is a damaged packet", Fraction(number, 10), "bad data")
    damage.tell()
    damage.tell()
    first, last = [record.getMessage() for record in caplog.records]
    assert first == "In film.mkv at 0.000 seconds is a damaged packet (bad data)."
    assert last.startswith("In film.mkv 1000 times is a damaged packet, at 0.000, 0.100, 0.200")
    assert last.endswith("0.900 seconds and 990 more.")


def test_frames_at_one_time_are_told_and_the_film_keeps_its_length(make_film, drifting, tmp_path, caplog):
    given = make_film("film.mkv", drifting(12), codec="mjpeg", pix_fmt="yuvj420p", options={})
    result = tmp_path / "repeated.mkv"
    with av.open(str(given)) as film, av.open(str(result), "w") as output:
        copy = output.add_stream_from_template(film.streams.video[0])
        for number, packet in enumerate(p for p in film.demux(film.streams.video[0]) if p.size):
            packet.pts = packet.dts = 40 * (number - (number in (4, 5)))
            packet.stream = copy
            output.mux_one(packet)
    with caplog.at_level(logging.WARNING), open_source(result) as film:
        frames = list(film.frames())
    assert len(frames) == 11
    assert frames[-1].time + frames[-1].duration == 12 / RATE
    assert sum(frame.duration for frame in frames) == 12 / RATE
    assert len(caplog.records) == 1
    np.testing.assert_equal(len({frame.time for frame in frames}), 11)
