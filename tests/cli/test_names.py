"""Photos, pictures by number, and whatever people call their files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def film(make_film, pictures) -> Path:
    return make_film("film.mp4", pictures(3))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp", ".jpg"])
def test_a_photo_gives_a_photo_without_interpolation(
    reel_run, write_pictures, read_pictures, pictures, tmp_path, suffix: str
) -> None:
    write_pictures(tmp_path, pictures(1))
    (tmp_path / "000001.png").rename(tmp_path / "photo.png")
    if suffix != ".png":
        assert reel_run(tmp_path / "photo.png", "-o", tmp_path / f"photo{suffix}", "--order").code == 0
    outcome = reel_run(tmp_path / f"photo{suffix}", "--render-factor", "2")
    assert outcome.code == 0, outcome.err
    assert outcome.out == f"{tmp_path / 'photo.restored'}{suffix}\n"
    said = [line for line in outcome.err.splitlines() if line.startswith("warning: ")]
    about_dain = "warning: dain is left out: there is nothing to interpolate in a single picture."
    assert said == [about_dain]  # once
    assert "64x48 -> deoldify -> edvr -> 256x192\n" in outcome.err
    result = reel_run(tmp_path / f"photo.restored{suffix}", "-o", tmp_path / "seen/%d.png", "--order")
    assert result.code == 0
    (seen,) = read_pictures(tmp_path / "seen")
    assert seen.shape == (192, 256, 3)


@pytest.mark.parametrize("source", ["in", "in/", "in/%06d.png", "in/%d.png"])
@pytest.mark.parametrize("output", ["out/", "out/%06d.png", "out/frame-%03d.png", "out", None])
def test_pictures_pass_through_an_empty_order_bit_for_bit(
    reel_run, write_pictures, read_pictures, tmp_path, source: str, output: str | None
) -> None:
    random = np.random.default_rng(3)
    given = [random.integers(0, 256, (47, 65, 3), np.uint8) for _ in range(3)]
    write_pictures(tmp_path / "in", given)
    place = [] if output is None else ["-o", f"{tmp_path}/{output}"]
    outcome = reel_run(f"{tmp_path}/{source}", *place, "--order")
    assert outcome.code == 0, outcome.err
    found = read_pictures(tmp_path / ("in.restored" if output is None else "out"))
    assert len(found) == 3
    for before, after in zip(given, found, strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_folder_one_stands_in_can_be_named_by_a_dot(
    reel_run, write_pictures, pictures, tmp_path, monkeypatch
) -> None:
    write_pictures(tmp_path / "in/deep", pictures(1))
    write_pictures(tmp_path / "in", pictures(2))
    monkeypatch.chdir(tmp_path / "in/deep")
    for given, made in ((".", "in/deep.restored"), ("..", "in.restored"), ("%06d.png", "in/deep.restored")):
        outcome = reel_run(given, "--order", "-y")
        assert outcome.code == 0, outcome.err
        assert outcome.out == f"{tmp_path / made / '%06d.png'}\n"
        assert len(list((tmp_path / made).iterdir())) == (2 if given == ".." else 1)


def test_pictures_become_a_film_of_the_rate_given(reel_run, write_pictures, pictures, tmp_path) -> None:
    write_pictures(tmp_path / "in", pictures(3))
    outcome = reel_run(tmp_path / "in", "-o", tmp_path / "out.mp4", "--rate", "18", "--order", "dain")
    assert "64x48, 18 fps -> dain -> 64x48, 36 fps" in outcome.err
    assert outcome.code == 0


@pytest.mark.parametrize(
    "name",
    [
        "a film with spaces.mp4",
        ".hidden.mp4",
        "two.dots..mp4",
        "UPPER.MP4",
        'it\'s "quoted" `here`.mp4',
        "$HOME & co; rm *.mp4",
        "100% [1].mp4",
        "back\\slash.mp4",
        "12:30.mp4",
        "concat:film.mp4",
        "http:film.mp4",
        "a#b?c=d.mp4",
        "line\nbreak.mp4",
        "Über Élise 映画 🎞.mp4",
        "-film.mp4",
        "--order.mp4",
    ],
)
def test_a_film_may_be_called_anything(reel_run, film, tmp_path, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    film.rename(tmp_path / name)
    outcome = reel_run("--order", "dain", "--", name)
    assert outcome.code == 0, outcome.err
    output = tmp_path / f"{Path(name).stem}.restored{Path(name).suffix}"
    assert (tmp_path / outcome.out.removesuffix("\n")).samefile(output)
    again = reel_run(f"./{name}", "-o", f"./new {name}", "--order")
    assert again.code == 0, again.err
    assert (tmp_path / f"new {name}").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {name, output.name, f"new {name}"}


def test_a_name_that_is_no_text_is_handed_through(film, tmp_path, tiny_store) -> None:
    """As written by systems of before UTF-8: the bytes of the name come out as they went in."""
    name = b"caf\xe9.mp4"
    (tmp_path / os.fsdecode(name)).write_bytes(film.read_bytes())
    program = [sys.executable, "-m", "reel.cli.run", "--store", str(tiny_store), "--order", name]
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}  # as in most locales, but not in C
    result = subprocess.run(program, cwd=tmp_path, env=strict, capture_output=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == b"caf\xe9.restored.mp4\n"
    assert (tmp_path / os.fsdecode(b"caf\xe9.restored.mp4")).is_file()
