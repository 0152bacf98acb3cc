"""What a whole film would take, from what its samples took."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest
from reel.engine.pixels.frame import Format
from reel.engine.timings import Part, Timings
from reel.engine.trial.estimate import Bytes, Sampled, bytes_of, estimated
from reel.models.manifest import network_named

FILM = Format(width=64, height=48, rate=Fraction(25), time_base=Fraction(1, 25), frames=1000)


def plan(*names: str) -> SimpleNamespace:
    steps = [SimpleNamespace(network=network_named(name)) for name in names]
    return SimpleNamespace(before=FILM, after=FILM, steps=steps)


def sampled(
    read: int, made: int, decode: float, encode: float, *stages: tuple[str, float], **more
) -> Sampled:
    networks = sum(busy for _, busy in stages)
    parts = (Part("decode", decode, 0), Part("networks", networks, 0), Part("encode", encode, 0))
    taken = more.get("bytes", Bytes(1, made - 1, 1000, 100 * (made - 1), 0))
    return Sampled(read, made, Timings(9.9, parts, stages), more.get("finishing", 0.0), taken)


def test_the_slowest_part_decides_how_long_it_takes() -> None:
    samples = [
        sampled(10, 10, 1.0, 2.0, ("analysis", 0.0), ("deoldify", 6.0)),
        sampled(30, 30, 1.0, 2.0, ("analysis", 1.0), ("deoldify", 9.0)),
    ]
    estimate = estimated(plan("deoldify"), samples)
    assert estimate is not None
    assert (estimate.frames, estimate.busiest) == (1000, "deoldify")
    assert estimate.seconds == pytest.approx(16 / 40 * 1000)
    assert estimate.per_frame["decode"] == pytest.approx(2 / 40)


def test_what_the_encoder_held_back_is_counted_as_its_work() -> None:
    estimate = estimated(plan(), [sampled(10, 10, 1.0, 0.5, ("analysis", 0.1), finishing=2.5)])
    assert estimate is not None
    assert estimate.busiest == "encode"
    assert estimate.seconds == pytest.approx(3.0 / 10 * 1000)


def test_the_last_frame_of_a_sample_has_none_to_interpolate_to_and_is_counted_as_if_it_had() -> None:
    samples = [sampled(5, 10, 0.0, 0.0, ("analysis", 0.0), ("dain", 4.0), ("deoldify", 1.0))]
    estimate = estimated(plan("dain", "deoldify"), samples)
    assert estimate is not None
    assert estimate.frames == 2000
    assert estimate.seconds == pytest.approx((5.0 + 1.0) / 10 * 2000)


def test_key_frames_that_only_samples_need_are_not_counted_for_the_whole() -> None:
    estimate = estimated(plan(), [sampled(25, 25, 1, 1, ("analysis", 0.0))] * 2)
    assert estimate is not None
    keys = 1000 / 240  # a segment has as many frames at most
    assert estimate.size == pytest.approx(keys * 1000 + (1000 - keys) * 100, abs=1)


def test_frames_that_all_stand_alone_take_what_they_take() -> None:
    alone = Bytes(25, 0, 50_000, 0, 0)
    estimate = estimated(plan(), [sampled(25, 25, 1, 1, ("analysis", 0.0), bytes=alone)])
    assert estimate is not None
    assert estimate.size == 2000 * 1000


def test_sound_takes_room_for_as_long_as_the_film_lasts() -> None:
    sound = Bytes(25, 0, 0, 0, 700)
    estimate = estimated(plan(), [sampled(25, 25, 1, 1, ("analysis", 0.0), bytes=sound)])
    assert estimate is not None
    assert estimate.size == 700 * 40


def test_the_bytes_of_a_film_are_told_by_what_they_are_for(tmp_path) -> None:
    import av
    import numpy as np

    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "keyint=5:scenecut=0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        noise = np.random.default_rng(1)
        for _ in range(12):
            picture = noise.integers(0, 256, (48, 64), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode(None))
    taken = bytes_of(path)
    assert (taken.keys, taken.others, taken.track_bytes) == (3, 9, 0)
    assert 0.9 * path.stat().st_size < taken.key_bytes + taken.other_bytes < path.stat().st_size


def test_the_bytes_of_pictures_are_those_of_their_files(tmp_path) -> None:
    for number in (1, 2, 3):
        (tmp_path / f"sample-1.{number:06d}.png").write_bytes(b"x" * 100)
    (tmp_path / "sample-2.000001.png").write_bytes(b"x" * 999)
    assert bytes_of(tmp_path / "sample-1.%06d.png") == Bytes(3, 0, 300, 0, 0)
