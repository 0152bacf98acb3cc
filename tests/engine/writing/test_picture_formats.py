"""Pictures of every kind: what they keep of depth, transparency and shape."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps
from reel import Settings, restore
from reel.engine.pixels.exif import orientation_of
from reel.engine.pixels.frame import Format, Frame
from reel.engine.reading.source import open_source
from reel.engine.writing.encoding import Encoding
from reel.engine.writing.naming import chosen_output, default_output
from reel.engine.writing.sink import open_sink


def film(depth: int, *, width: int = 21, height: int = 13, **facts) -> Format:
    return Format(width, height, Fraction(24), Fraction(1, 24), depth=depth, **facts)


def noise(depth: int, seed: int = 0) -> np.ndarray:
    """Pixels [1, 3, 13, 21] that so many bits can hold."""
    top = 2**depth - 1
    codes = np.random.default_rng(seed).integers(0, top + 1, (1, 3, 13, 21))
    return (codes / top).astype(np.float32)


def write(path: Path | str, depth: int, count: int = 1, encoding: Encoding | None = None, **facts) -> None:
    with open_sink(path, film(depth, **facts), encoding=encoding) as sink:
        for number in range(count):
            sink.write(Frame(noise(depth, number), Fraction(number, 24), Fraction(1, 24), number))


def read(path: Path | str) -> tuple[Format, list[np.ndarray]]:
    with open_source(path) as source:
        return source.format, [frame.pixels for frame in source.frames()]


def coded(path: Path) -> str:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).format.name


@pytest.mark.parametrize(
    ("suffix", "depth", "pix_fmt", "found"),
    [
        (".png", 8, None, "rgb24"),
        (".png", 16, None, "rgb48be"),
        (".png", 8, "rgb48be", "rgb48be"),
        (".tif", 8, None, "rgb24"),
        (".tif", 16, None, "rgb48le"),
        (".tiff", 10, None, "rgb48le"),
        (".dpx", 8, None, "gbrp10be"),
        (".dpx", 10, None, "gbrp10be"),
        (".dpx", 16, None, "rgb48be"),
        (".dpx", 12, "gbrp12be", "gbrp12be"),
    ],
)
def test_a_sequence_comes_back_as_deep_as_it_was(tmp_path, suffix, depth, pix_fmt, found) -> None:
    pattern = tmp_path / "seq" / f"%04d{suffix}"
    write(pattern, depth, 3, Encoding(pix_fmt=pix_fmt))
    assert coded(tmp_path / "seq" / f"0002{suffix}").replace("le", "be") == found.replace("le", "be")
    facts, frames = read(pattern)
    assert (len(frames), facts.sampling) == (3, "rgb")
    assert facts.depth >= depth
    for number, pixels in enumerate(frames):
        np.testing.assert_allclose(
            pixels, noise(depth, number), atol=0.51 / 1023 if suffix == ".dpx" else 1e-5
        )


def test_sixteen_bits_pass_through_a_folder_of_tiff_and_a_lossless_film_untouched(tmp_path) -> None:
    write(tmp_path / "seq" / "%04d.tif", 16, 2)
    summary = restore(
        tmp_path / "seq",
        tmp_path / "film.mkv",
        order=(),
        settings=Settings(encoding=Encoding(codec="ffv1")),
    )
    restore(summary.output, tmp_path / "back" / "%04d.tif", order=())
    for number in (1, 2):
        _, (before,) = read(tmp_path / "seq" / f"{number:04}.tif")
        _, (after,) = read(tmp_path / "back" / f"{number:04}.tif")
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(("suffix", "pix_fmt"), [(".png", "yuv420p"), (".jpg", "yuv444p")])
def test_pictures_make_a_film_of_limited_range_as_films_are(tmp_path, suffix, pix_fmt) -> None:
    with open_sink(tmp_path / "seq" / f"%04d{suffix}", film(8, width=22, height=14)) as sink:
        sink.write(Frame(np.full((1, 3, 14, 22), 0.5, np.float32), Fraction(0), Fraction(1, 24)))
    result = restore(tmp_path / "seq", tmp_path / "a.mp4", order=()).output
    with av.open(str(result)) as container:
        picture = next(container.decode(video=0))
        assert (picture.format.name, picture.color_range) == (pix_fmt, 1)
    np.testing.assert_allclose(read(result)[1][0], 0.5, atol=1.5 / 255)


def test_scans_stay_of_their_kind_and_other_pictures_become_png(tmp_path) -> None:
    for suffix, expected in ((".dpx", ".dpx"), (".tif", ".tif"), (".jpg", ".png"), (".bmp", ".png")):
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        (folder / f"0001{suffix}").touch()
        assert default_output(folder).name == f"%06d{expected}"
        assert default_output(folder / f"%04d{suffix}").name == f"%06d{expected}"
        assert chosen_output(folder, f"{tmp_path}/out/").name == f"%06d{expected}"
    assert chosen_output(tmp_path / "film.mp4", f"{tmp_path}/out/").name == "%06d.png"


def test_pixels_of_pictures_keep_their_shape(tmp_path) -> None:
    for suffix in (".png", ".tif", ".dpx", ".jpg"):
        path = tmp_path / f"a{suffix}"
        write(path, 8, pixel_aspect=Fraction(4, 3), still=True)
        assert read(path)[0].pixel_aspect == Fraction(4, 3)


@pytest.mark.parametrize(
    ("codec", "name", "suffix"),
    [
        ("png", "rgba", ".png"),
        ("png", "rgba64be", ".png"),
        ("png", "ya8", ".png"),
        ("tiff", "rgba", ".tif"),
        ("libwebp", "bgra", ".webp"),
        ("ffv1", "yuva420p", ".mkv"),
        ("ffv1", "yuva444p10le", ".mkv"),
        ("ffv1", "gbrap12le", ".mkv"),
        ("prores_ks", "yuva444p10le", ".mov"),
    ],
)
def test_what_is_transparent_shows_black_and_that_is_said(tmp_path, caplog, codec, name, suffix) -> None:
    rgba = np.full((32, 32, 4), 200, np.uint8)
    rgba[:, :, 3] = 255
    rgba[:16, :, 3] = 0
    rgba[16:24, :, 3] = 128
    path = tmp_path / f"a{suffix}"
    given = av.VideoFrame.from_ndarray(rgba, format="rgba").reformat(format=name)
    if suffix in (".mkv", ".mov"):
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 32, 32, name
            container.mux([*stream.encode(given), *stream.encode(None)])
    else:
        context = av.CodecContext.create(codec, "w")
        context.width, context.height, context.pix_fmt = 32, 32, name
        context.time_base = Fraction(1, 25)
        context.options = {"lossless": "1"} if codec == "libwebp" else {}
        path.write_bytes(b"".join(map(bytes, [*context.encode(given), *context.encode(None)])))
    with caplog.at_level(logging.WARNING):
        _, (pixels,) = read(path)
    levels = pixels[0, :, [4, 20, 29], 16] * 255
    np.testing.assert_allclose(levels[0], 0, atol=3)
    np.testing.assert_allclose(levels[1], 200 * 128 / 255, atol=3)
    np.testing.assert_allclose(levels[2], 200, atol=3)
    assert sum("is laid over black" in message for message in caplog.messages) == 1


def test_an_opaque_picture_of_a_kind_that_could_be_transparent_is_nothing_to_speak_of(
    tmp_path, caplog
) -> None:
    write(tmp_path / "a.webp", 8, still=True)
    with caplog.at_level(logging.WARNING):
        _, (pixels,) = read(tmp_path / "a.webp")
    np.testing.assert_array_equal(pixels, noise(8))
    assert not caplog.messages


def test_a_logarithmic_scan_is_named(tmp_path, caplog) -> None:
    write(tmp_path / "seq" / "%04d.dpx", 10)
    path = tmp_path / "seq" / "0001.dpx"
    data = bytearray(path.read_bytes())
    for transfer, words in ((1, "logarithmic"), (2, "linear"), (6, "")):
        data[801] = transfer
        path.write_bytes(data)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            read(path)
        assert (words in caplog.text) if words else not caplog.messages


def test_a_picture_that_is_transparent_later_on_is_said_too(tmp_path, caplog) -> None:
    (tmp_path / "seq").mkdir()
    for number, alpha in enumerate((255, 255, 90, 90)):
        rgba = np.full((16, 16, 4), 200, np.uint8)
        rgba[:, :, 3] = alpha
        context = av.CodecContext.create("png", "w")
        context.width, context.height, context.pix_fmt, context.time_base = 16, 16, "rgba", Fraction(1, 25)
        (packet,) = context.encode(av.VideoFrame.from_ndarray(rgba, format="rgba"))
        (tmp_path / "seq" / f"{number:03}.png").write_bytes(bytes(packet))
    with caplog.at_level(logging.WARNING):
        _, frames = read(tmp_path / "seq")
    assert sum("laid over black" in message for message in caplog.messages) == 1
    np.testing.assert_allclose([pixels.max() * 255 for pixels in frames], [200, 200, 70.6, 70.6], atol=0.1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_and_mirrored_as_its_exif_data_ask(tmp_path, suffix, orientation) -> None:
    blocks = np.random.default_rng(0).integers(0, 255, (4, 6, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {".jpg": {"quality": 98, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)).save(path, exif=exif, **options)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    _, (pixels,) = read(path)
    assert pixels.shape[2:] == upright.shape[:2]
    assert np.abs(pixels[0].transpose(1, 2, 0) * 255 - upright).mean() < 3


def test_exif_data_that_are_damaged_say_nothing_and_harm_nothing(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 7
    noise = np.random.default_rng(1)
    for suffix in (".jpg", ".png", ".tif", ".webp"):
        path = tmp_path / f"a{suffix}"
        Image.new("RGB", (16, 16)).save(path, exif=exif)
        whole = path.read_bytes()
        assert orientation_of(whole) == 7
        for _ in range(300):
            data = bytearray(whole[: noise.integers(1, len(whole) + 1)])
            for place in noise.integers(0, len(data), 3):
                data[place] = noise.integers(0, 256)
            assert orientation_of(bytes(data)) in (None, *range(1, 9))
