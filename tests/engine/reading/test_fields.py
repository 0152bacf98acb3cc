"""Interlaced and telecined films, made from frames that are known, and made progressive again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from reel.engine.reading.fields import Field, made_progressive
from reel.engine.reading.source import open_source
from reel.errors import InputError


def moments(count):
    """Luma [64, 96] of a detailed picture that moves by two pixels from one to the next."""
    noise = np.random.default_rng(4).integers(40, 200, (18, 24 + count))
    large = np.kron(noise, np.ones((8, 8)))
    # Soft in both directions, as film is.
    for axis in (0, 1):
        large = sum(np.roll(large, shift, axis) for shift in range(-3, 4)) / 7
    return [large[8:72, 8 + 2 * n : 104 + 2 * n].round().astype(np.uint8) for n in range(count)]


def woven(upper, lower):
    frame = upper.copy()
    frame[1::2] = lower[1::2]
    return frame


def pulled_down(frames):
    """Spread four frames over five: 2, 3, 2 and 3 fields of each."""
    result = []
    for place in range(0, len(frames) - len(frames) % 4, 4):
        a, b, c, d = frames[place : place + 4]
        result += [a, b, woven(b, c), woven(c, d), d]
    return result


@pytest.fixture
def write(tmp_path):
    def write_film(frames, *, rate, marked="tff", name="film.mkv"):
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            parameters = {"tff": "interlaced=1:tff=1", "bff": "interlaced=1:bff=1", None: "interlaced=0"}
            options = {"qp": "0", "preset": "ultrafast", "g": "12", "x264-params": parameters[marked]}
            stream = container.add_stream("libx264", rate=rate, options=options)
            stream.height, stream.width = frames[0].shape
            stream.pix_fmt = "yuv420p"
            for luma in frames:
                chroma = np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)
                picture = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return path

    return write_film


def read(path: Path, **options):
    with open_source(path, **options) as source:
        return source.format, list(source.frames())


def luma_of(frame):
    """Luma in 8 bits of limited range, as it was written."""
    return frame.pixels[0].mean(axis=0) * 219 + 16


def error(frames, truth):
    """Root mean square, in levels, away from the border."""
    differences = [
        luma_of(frame)[4:-4, 4:-4] - luma[4:-4, 4:-4] for frame, luma in zip(frames, truth, strict=True)
    ]
    return float(np.sqrt(np.mean(np.square(differences))))


def test_telecined_film_becomes_again_the_film_that_it_was(write, caplog):
    rate = Fraction(30000, 1001)
    film = moments(80)
    form, frames = read(write(pulled_down(film), rate=rate))
    assert (form.rate, form.frames, len(frames)) == (Fraction(24000, 1001), 80, 80)
    assert [frame.time for frame in frames] == [n * Fraction(1001, 24000) for n in range(80)]
    assert all(frame.time % form.time_base == 0 for frame in frames)
    assert error(frames, film) < 0.5
    assert "telecined" in caplog.text


@pytest.mark.parametrize("order", ["tff", "bff"])
def test_interlaced_film_becomes_progressive_with_its_times(write, caplog, order):
    fields = moments(120)
    pairs = list(zip(fields[::2], fields[1::2], strict=True))
    frames = [woven(first, second) if order == "tff" else woven(second, first) for first, second in pairs]
    path = write(frames, rate=Fraction(25), marked=order)
    form, given = read(path)
    assert (form.rate, form.frames, len(given)) == (25, 60, 60)
    assert [frame.time for frame in given] == [Fraction(n, 25) for n in range(60)]
    assert "interlaced" in caplog.text
    # A frame shows the moment of its first field. Combs are far from any moment.
    truth = fields[::2]
    _, combed = read(path, field=Field.PROGRESSIVE)
    assert error(given[2:-2], truth[2:-2]) < 2.5 < 6 < error(combed[2:-2], truth[2:-2])


def test_the_wrong_order_of_fields_is_not_taken(write):
    fields = moments(120)
    frames = [woven(second, first) for first, second in zip(fields[::2], fields[1::2], strict=True)]
    path = write(frames, rate=Fraction(25), marked="tff")  # which is not true
    _, given = read(path)
    assert error(given[2:-2], fields[4:-4:2]) < 2.5


def test_progressive_film_that_is_marked_as_interlaced_stays_as_it_is(write, caplog):
    film = moments(60)
    _, frames = read(write(film, rate=Fraction(25)))
    assert error(frames, film) < 0.5
    assert "interlaced" not in caplog.text


def test_film_that_is_not_marked_is_left_alone_and_its_look_is_said(write, caplog):
    fields = moments(120)
    frames = [woven(*pair) for pair in zip(fields[::2], fields[1::2], strict=True)]
    path = write(frames, rate=Fraction(25), marked=None)
    _, given = read(path)
    assert error(given, frames) < 0.5
    assert "--field tff" in caplog.text
    caplog.clear()
    _, given = read(path, field=Field.TFF)
    assert error(given[2:-2], fields[4:-4:2]) < 2.5
    assert caplog.text == ""


def test_telecine_cannot_be_undone_in_a_film_of_variable_rate(make_film, drifting):
    path = make_film("film.mp4", drifting(5), stamps=[0, 700, 1000, 5000, 5313], time_base=Fraction(1, 10000))
    with pytest.raises(InputError, match="no constant frame rate"):
        read(path, field=Field.TELECINE)


@pytest.mark.parametrize("cut", [None, Fraction(1, 2)])
def test_a_telecined_film_is_gone_on_with_exactly(write, cut):
    path = write(pulled_down(moments(80)), rate=Fraction(30))
    _, whole = read(path, start=cut)
    for place in (0, 5, 30):
        with open_source(path, start=cut) as source:
            source.go_to(whole[place].time, whole[place].index)
            frame = next(source.frames())
        assert (frame.time, frame.index) == (whole[place].time, place)
        np.testing.assert_array_equal(frame.pixels, whole[place].pixels)


@pytest.mark.parametrize(
    ("name", "rate", "count"),
    [("bbb_interlaced_tff_30i.mpg", 30, 30), ("bbb_telecine_23.mkv", 24, 72)],
)
def test_real_material_is_recognised(clips, caplog, name, rate, count):
    form, frames = read(clips / name)
    assert (form.rate, len(frames)) == (rate, count)
    assert "made progressive" in caplog.text


@pytest.mark.parametrize("matrix", [5, 255])
def test_filters_take_pictures_that_name_any_matrix(matrix) -> None:
    def pictures(sizes):
        for number, (width, height) in enumerate(sizes):
            picture = av.VideoFrame(width, height, "yuv420p")
            picture.colorspace = matrix
            yield Fraction(number, 25), picture

    sizes = [(64, 48)] * 6
    made = list(made_progressive(pictures(sizes), Field.TFF, step=Fraction(1, 25)))
    assert [time for time, _ in made] == [Fraction(number, 25) for number in range(6)]


def test_a_film_that_changes_its_size_passes_the_filters_with_both_sizes() -> None:
    sizes = [(64, 48)] * 4 + [(32, 16)] * 3
    pictures = ((Fraction(number, 25), av.VideoFrame(*size, "yuv420p")) for number, size in enumerate(sizes))
    made = list(made_progressive(pictures, Field.TFF, step=Fraction(1, 25)))
    assert [(picture.width, picture.height) for _, picture in made] == sizes
