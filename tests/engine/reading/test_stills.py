"""Photos and folders of pictures, read and written."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from reel.engine.pixels.frame import Format, Frame
from reel.engine.reading.source import open_source
from reel.engine.writing.sink import open_sink
from reel.errors import InputError, OutputError

STILL = Format(20, 12, None, Fraction(1), still=True)


def noise(seed: int = 0, *, height: int = 12, width: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def save(path: Path, picture: np.ndarray, codec: str = "png", name: str = "rgb24") -> Path:
    context = av.CodecContext.create(codec, "w")
    context.height, context.width, context.pix_fmt = *picture.shape[:2], name
    context.time_base = Fraction(1, 25)
    if codec == "libwebp":
        context.options = {"lossless": "1"}
    form = {np.dtype(np.uint8): "rgb24", np.dtype(np.uint16): "rgb48le"}[picture.dtype]
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24" if form == "rgb24" else form).reformat(
        format=name
    )
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)]))
    return path


def pixels_of(path: Path | str, **options) -> list[np.ndarray]:
    with open_source(path, **options) as source:
        return [frame.pixels for frame in source.frames()]


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def write(path: Path | str, film: Format, pixels: list[np.ndarray], error: Exception | None = None) -> None:
    with open_sink(path, film) as sink:
        for number, picture in enumerate(pixels):
            sink.write(Frame(picture, Fraction(number, 24), Fraction(1, 24)))
        if error is not None:
            raise error


def planar(picture: np.ndarray, top: int) -> np.ndarray:
    return np.moveaxis(picture, -1, 0)[None].astype(np.float32) / np.float32(top)


@pytest.mark.parametrize(
    ("name", "codec", "stored"),
    [("a.png", "png", "rgb24"), ("a.tif", "tiff", "rgb24"), ("a.webp", "libwebp", "bgra")],
)
def test_a_photo_of_8_bits_is_each_level_over_255(tmp_path: Path, name, codec, stored) -> None:
    picture = noise()
    with open_source(save(tmp_path / name, picture, codec, stored)) as source:
        frames = list(source.frames())
        assert source.format.still
        assert (source.format.width, source.format.height, source.format.frames) == (20, 12, 1)
        assert source.format.depth == 8
    np.testing.assert_array_equal(frames[0].pixels, planar(picture, 255))


@pytest.mark.parametrize(
    ("name", "codec", "stored"), [("a.png", "png", "rgb48be"), ("a.tiff", "tiff", "rgb48le")]
)
def test_a_photo_of_16_bits_is_each_level_over_65535(tmp_path: Path, name, codec, stored) -> None:
    picture = np.random.default_rng(1).integers(0, 65536, (12, 20, 3)).astype(np.uint16)
    with open_source(save(tmp_path / name, picture, codec, stored)) as source:
        assert source.format.depth == 16
        pixels = next(source.frames()).pixels
    np.testing.assert_array_equal(pixels, planar(picture, 65535))


def test_a_grey_photo_has_its_full_range(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(0, 260, 13, dtype=np.uint8)[None, :, None], 12, 0).repeat(3, 2)
    pixels = pixels_of(save(tmp_path / "a.png", ramp, "png", "gray"))[0]
    assert pixels.min() == 0
    np.testing.assert_allclose(pixels, planar(ramp, 255), atol=1 / 255)


def test_a_photo_in_jpeg_comes_close(tmp_path: Path) -> None:
    across = np.linspace(20, 230, 64).astype(np.uint8)
    picture = np.stack(
        [np.tile(across, (64, 1)), np.tile(across, (64, 1)).T, np.full((64, 64), 90, np.uint8)], -1
    )
    pixels = pixels_of(save(tmp_path / "a.jpg", picture, "mjpeg", "yuvj444p"))[0]
    assert np.abs(pixels - planar(picture, 255)).max() < 12 / 255


def exif(orientation: int) -> bytes:
    """Return the APP1 segment of a JPEG that says how the camera was held."""
    entry = struct.pack("<HHII", 0x0112, 3, 1, orientation)
    body = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize(("orientation", "quarters"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_photo_of_a_camera_held_sideways_comes_upright(
    tmp_path: Path, orientation: int, quarters: int
) -> None:
    path = save(tmp_path / "a.jpg", noise(), "mjpeg", "yuvj444p")
    plain = pixels_of(path)[0]
    data = path.read_bytes()
    path.write_bytes(data[:2] + exif(orientation) + data[2:])
    np.testing.assert_array_equal(pixels_of(path)[0], np.rot90(plain, quarters, (2, 3)))


def test_a_photo_with_a_percent_sign_in_its_name_is_no_pattern(tmp_path: Path) -> None:
    assert len(pixels_of(save(tmp_path / "100%.png", noise()))) == 1


def test_a_folder_of_pictures_is_a_film_in_numeric_order(tmp_path: Path) -> None:
    pictures = {number: noise(number) for number in (8, 9, 10, 11)}
    for number, picture in pictures.items():
        save(tmp_path / "frames" / f"shot{number}.png", picture)
    (tmp_path / "frames" / "notes.txt").write_text("no picture")
    with open_source(tmp_path / "frames", rate=Fraction(18)) as source:
        frames = list(source.frames())
        assert (source.format.rate, source.format.frames, source.format.still) == (18, 4, False)
    assert [frame.time for frame in frames] == [Fraction(number, 18) for number in range(4)]
    for frame, picture in zip(frames, pictures.values(), strict=True):
        np.testing.assert_array_equal(frame.pixels, planar(picture, 255))


def test_a_pattern_takes_only_the_pictures_it_names(tmp_path: Path) -> None:
    for number in (5, 6, 7):
        save(tmp_path / "f" / f"{number:04d}.png", noise(number))
    save(tmp_path / "f" / "other5.png", noise(99))
    assert len(pixels_of(tmp_path / "f" / "%04d.png")) == 3
    assert len(pixels_of(str(tmp_path / "f" / "%d.png"), start=Fraction(1, 24))) == 2


def test_a_range_of_pictures_counts_its_times_from_the_start(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / "f" / f"{number}.png", noise(number))
    with open_source(tmp_path / "f", rate=Fraction(10), start=Fraction(1, 4), end=Fraction(1, 2)) as source:
        times = [frame.time for frame in source.frames()]
        assert all((time / source.format.time_base).denominator == 1 for time in times)
    assert times == [Fraction(1, 20), Fraction(3, 20)]


def test_a_missing_number_is_named(tmp_path: Path) -> None:
    for number in (1, 2, 4):
        save(tmp_path / "f" / f"{number:06d}.png", noise())
    for path in (tmp_path / "f", tmp_path / "f" / "%06d.png"):
        with pytest.raises(InputError, match="number 3 is missing"):
            pixels_of(path)


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    save(tmp_path / "f" / "1.png", noise())
    save(tmp_path / "f" / "2.png", noise(width=22))
    with pytest.raises(InputError, match=r"2\.png is 22x12"):
        pixels_of(tmp_path / "f")


def test_a_folder_without_pictures_or_with_two_kinds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures"):
        pixels_of(tmp_path)
    with pytest.raises(InputError, match="no folder"):
        pixels_of(tmp_path / "none" / "%d.png")
    save(tmp_path / "1.png", noise())
    save(tmp_path / "2.tif", noise(), "tiff")
    with pytest.raises(InputError, match="several kinds"):
        pixels_of(tmp_path)


def test_a_photo_has_no_range(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no times"):
        open_source(save(tmp_path / "a.png", noise()), start=Fraction(1))


def test_a_folder_is_written_as_png_that_round_half_to_even(tmp_path: Path) -> None:
    frames = [
        np.random.default_rng(n).uniform(-0.1, 1.1, (1, 3, 12, 20)).astype(np.float32) for n in range(3)
    ]
    for path in (f"{tmp_path}/out/", f"{tmp_path}/named/p%03d.png"):
        write(path, Format(20, 12, Fraction(24), Fraction(1, 24)), frames)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [f"{n:06d}.png" for n in (1, 2, 3)]
    assert sorted(file.name for file in (tmp_path / "named").iterdir()) == [
        f"p{n:03d}.png" for n in (1, 2, 3)
    ]
    for pixels, back in zip(frames, pixels_of(tmp_path / "out"), strict=True):
        expected = np.rint(np.clip(pixels, 0, 1) * 255) / np.float32(255)
        np.testing.assert_array_equal(back, expected.astype(np.float32))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp"])
def test_a_photo_is_written_without_loss(tmp_path: Path, suffix: str) -> None:
    pixels = planar(noise(4), 255)
    with open_sink(tmp_path / f"a{suffix}", STILL) as sink:
        sink.write(Frame(pixels, Fraction(0), Fraction(1)))
    np.testing.assert_array_equal(pixels_of(tmp_path / f"a{suffix}")[0], pixels)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_a_deep_photo_stays_deep(tmp_path: Path, suffix: str) -> None:
    picture = np.random.default_rng(1).integers(0, 65536, (12, 20, 3)).astype(np.uint16)
    pixels = planar(picture, 65535)
    with open_sink(tmp_path / f"a{suffix}", Format(20, 12, None, Fraction(1), depth=16, still=True)) as sink:
        sink.write(Frame(pixels, Fraction(0), Fraction(1)))
    np.testing.assert_array_equal(pixels_of(tmp_path / f"a{suffix}")[0], pixels)


def test_a_second_frame_for_one_photo_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="hold one frame"):
        write(tmp_path / "a.png", STILL, [planar(noise(), 255)] * 2)
    assert names_in(tmp_path) == []


def test_pictures_replace_an_earlier_result_and_leave_other_files_alone(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    for number in range(1, 6):
        save(folder / f"{number:06d}.png", noise(number))
    (folder / "notes.txt").write_text("mine")
    film = Format(20, 12, Fraction(24), Fraction(1, 24))
    with pytest.raises(OutputError, match="there already"), open_sink(folder, film):
        pass
    with open_sink(folder, film, overwrite=True) as sink:
        sink.write(Frame(planar(noise(9), 255), Fraction(0), Fraction(1, 24)))
    assert names_in(folder) == ["000001.png", "notes.txt"]
    assert names_in(tmp_path) == ["out"]


def test_an_error_midway_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write(f"{tmp_path}/out/", STILL, [planar(noise(), 255)], KeyError())
    assert names_in(tmp_path) == []
