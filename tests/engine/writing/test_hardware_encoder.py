"""The encoder of a GPU is taken where it works, which is tried, and where nobody has said which to take."""

import logging
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from reel.engine.pixels.frame import Format
from reel.engine.writing import hardware_encoder
from reel.engine.writing.encoding import Encoding, choose
from reel.engine.writing.hardware_encoder import with_hardware

FILM = Format(640, 480, Fraction(25), Fraction(1, 25))
GPU, CPU = SimpleNamespace(device=object()), SimpleNamespace(device=None)
WORKING = {"libx264": ("mpeg4", "yuv420p"), "libx265": ("ffv1", "yuv420p10le")}


@pytest.fixture
def said(caplog):
    """Tell what was said of the encoder."""
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def test_one_that_does_not_open_is_named_with_what_it_lacks(said):
    chosen = with_hardware(Encoding(), Path("a.mp4"), FILM, GPU)
    if chosen.codec is not None:
        pytest.skip("needs a machine without NVENC")
    assert chosen == Encoding()
    (line,) = said()
    assert line.startswith("encoder: libx264 (not h264_nvenc: ")
    with_hardware(Encoding(), Path("a.mkv"), replace(FILM, depth=10), GPU)
    assert said()[1].startswith("encoder: libx265 (not hevc_nvenc: ")


@pytest.mark.parametrize(
    ("depth", "codec", "pix_fmt"), [(8, "mpeg4", "yuv420p"), (10, "ffv1", "yuv420p10le")]
)
def test_one_that_opens_is_taken_and_named(said, monkeypatch, depth, codec, pix_fmt):
    monkeypatch.setattr(hardware_encoder, "INSTEAD", WORKING)
    chosen = with_hardware(Encoding(), Path("a.mp4"), replace(FILM, depth=depth), GPU)
    assert chosen == Encoding(codec=codec, pix_fmt=pix_fmt)
    (line,) = said()
    assert line.startswith(f"encoder: {codec}, which opens on this GPU")


@pytest.mark.parametrize(
    ("encoding", "name", "backend"),
    [
        (Encoding(codec="libx264"), "a.mp4", GPU),
        (Encoding(crf=20), "a.mp4", GPU),
        (Encoding(preset="slow"), "a.mp4", GPU),
        (Encoding(pix_fmt="yuv444p"), "a.mp4", GPU),
        (Encoding(), "a.mp4", CPU),
        (Encoding(), "a.webm", GPU),
        (Encoding(), "a.png", GPU),
        (Encoding(), "pictures", GPU),
    ],
)
def test_what_was_asked_for_stays_as_it_is(said, monkeypatch, encoding, name, backend):
    monkeypatch.setattr(hardware_encoder, "INSTEAD", WORKING)
    assert with_hardware(encoding, Path(name), FILM, backend) == encoding
    assert said() == []


@pytest.mark.parametrize(
    ("film", "why"),
    [
        (replace(FILM, sampling="422"), "it would keep less of the colour than 422 has"),
        (replace(FILM, width=641), "641x480 is odd"),
        (replace(FILM, height=481), "640x481 is odd"),
        (replace(FILM, width=0), ""),
    ],
)
def test_a_film_that_it_does_not_take_is_left_to_the_usual_one(said, monkeypatch, film, why):
    monkeypatch.setattr(hardware_encoder, "INSTEAD", WORKING)
    assert with_hardware(Encoding(), Path("a.mp4"), film, GPU) == Encoding()
    (line,) = said()
    assert line.startswith(f"encoder: libx264 (not mpeg4: {why}")


def test_one_that_libav_was_built_without_is_left_out(said, monkeypatch):
    monkeypatch.setattr(hardware_encoder, "INSTEAD", {"libx264": ("no_such", "yuv420p")})
    assert with_hardware(Encoding(), Path("a.mp4"), FILM, GPU) == Encoding()
    assert "not no_such: " in said()[0]


@pytest.mark.parametrize(("crf", "quality"), [(None, "16"), (20, "20")])
def test_it_keeps_a_quality_and_no_bit_rate(tmp_path, crf, quality):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        options = choose(Encoding(codec="h264_nvenc", crf=crf), container, FILM).options
    assert options == {"rc": "vbr", "cq": quality, "b": "0"}


def test_one_of_which_nothing_comes_is_left_out(said, monkeypatch):
    class Silent:
        @classmethod
        def create(cls, name, mode):
            return cls()

        def encode(self, picture):
            return []

    monkeypatch.setattr(hardware_encoder, "VideoCodecContext", Silent)
    assert with_hardware(Encoding(), Path("a.mp4"), FILM, GPU) == Encoding()
    assert said() == ["encoder: libx264 (not h264_nvenc: nothing comes out of it)"]
