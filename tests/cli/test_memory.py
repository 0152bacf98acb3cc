"""`--memory`: frames in parts, and the same film."""

import numpy as np


def test_a_film_restored_in_parts_is_the_film_restored_whole(
    reel_run, make_film, pictures, tmp_path, read_pictures
):
    film = make_film("a.mp4", pictures(6))
    chain = ["--order", "dain", "deoldify", "edvr-m", "--render-factor", "2"]
    assert reel_run(film, "-o", f"{tmp_path}/whole/", *chain).code == 0
    outcome = reel_run(film, "-o", f"{tmp_path}/parts/", *chain, "--memory", "1500K")
    assert outcome.code == 0
    whole, parts = read_pictures(tmp_path / "whole"), read_pictures(tmp_path / "parts")
    assert len(whole) == 12
    for expected, found in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_too_little_memory_is_said_and_the_film_restored(reel_run, make_film, pictures, tmp_path, caplog):
    outcome = reel_run(
        make_film("a.mp4", pictures(2)), "-o", tmp_path / "b.mp4", "--order", "edvr", "--memory", "1K"
    )
    assert outcome.code == 0
    assert "edvr needs more than" in outcome.err + caplog.text


def test_what_is_no_size_is_refused(reel_run, tmp_path):
    outcome = reel_run(tmp_path / "a.mp4", "--memory", "much")
    assert outcome.code == 2
    assert "not a size" in outcome.err
