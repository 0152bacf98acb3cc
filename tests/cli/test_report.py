"""Reports of runs, by --report."""

from __future__ import annotations

import html
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest


@pytest.fixture
def film(make_film, pictures) -> Path:
    """Two shots that differ, a second each."""
    shots = [*pictures(25, seed=1), *(255 - picture for picture in pictures(25, seed=9))]
    return make_film("film.mp4", shots, rate=Fraction(25))


def told(page: Path) -> str:
    """What a page says, without its pictures and marks."""
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(text))


def test_a_report_lies_beside_the_result_and_tells_of_the_run(reel_run, film, tmp_path) -> None:
    outcome = reel_run(film, "--report", "--order", "dain", "edvr-m", "--crf", "20")
    assert outcome.code == 0, outcome.err
    page = tmp_path / "film.restored.report.html"
    assert outcome.out == f"{tmp_path / 'film.restored.mp4'}\n"
    assert f"report: {page}" in outcome.err
    said = told(page)
    assert "film.mp4, restored" in said
    assert "64×48 → 256×192" in said
    assert "25 fps → 50 fps" in said
    assert "Frames 100" in said
    assert "A picture from each shot." in said
    # A moment from each half of each shot.
    assert re.findall(r"At (0:00:0\d\.\d)", said) == ["0:00:00.3", "0:00:00.8", "0:00:01.3", "0:00:01.8"]
    for part in ("decode", "dain", "edvr-m", "encode"):
        assert re.search(rf" {part} \d+\.\d\d \d+\.\d\d \d+% ", said), part
    assert "0" * 64 in said
    assert f"reel-run {film} -o {tmp_path}/film.restored.mp4 --order dain edvr-m --times 2 --crf 20" in said
    assert "--crf 20" in said
    assert "onnxruntime" in said
    assert "REHEARSAL" not in said


def test_a_rehearsal_is_said_loudly(reel_run, film, tmp_path, rehearsal_store) -> None:
    page = tmp_path / "page.html"
    assert reel_run("--report", page, film, "--order", "edvr-m", store=rehearsal_store).code == 0
    assert "REHEARSAL: edvr-m ran on random weights, so the pictures mean nothing." in told(page)
    assert "REHEARSAL: random weights" in told(page)


def test_a_report_of_a_run_that_goes_on_is_of_all_of_the_film(
    reel_run, film, tmp_path, stopped_after
) -> None:
    with stopped_after(69):
        assert reel_run(film, "--order", "dain", "--report").code == 130
    assert not (tmp_path / "film.restored.report.html").exists()
    assert ", after " in reel_run(film, "--order", "dain", "--report").err
    said = told(tmp_path / "film.restored.report.html")
    kept = int(re.findall(r"An earlier run had made (\d+) frames", said)[0])
    assert 0 < kept < 70
    assert "Frames 100" in said
    assert re.findall(r"At (0:00:0\d\.\d)", said) == ["0:00:00.3", "0:00:00.8", "0:00:01.3", "0:00:01.8"]


