"""What a user may ask of pictures: the last size, borders, HDR."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from reel.engine.pixels.frame import Colour, Format, Frame
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.sink import open_sink


@pytest.fixture
def letterboxed(make_film, pictures) -> Path:
    framed = []
    for picture in pictures(12):
        framed.append(np.zeros((72, 64, 3), np.uint8))
        framed[-1][12:60] = picture
    return make_film("film.mp4", framed)


def size_of(path: Path) -> tuple[int, int]:
    with av.open(str(path)) as container:
        return container.streams.video[0].width, container.streams.video[0].height


def test_borders_are_left_out_and_come_back_in_the_size_that_was_asked_for(
    reel_run, letterboxed, tmp_path, read_pictures
) -> None:
    words = [letterboxed, "--order", "edvr-m", "--size", "128x144"]
    outcome = reel_run(*words, "--crop", "auto", "-o", tmp_path / "cropped/%04d.png")
    assert outcome.code == 0, outcome.err
    assert "64x72, 25 fps -> edvr-m -> 128x144" in outcome.err
    assert "the networks work on 64x48 of it" in outcome.err
    whole = reel_run(*words, "-o", tmp_path / "whole/%04d.png")
    assert "black borders" not in whole.err
    cropped, plain = (read_pictures(tmp_path / name) for name in ("cropped", "whole"))
    assert len(cropped) == 12
    for with_borders, without in zip(cropped, plain, strict=True):
        # The network used here only takes means; near its edges alone does it see what lies beside them.
        assert with_borders.shape == without.shape == (144, 128, 3)
        assert with_borders[:20].max() == with_borders[-20:].max() == 0
        apart = np.abs(with_borders[28:-28].astype(int) - without[28:-28])
        assert apart.max() <= 1


def test_no_network_no_crop(reel_run, letterboxed, tmp_path) -> None:
    outcome = reel_run(letterboxed, "--order", "--crop", "auto", "-o", tmp_path / "a.mkv", "--codec", "ffv1")
    assert outcome.code == 0
    assert "black borders" not in outcome.err
    assert size_of(tmp_path / "a.mkv") == (64, 72)


def test_hdr_ends_in_two_lines_unless_it_is_to_be_mapped(reel_run, failure, tmp_path) -> None:
    film = Format(32, 32, Fraction(25), Fraction(1, 25), depth=10, colour=Colour(9, 9, 18))
    with open_sink(tmp_path / "hlg.mkv", film, encoding=Encoding(codec="ffv1")) as sink:
        sink.write(Frame(np.full((1, 3, 32, 32), 0.75, np.float32), Fraction(0), Fraction(1, 25)))
    what, remedy = failure("reel-run", tmp_path / "hlg.mkv", "--order")
    assert "is HDR (HLG)" in what
    assert "--hdr tonemap" in remedy
    words = ["--order", "--hdr", "tonemap", "-o", tmp_path / "sdr.mp4"]
    assert reel_run(tmp_path / "hlg.mkv", *words).code == 0
    with av.open(str(tmp_path / "sdr.mp4")) as container:
        assert int(next(container.decode(video=0)).color_trc) == 1


@pytest.mark.parametrize("size", ["huge", "0x0", "20000p"])
def test_what_is_no_size_is_a_mistake_of_usage(reel_run, size) -> None:
    outcome = reel_run("film.mp4", "--size", size)
    assert outcome.code == 2
    assert "--size" in outcome.err


def test_a_grey_film_that_is_coloured_is_written_in_colour(reel_run, tmp_path) -> None:
    film = Format(64, 48, Fraction(25), Fraction(1, 25))
    with open_sink(tmp_path / "grey.mkv", film, encoding=Encoding(codec="ffv1", pix_fmt="gray")) as sink:
        sink.write(Frame(np.full((1, 3, 48, 64), 0.5, np.float32), Fraction(0), Fraction(1, 25)))
    for order, pix_fmt in (([], "gray"), (["deoldify"], "yuv420p")):
        words = [
            "--order",
            *order,
            "--render-factor",
            "2",
            "--codec",
            "ffv1",
            "-y",
            "-o",
            tmp_path / "out.mkv",
        ]
        assert reel_run(tmp_path / "grey.mkv", *words).code == 0
        with av.open(str(tmp_path / "out.mkv")) as container:
            picture = next(container.decode(video=0))
        assert picture.format.name == pix_fmt
        assert bool(np.ptp(picture.to_ndarray(format="rgb24")[0, 0])) is bool(order)
