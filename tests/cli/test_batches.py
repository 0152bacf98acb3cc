"""Several films at once: each gets its result, one that fails stops no other, and the code says so."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from reel.cli import batch

FAST = ("--order", "--preset", "ultrafast")


@pytest.fixture
def films(tmp_path: Path):
    """Write small films with these names into a folder; a name with ``noise`` in it is no film."""

    def write(*names: str) -> list[Path]:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if "noise" in name:
                path.write_bytes(np.random.default_rng(0).bytes(5000))
                continue
            with av.open(str(path), "w") as film:
                stream = film.add_stream("mpeg4", rate=25)
                stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
                for number in range(4):
                    picture = av.VideoFrame(32, 16, "yuv420p")
                    for plane in picture.planes:
                        plane.update(bytes([40 * number]) * plane.buffer_size)
                    picture.pts, picture.time_base = number, Fraction(1, 25)
                    film.mux(stream.encode(picture))
                film.mux(stream.encode(None))
        return [tmp_path / name for name in names]

    return write


def count(path: Path) -> int:
    with av.open(str(path)) as film:
        return sum(1 for _ in film.decode(video=0))


def test_several_films_go_into_one_folder(reel_run, films, tmp_path: Path) -> None:
    a, b = films("a.mp4", "b.avi")
    outcome = reel_run(a, b, "-o", tmp_path / "out", *FAST)
    assert outcome.code == 0
    results = [tmp_path / "out" / "a.restored.mp4", tmp_path / "out" / "b.restored.mkv"]
    assert outcome.out.split() == list(map(str, results))
    assert [count(result) for result in results] == [4, 4]
    assert outcome.err.rstrip().endswith("2 films: 2 restored")


def test_without_an_output_each_result_lies_beside_its_film(reel_run, films) -> None:
    a, b = films("one/a.mp4", "two/b.mp4")
    assert reel_run(*FAST[1:], a, b, "--order").code == 0
    assert count(a.with_name("a.restored.mp4")) == count(b.with_name("b.restored.mp4")) == 4


def test_one_that_fails_stops_no_other_and_is_told_at_the_end(reel_run, films, tmp_path: Path) -> None:
    given = films("a.mp4", "noise.mp4", "b.mp4")
    record = tmp_path / "runs.json"
    outcome = reel_run(*given, tmp_path / "none.mp4", "-o", tmp_path / "out", "--summary", record, *FAST)
    assert outcome.code == 1
    assert len(outcome.out.split()) == 2
    assert "4 films: 2 restored, 2 failed" in outcome.err
    table = outcome.err.splitlines()[-5:-1]
    assert [line.split()[0] for line in table] == ["restored", "failed", "restored", "failed"]
    assert "neither a film nor a photo" in table[1]
    assert "There is no file" in table[3]
    films_told = json.loads(record.read_text())["films"]
    assert [film["state"] for film in films_told] == ["restored", "failed", "restored", "failed"]
    assert films_told[0]["run"]["frames"] == 4
    assert films_told[1]["run"] is None


def test_a_mistake_of_our_own_stops_no_other_either(reel_run, films, monkeypatch, tmp_path: Path) -> None:
    given = films("a.mp4", "b.mp4")
    real = batch.restore_one

    def failing(source: Path, *rest: object) -> object:
        if source.name == "a.mp4":
            raise AssertionError("a mistake")
        return real(source, *rest)

    monkeypatch.setattr(batch, "restore_one", failing)
    outcome = reel_run(*given, *FAST)
    assert outcome.code == 1
    assert "AssertionError: a mistake" in outcome.err
    assert count(tmp_path / "b.restored.mp4") == 4


def test_a_folder_is_one_of_films_if_it_holds_any(reel_run, films, tmp_path, write_pictures) -> None:
    films("reels/b.mp4", "reels/a.mkv", "reels/.hidden.mp4", "reels/old.restored.mp4")
    write_pictures(tmp_path / "reels", [np.zeros((8, 8, 3), np.uint8)])
    outcome = reel_run(tmp_path / "reels", "-o", f"{tmp_path}/out/", *FAST)
    assert outcome.code == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.restored.mkv", "b.restored.mp4"]
    assert "is a folder of 2 films; its 1 pictures are left alone" in outcome.err


def test_a_folder_of_pictures_is_one_film_among_others(reel_run, films, tmp_path, write_pictures) -> None:
    (a,) = films("a.mp4")
    write_pictures(tmp_path / "scans", [np.full((8, 8, 3), 9, np.uint8)] * 3)
    assert reel_run(a, tmp_path / "scans", "-o", tmp_path / "out", "--order").code == 0
    assert len(list((tmp_path / "out" / "scans.restored").iterdir())) == 3
    assert count(tmp_path / "out" / "a.restored.mp4") == 4


def test_what_is_made_is_left_when_the_command_is_given_again(reel_run, films, tmp_path: Path) -> None:
    given = films("a.mp4", "b.mp4")
    assert reel_run(given[0], "-o", tmp_path / "a.restored.mp4", *FAST).code == 0
    before = (tmp_path / "a.restored.mp4").stat().st_mtime_ns
    outcome = reel_run(*given, *FAST)
    assert outcome.code == 0
    assert "2 films: 1 restored, 1 there already" in outcome.err
    assert (tmp_path / "a.restored.mp4").stat().st_mtime_ns == before
    outcome = reel_run(*given, "--overwrite", *FAST)
    assert "2 films: 2 restored" in outcome.err
    assert (tmp_path / "a.restored.mp4").stat().st_mtime_ns != before


def test_a_stop_ends_all_and_the_same_command_goes_on(reel_run, films, monkeypatch, tmp_path: Path) -> None:
    given = films("a.mp4", "b.mp4", "c.mp4")
    real = batch.restore_one

    def stopped(source: Path, *rest: object) -> object:
        if source.name == "b.mp4":
            raise KeyboardInterrupt
        return real(source, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(batch, "restore_one", stopped)
        outcome = reel_run(*given, *FAST)
    assert outcome.code == 130
    assert "3 films: 1 restored, 2 not begun" in outcome.err
    assert not (tmp_path / "c.restored.mp4").exists()
    outcome = reel_run(*given, *FAST)
    assert outcome.code == 0
    assert "3 films: 2 restored, 1 there already" in outcome.err


@pytest.mark.parametrize(
    ("names", "words"), [(("a.avi", "a.ts"), "would both become"), (("a.mp4",), "one file")]
)
def test_results_that_would_take_one_place_are_refused_before_any_is_made(
    failure, films, tmp_path: Path, names, words
) -> None:
    given = films(*names, "b.mp4")
    output = tmp_path / ("out" if "both" in words else "out.mp4")
    what, _ = failure("reel-run", *given, "-o", output, *FAST)
    assert words in what
    assert not output.exists()


def test_films_after_an_order_are_films(reel_run, films) -> None:
    given = films("a.mp4", "b.mp4")
    outcome = reel_run("--order", "dain", *given, "--dry-run")
    assert outcome.code == 0
    assert outcome.err.count("-> dain ->") == 2
    assert not given[0].with_name("a.restored.mp4").exists()
    assert reel_run("--order", "dian", given[0], "--dry-run").code == 2