def test_warnings_are_told_with_their_times(reel_run, pictures, tmp_path) -> None:
    film, packets = tmp_path / "broken.mkv", []
    with av.open(str(film), "w") as container:
        stream = container.add_stream("mjpeg", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for picture in pictures(20):
            packets += stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24"))
            container.mux(packets[-1:])
    data = film.read_bytes()
    for number in (5, 11):
        data = data.replace(bytes(packets[number]), bytes(packets[number].size))
    film.write_bytes(data)
    outcome = reel_run(film, "--order", "--report")
    warnings = re.findall(r"warning: (In .*)", outcome.err)
    assert len(warnings) == 2
    said = told(tmp_path / "broken.restored.report.html")
    assert all(said.count(warning) == 1 for warning in warnings)
    assert f"{warnings[0]} (in the film at 0:00:00.2)" in said
    assert f"{warnings[1]} (in the film at 0:00:00.2, 0:00:00.4)" in said


def test_pictures_and_a_photo_have_reports_too(reel_run, write_pictures, pictures, tmp_path) -> None:
    write_pictures(tmp_path / "scans", pictures(3))
    assert reel_run(tmp_path / "scans", "--order", "dain", "--report").code == 0
    assert "Frames 6" in told(tmp_path / "scans.restored.report.html")
    photo = tmp_path / "scans" / "000002.png"
    place = tmp_path / "big.png"
    assert reel_run(photo, "--order", "edvr-m", "-o", place, "--report").code == 0
    assert "64×48 → 256×192" in told(tmp_path / "big.report.html")


def test_several_films_have_a_report_each_and_none_together(reel_run, failure, make_film, pictures, tmp_path):
    films = [make_film(f"{name}.mp4", pictures(3)) for name in ("a", "b")]
    what, _ = failure("reel-run", *films, "--order", "--report", tmp_path / "all.html")
    assert what == f"{tmp_path / 'all.html'} is one report for several films."
    assert sorted(tmp_path.iterdir()) == films
    assert reel_run(*films, "--order", "--report").code == 0
    for name in ("a", "b"):
        assert f"{name}.mp4, restored" in told(tmp_path / f"{name}.restored.report.html")


def test_a_report_that_could_not_be_written_is_refused_before_the_run(reel_run, failure, film, tmp_path):
    outcome = reel_run(film, "--order", "--report=film.mp4")
    assert outcome.code == 2
    assert "no place for a report" in outcome.err
    what, remedy = failure("reel-run", film, "--order", "--report", tmp_path / "none" / "page.html")
    assert what == f"{tmp_path / 'none' / 'page.html'} cannot be written."
    assert remedy == "Name another file with --report."
    assert list(tmp_path.iterdir()) == [film]


def test_a_report_that_fails_leaves_the_result_and_says_so(reel_run, film, tmp_path, monkeypatch) -> None:
    from reel.errors import OutputError

    def failing(*_: object) -> None:
        raise OutputError("The disk is full.", "Make room.")

    monkeypatch.setattr("reel.engine.report.page.write_report", failing)
    outcome = reel_run(film, "--order", "--report")
    assert outcome.code == 1
    place = tmp_path / "film.restored.mp4"
    assert outcome.error == (f"There is {place}, but no report of it: The disk is full.", "Make room.")
    assert place.exists()


def test_a_dry_run_writes_neither_report_nor_comparison(reel_run, film, tmp_path) -> None:
    assert reel_run(film, "--order", "--report", "--compare", "--dry-run").code == 0
    assert list(tmp_path.iterdir()) == [film]


def test_the_pictures_of_a_report_are_those_of_the_film(reel_run, make_film, tmp_path) -> None:
    import base64
    import io

    from PIL import Image

    shades = [np.full((48, 64, 3), 20 + 4 * n, np.uint8) for n in range(50)]
    film = make_film("film.mkv", shades, rate=Fraction(25), codec="ffv1")
    assert reel_run(film, "--order", "--report", "--start", "0.4").code == 0
    page = (tmp_path / "film.restored.report.html").read_text(encoding="utf-8")
    files = [base64.b64decode(data) for data in re.findall(r"data:image/jpeg;base64,([\w+/=]+)", page)]
    levels = [float(np.asarray(Image.open(io.BytesIO(file))).mean()) for file in files]
    moments = [float(time) for time in re.findall(r"At 0:00:0(\d\.\d)<", page)]
    assert len(levels) == 2 * len(moments) == 4
    for moment, after, before in zip(moments, levels[::2], levels[1::2], strict=True):
        assert abs(before - (20 + 100 * moment)) < 7  # a moment is told to a tenth of a second
        assert abs(after - before) < 2


def test_a_preview_has_one_report_of_all_its_samples_and_settings(reel_run, film, tmp_path) -> None:
    words = ["--order", "deoldify", "--samples", "2x0.2s"]
    outcome = reel_run(film, *words, "--sweep", "render-factor=2,3")
    assert outcome.code == 0, outcome.err
    page = tmp_path / "film.preview" / "report.html"
    assert f"report: {page}" in outcome.err
    said = told(page)
    assert "film.mp4, tried" in said
    assert "2 samples of the film, with 2 settings each." in said
    captions = re.findall(r"<figcaption>At (0:00:0[\d.]+), ([^<]+)</figcaption>", page.read_text())
    assert len(captions) == 4
    assert len({time for time, _ in captions}) == 2
    assert [re.findall(r"\d", words)[0] for _, words in captions] == ["2", "3", "2", "3"]
    for factor in (2, 3):
        # What makes all of the film with that, and what that would take.
        assert re.search(rf"reel-run {film} -o \S+ --order deoldify --render-factor {factor} ", said)
        assert re.search(rf"All of it with \S+{factor} 0:00:\d\d\.\d, \d", said)
    assert re.search(r" deoldify \d+\.\d\d \d+\.\d\d \d+% ", said)


def test_the_report_of_a_preview_lies_where_it_is_asked_for(
    reel_run, film, tmp_path, rehearsal_store
) -> None:
    words = ["--order", "edvr-m", "--preview", "--samples", "1x0.1s", "--report", tmp_path / "page.html"]
    assert reel_run(film, *words, store=rehearsal_store).code == 0
    said = told(tmp_path / "page.html")
    assert "A sample of the film. Move" in said
    assert "REHEARSAL: edvr-m ran on random weights" in said
    assert not (tmp_path / "film.preview" / "report.html").exists()


def test_each_picture_of_a_preview_stands_over_its_own_setting(reel_run, film, tmp_path) -> None:
    assert reel_run(film, "--order", "--samples", "2x0.1s", "--sweep", "size=96p,48p").code == 0
    page = (tmp_path / "film.preview" / "report.html").read_text(encoding="utf-8")
    shown = re.findall(r"style=\"width: (\d+)px|<figcaption>At \S+ size=(\d+p)", page)
    assert [width or size for width, size in shown] == ["128", "96p", "64", "48p"] * 2
