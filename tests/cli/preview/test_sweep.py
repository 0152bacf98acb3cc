"""A film tried with several settings, beside each other on one sheet."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def cells(sheet: Path, columns: int) -> list[np.ndarray]:
    """Return the mean colour of each column of a sheet of one row, left to right."""
    picture = np.asarray(Image.open(sheet).convert("RGB"), np.float32)
    edges = np.linspace(0, picture.shape[1], columns + 1).round().astype(int)
    bottom = picture.shape[0] - 20
    return [
        picture[bottom - 60 : bottom, left + 30 : right - 30].mean((0, 1)) for left, right in pairwise(edges)
    ]


def test_a_sheet_has_a_column_for_each_setting_after_the_film_as_it_is(facts, film, tmp_path) -> None:
    said = facts(
        *(film, "--render-factor", "2", "--samples", "1x0.3s", "--start", "1.2", "--end", "2.8"),
        *("--sweep", "order=deoldify,deoldify+edvr-m,"),
    )
    assert [each["label"] for each in said["settings"]] == [
        *("order=deoldify", "order=deoldify+edvr-m", "order=none")
    ]
    assert [each["runs"][0]["width"] for each in said["settings"]] == [64, 256, 64]
    before, tinted, larger, plain = cells(Path(said["sheet"]), 4)
    assert np.ptp(before) < 4
    assert np.ptp(plain) < 4
    assert tinted[0] - tinted[2] > 30
    assert larger[0] - larger[2] > 30
    assert abs(before.mean() - plain.mean()) < 4
    folder = Path(said["preview"])
    assert {"sample-1.order=deoldify+edvr-m.mp4", "sample-1.order=none.mp4"} <= {
        f.name for f in folder.iterdir()
    }


def test_several_sweeps_give_every_combination(facts, film, tmp_path) -> None:
    said = facts(
        *(film, "--order", "dain", "--samples", "1x0.3s"),
        *("--sweep", "times=2,3", "--sweep", "crf=1,40"),
    )
    assert [each["label"] for each in said["settings"]] == [
        *("times=2, crf=1", "times=2, crf=40", "times=3, crf=1", "times=3, crf=40")
    ]
    assert [each["runs"][0]["rate"] for each in said["settings"]] == ["20", "20", "30", "30"]
    fine, coarse = (
        (tmp_path / f"film.preview/sample-1.times=2,crf={crf}.mp4").stat().st_size for crf in (1, 40)
    )
    assert fine > coarse + 300  # most of both is what a container takes


def test_what_is_between_frames_is_shown_where_frames_are_made(facts, make_film, tmp_path) -> None:
    shades = [np.full((48, 64, 3), value, np.uint8) for value in (0, 255) * 6]
    for shade in shades:
        shade[:, 32:] = 255 - shade[:, 32:]  # no frame is empty
    film = make_film("film.mp4", shades)
    said = facts(film, "--sweep", "order=dain,", "--cuts", "off", "--samples", "1x9s")
    before, between, plain = cells(Path(said["sheet"]), 3)
    picture = np.asarray(Image.open(said["sheet"]).convert("L"), np.float32)
    column = picture[-60:-20, picture.shape[1] // 3 + 30 : 2 * picture.shape[1] // 3 - 30]
    assert column.std() < 3  # the mean of a frame and its negative
    assert before.mean() == pytest.approx(plain.mean(), abs=4)
    assert between.mean() == pytest.approx(127, abs=6)


def test_settings_for_a_photo_can_be_compared(facts, write_pictures, pictures, tmp_path) -> None:
    write_pictures(tmp_path, pictures(1))
    (tmp_path / "000001.png").rename(tmp_path / "photo.png")
    said = facts(tmp_path / "photo.png", "--order", "deoldify", "--sweep", "render_factor=1,2")
    names = {path.name for path in (tmp_path / "photo.preview").iterdir()}
    assert {"sample-1.render_factor=1.png", "sample-1.render_factor=2.png", "sheet.png"} <= names
    before, *tinted = cells(Path(said["sheet"]), 3)
    assert np.ptp(before) < 4
    assert all(tint[0] - tint[2] > 30 for tint in tinted)


def test_the_film_may_stand_after_the_networks_and_after_a_sweep(facts, film) -> None:
    for words in (
        ["--samples", "1x0.2s", "--sweep", "crf=3,30", "--order", "deoldify", film],
        ["--samples", "1x0.2s", "--order", "dain", film, "--sweep", "order=deoldify,edvr-m", "-y"],
    ):
        said = facts(*words, "--render-factor", "1")
        assert said["input"] == str(film)
        assert [len(each["runs"][0]["networks"]) for each in said["settings"]] == [1, 1]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--sweep", "render_factor=0,20"], "'0' is not a whole number above 0"),
        (["--sweep", "crf=16,99"], "'99' is not a quality"),
        (["--sweep", "fps=24,fast"], "'fast' is not a frame rate"),
        (["--sweep", "order=dain+deoldify,dian"], "no network called 'dian'"),
        (["--sweep", "cuts=auto,on"], "choice: 'on'"),
        (["--sweep", "fps=25,50", "--times", "2"], "not allowed with"),
        (["--sweep", "times=2", "--sweep", "fps=50"], "not allowed with"),
        (["--sweep", "sharpen=1,2"], "'sharpen' is no setting; there are "),
        (["--sweep", "start=1,2"], "'start' is no setting"),
        (["--sweep", "artistic=1"], "--artistic takes no value"),
        (["--sweep", "crf"], "give crf=VALUE,VALUE"),
        (["--sweep", "crf=16,,18"], "names no values"),
        (["--sweep", "crf=1,2,3,4", "--sweep", "times=2,3,4,5"], "16 settings to try are too many"),
        (["--preview", "--samples", "3"], "give 3x1s"),
        (["--preview", "--samples", "0x1s"], "give 3x1s"),
        (["--preview", "--samples", "3x0s"], "give 3x1s"),
        (["--samples", "3x1s"], "of use with --preview or --sweep"),
    ],
)
def test_what_makes_no_sense_to_try_is_a_usage_error(reel_run, options: list[str], word: str) -> None:
    outcome = reel_run("film.mp4", *options)
    assert outcome.code == 2
    what, _ = outcome.error
    assert word in what


def test_progress_counts_the_frames_of_all_samples(reel_run, film) -> None:
    outcome = reel_run(film, "--samples", "2x0.5s", "--sweep", "order=dain,", "--times", "2")
    last = [line for line in outcome.err.splitlines() if line.startswith("previewing")][-1]
    assert last.startswith("previewing: 30/30 frames")
