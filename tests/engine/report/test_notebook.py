"""What a notebook shows of a run."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reel
from reel.engine.report import notebook
from reel.engine.runs.settings import Settings
from reel.engine.writing.encoding import Encoding


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, write_pictures) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "film"
    write_pictures(folder, [np.full((48, 64, 3), 20 * n + 40, np.uint8) for n in range(8)])
    return folder


def address(html: str) -> str:
    (found,) = re.findall(r'<video [^>]*src="([^"]+)"', html)
    return found


def test_a_run_shows_a_slider_and_its_film(pictures, tmp_path) -> None:
    made = reel.restore(pictures, tmp_path / "made.mp4", order=())
    html = made._repr_html_()
    assert html.count('type="range"') >= 1
    assert 'class="reel-before"' in html
    head, _, data = address(html).partition(",")
    assert head == "data:video/mp4;base64"
    assert base64.b64decode(data) == (tmp_path / "made.mp4").read_bytes()
    assert "8 frames in " in html
    assert "REHEARSAL" not in html


def test_a_large_film_is_named_as_the_notebook_reaches_it(pictures, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(notebook, "_EMBEDDED", 10)
    made = reel.restore(pictures, tmp_path / "a b" / "made.mp4", order=())
    monkeypatch.chdir(tmp_path)
    assert address(made._repr_html_()) == "a%20b/made.mp4"
    monkeypatch.chdir(pictures)
    assert address(made._repr_html_()) == (tmp_path / "a b" / "made.mp4").as_uri()


@pytest.mark.parametrize("name", ["made.mkv", "made.mp4"])
def test_a_film_that_no_browser_plays_is_not_offered_to_one(pictures, tmp_path, name: str) -> None:
    settings = Settings(encoding=Encoding(pix_fmt="yuv444p"))
    html = reel.restore(pictures, tmp_path / name, order=(), settings=settings)._repr_html_()
    assert "<video" not in html
    assert "Browsers do not play films of this kind" in html
    assert str(tmp_path / name) in html


def test_pictures_and_a_photo_are_shown_without_a_film(pictures, tmp_path) -> None:
    for source, place in ((pictures, f"{tmp_path}/out/"), (pictures / "000001.png", tmp_path / "one.png")):
        html = reel.restore(source, place, order=())._repr_html_()
        assert 'type="range"' in html
        assert "<video" not in html
        assert "Browsers" not in html


def test_importing_reel_and_restoring_load_nothing_that_only_a_notebook_needs(pictures, tmp_path) -> None:
    words = f"{str(pictures)!r}, {str(tmp_path / 'made.mkv')!r}, order=()"
    program = (
        f"import sys, reel; made = reel.restore({words}); repr(made);"
        "print([name for name in ('jinja2', 'leather', 'PIL') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


def test_restore_writes_a_comparison_and_a_report_where_they_are_asked_for(pictures, tmp_path) -> None:
    place = tmp_path / "made.mkv"
    reel.restore(pictures, place, order=(), compare="side", report=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "made.compare.mkv",
        "made.mkv",
        "made.report.html",
    ]
    place.unlink()
    with pytest.raises(reel.ReelError, match=r"compare\.mkv is there already"):
        reel.restore(pictures, place, order=(), compare="wipe")
    assert not place.exists()
    with pytest.raises(reel.ReelError, match="Give side or wipe"):
        reel.restore(pictures, place, order=(), compare="diagonal")
    reel.restore(pictures, place, order=(), report=tmp_path / "other.html")
    assert (tmp_path / "other.html").stat().st_size > 10_000
