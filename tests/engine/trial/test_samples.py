"""Samples of a film show what matters of it, and are found without decoding all of it."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from reel.engine.reading.decoding import Decoding
from reel.engine.reading.glimpse import FEW, Glimpse
from reel.engine.reading.source import open_source
from reel.engine.trial.samples import Samples, chosen_samples

PATH = Path("film.mp4")


def look(time: int, *, brightness: float = 0.5, contrast: float = 0.15, motion: float = 0.0) -> Glimpse:
    noise = np.random.default_rng(time).normal(size=(36, 48)).astype(np.float32)
    picture = brightness + contrast * (noise - noise.mean()) / noise.std()
    return Glimpse(Fraction(time), picture, picture + np.float32(motion))


def test_samples_are_the_places_of_most_motion_the_darkest_and_the_brightest() -> None:
    looks = [look(time) for time in range(0, 100, 5)]
    looks[4] = look(20, brightness=0.8)
    looks[9] = look(45, brightness=0.1, contrast=0.05)
    looks[15] = look(75, motion=0.05)
    chosen = chosen_samples(looks, Fraction(100), Samples(3, Fraction(1)), path=PATH)
    assert [(sample.start, sample.end, sample.why) for sample in chosen] == [
        (20, 21, "bright"),
        (45, 46, "dark"),
        (75, 76, "most motion"),
    ]


def test_no_sample_is_leader_blank_or_at_the_very_ends() -> None:
    looks = [look(time) for time in range(0, 100, 5)]
    looks[0] = look(0, motion=0.9)  # the first and the last of them
    looks[19] = look(95, brightness=0.05)
    looks[5] = look(25, brightness=0.0, contrast=0.001, motion=0.5)  # black, and white
    looks[6] = look(30, brightness=1.0, contrast=0.001, motion=0.5)
    looks[7] = look(35, brightness=0.9)
    chosen = chosen_samples(looks, Fraction(100), Samples(3, Fraction(1)), path=PATH)
    assert not {0, 25, 30, 95} & {sample.start for sample in chosen}
    assert 35 in {sample.start for sample in chosen}


def test_where_a_shot_ends_is_no_motion() -> None:
    cut = Glimpse(Fraction(50), look(50).picture, look(51).picture)
    looks = [look(10), look(30, motion=0.02), cut, look(70)]
    (chosen,) = chosen_samples(looks, Fraction(100), Samples(1, Fraction(1)), path=PATH)
    assert chosen.start == 30


def test_samples_lie_apart_and_more_of_them_show_more_shots() -> None:
    looks = [look(time, brightness=0.3 + time / 500) for time in range(0, 200, 4)]
    chosen = chosen_samples(looks, Fraction(200), Samples(6, Fraction(2)), path=PATH)
    assert len(chosen) == 6
    starts = [sample.start for sample in chosen]
    assert starts == sorted(starts)
    assert min(b - a for a, b in pairwise(starts)) >= 200 / 18
    assert [sample.why for sample in chosen].count("another shot") == 3


def test_a_film_shorter_than_its_samples_is_taken_whole() -> None:
    (chosen,) = chosen_samples([look(0), look(1)], Fraction(5, 2), Samples(3, Fraction(1)), path=PATH)
    assert (chosen.start, chosen.end) == (0, Fraction(5, 2))


def test_a_sample_ends_with_the_film_at_the_latest() -> None:
    (chosen,) = chosen_samples([look(0), look(9, motion=1)], Fraction(10), Samples(1, Fraction(4)), path=PATH)
    assert (chosen.start, chosen.end) == (6, 10)


def test_a_film_of_nothing_gives_one_sample_and_a_word(caplog) -> None:
    looks = [look(time, brightness=0.0, contrast=0.0) for time in range(0, 50, 5)]
    (chosen,) = chosen_samples(looks, Fraction(50), Samples(3, Fraction(1)), path=PATH)
    assert chosen.start == 25
    assert caplog.messages == ["film.mp4 is black or blank wherever it was looked at, and so is its sample."]


@pytest.fixture
def decoded(monkeypatch) -> list[object]:
    """Every picture that was decoded."""
    seen: list[object] = []
    pictures = Decoding.pictures

    def counting(self, packets):
        for picture in pictures(self, packets):
            seen.append(1)
            yield picture

    monkeypatch.setattr(Decoding, "pictures", counting)
    return seen


def write(path: Path, count: int, *, every: int) -> Path:
    """Write a film of bands that move, with a key frame now and then."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "x264-params": f"keyint={every}:min-keyint={every}:scenecut=0"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        ramp = np.add.outer(np.arange(48), np.arange(64)).astype(np.int64) * 4
        for number in range(count):
            picture = ((ramp + number) % 256).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
    return path


def test_a_long_film_is_looked_at_from_its_key_frames(tmp_path, decoded) -> None:
    with open_source(write(tmp_path / "long.mp4", 3000, every=50)) as film:
        before = len(decoded)
        looks = list(film.glimpses(24))
    assert 20 <= len(looks) <= 30
    assert len(decoded) - before <= 6 * len(looks)
    assert all(time % 2 == 0 for time in (look.time for look in looks))
    assert looks[-1].time > 100
    assert film.length == 120


def test_of_a_long_film_that_only_decodes_from_its_beginning_only_that_is_looked_at(
    tmp_path, decoded, monkeypatch, caplog
) -> None:
    monkeypatch.setattr("reel.engine.reading.film_places.FEW", 200)
    assert FEW > 1000
    with open_source(write(tmp_path / "long.avi", 1500, every=50)) as film:
        assert not film.seekable
        before = len(decoded)
        looks = list(film.glimpses(20))
    assert len(looks) == 20
    assert looks[-1].time < 8
    assert "of its 1500 frames the first 200 are looked at" in caplog.text
    assert len(decoded) - before <= 220


def test_a_folder_of_pictures_is_looked_at_all_over(tmp_path, write_pictures) -> None:
    noise = np.random.default_rng(1)
    write_pictures(tmp_path, [noise.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(30)])
    with open_source(tmp_path, rate=Fraction(10)) as film:
        looks = list(film.glimpses(10))
        assert film.length == 3
    assert [look.time for look in looks] == [Fraction(3 * n, 10) for n in range(10)]
    assert looks[0].later is not None


def test_the_part_that_is_asked_for_is_looked_at_and_its_times_counted_from_there(tmp_path) -> None:
    path = write(tmp_path / "film.mp4", 500, every=10)
    with open_source(path, start=Fraction(4), end=Fraction(12)) as film:
        looks = list(film.glimpses(8))
        assert film.length == 8
    assert looks[0].time == 0
    assert all(0 <= look.time < 8 for look in looks)
