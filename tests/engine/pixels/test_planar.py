"""Pictures as planes: to the last bit what RGB would have said of them."""

from itertools import product

import numpy as np
import pytest
from av.video.frame import VideoFrame
from reel.engine.job.restart import checksum
from reel.engine.pixels.coding import Layout
from reel.engine.pixels.colour import planes_from_rgb
from reel.engine.pixels.frame import Colour
from reel.engine.pixels.planar import Coding, Planar, is_same_picture
from reel.engine.pixels.shots import thumbnail
from reel.engine.pixels.turn import Turn
from reel.engine.reading.pictures import Reader, Writer

LAYOUTS = [
    Layout("yuv", bits, half_width=wide, half_height=high, left=left)
    for bits, wide, high, left in product((8, 10), (False, True), (False, True), (False, True))
] + [Layout("grey", 8), Layout("rgb", 8), Layout("rgb", 16)]
TURNS = [None, *(Turn(*sides) for sides in product((False, True), repeat=3))]


def planar(layout, height=45, width=67, *, turn=None, seed=1):
    """Return planes of any codes at all, colours outside RGB among them."""
    small = (-(-height // (1 + layout.half_height)), -(-width // (1 + layout.half_width)))
    sizes = [(height, width), small, small][: 1 if layout.kind == "grey" else 3]
    noise = np.random.default_rng(seed)
    planes = tuple(noise.integers(0, 2**layout.bits, size).astype(layout.dtype) for size in sizes)
    return Planar(planes, Coding(layout, 6, False), turn)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_some_pixels_are_those_of_the_whole(layout):
    for size, steps in product([(45, 67), (44, 66), (1, 1), (2, 3)], [(1, 1), (3, 2), (2, 5)]):
        picture = planar(layout, *size)
        whole = picture.rgb()
        assert picture.shape == whole.shape
        np.testing.assert_array_equal(picture.every(*steps), whole[:, :, :: steps[0], :: steps[1]])


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_they_are_those_of_the_whole_set_upright(turn):
    picture = planar(Layout("yuv", 8, half_width=True, half_height=True), turn=turn)
    whole = picture.rgb()
    assert picture.shape == whole.shape
    np.testing.assert_array_equal(picture.every(4, 3), whole[:, :, ::4, ::3])


@pytest.mark.parametrize("size", [(36, 48), (20, 30), (500, 700)])
def test_cuts_are_told_from_the_same_thumbnails(size):
    picture = planar(Layout("yuv", 10, half_width=True, half_height=True), *size)
    np.testing.assert_array_equal(thumbnail(picture), thumbnail(picture.rgb()))


def changed(picture, plane, row):
    planes = [each.copy() for each in picture.planes]
    planes[plane][row, 5] ^= 1
    return Planar(tuple(planes), picture.coding, picture.turn)


def test_equal_pictures_have_equal_samples_and_coding():
    layout = Layout("yuv", 8, half_width=True, half_height=True)
    picture = planar(layout)
    assert is_same_picture(picture, planar(layout))
    assert not any(is_same_picture(picture, changed(picture, plane, 7)) for plane in range(3))
    assert not is_same_picture(picture, Planar(picture.planes, Coding(layout, 1, False)))
    assert not is_same_picture(picture, Planar(picture.planes, picture.coding, Turn(down=True)))
    assert not is_same_picture(picture, planar(layout, 45, 66))
    # RGB is compared with RGB, as where only some frames of a film are transparent.
    assert is_same_picture(picture, picture.rgb())
    assert not is_same_picture(picture.rgb() / 2, picture)


def test_every_plane_is_in_the_checksum():
    picture = planar(Layout("yuv", 8, half_width=True, half_height=True))
    found = {checksum(changed(picture, plane, 8)) for plane in range(3)} | {checksum(picture)}
    assert len(found) == 4
    assert checksum(changed(picture, 1, 7)) == checksum(picture)  # every fourth row


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "nv12", "gray", "rgb24"])
@pytest.mark.parametrize("turn", [Turn(), Turn(transpose=True, down=True)], ids=str)
def test_a_decoded_picture_is_the_same_as_planes(name, turn):
    noise = np.random.default_rng(3).integers(0, 256, (46, 66, 3)).astype(np.uint8)
    decoded = VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=name)
    reader = Reader(Colour(matrix=6), turn, left=True)
    planes = reader.planar(decoded)
    assert isinstance(planes, Planar)
    np.testing.assert_array_equal(planes.rgb(), reader.read(decoded))


def test_a_decoded_picture_is_rgb_where_planes_do_not_say_all():
    noise = np.random.default_rng(4).integers(0, 256, (46, 66, 4)).astype(np.uint8)
    transparent = VideoFrame.from_ndarray(noise, format="rgba")
    reader = Reader(Colour(matrix=6), Turn(), left=True)
    np.testing.assert_array_equal(reader.planar(transparent), reader.read(transparent))
    assert reader.transparent
    kept = Reader(Colour(matrix=6), Turn(), left=True, clip=False)
    picture = transparent.reformat(format="yuv420p")
    np.testing.assert_array_equal(kept.planar(picture), kept.read(picture))


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le", "yuvj444p", "rgb24", "gray"])
def test_planes_are_written_as_rgb_would_be(name):
    full = name == "yuvj444p"
    writer = Writer(name, Colour(matrix=0 if name == "rgb24" else 6, full_range=full), left=True)
    pixels = np.random.default_rng(5).random((1, 3, 46, 66), np.float32)
    coding = writer.coding
    made = planes_from_rgb(pixels, coding.layout, matrix=coding.matrix, full_range=coding.full_range)
    written = writer.write(Planar(tuple(made), coding)).to_ndarray()
    np.testing.assert_array_equal(written, writer.write(pixels).to_ndarray())
    # Planes of another coding, or that are not upright, are not taken for these.
    for other in (
        planar(Layout("yuv", 12, half_width=True), 46, 66),
        Planar(tuple(made), coding, Turn(True)),
    ):
        np.testing.assert_array_equal(
            writer.write(other).to_ndarray(), writer.write(other.rgb()).to_ndarray()
        )


def test_a_writer_that_keeps_colours_outside_rgb_takes_no_planes():
    assert Writer("yuv420p", Colour(matrix=6), left=True, clip=False).coding is None
