"""What a run says of itself at its end."""

import json
from fractions import Fraction

import pytest


@pytest.fixture
def film(make_film, pictures):
    return make_film("film.mp4", pictures(6), rate=Fraction(25), sound=0.2)


def test_timings_name_every_part_and_network(reel_run, film, tmp_path):
    outcome = reel_run(film, "-o", tmp_path / "out.mp4", "--order", "dain", "edvr", "--timings")
    assert outcome.code == 0
    lines = outcome.err.splitlines()
    table = lines[next(i for i, line in enumerate(lines) if "busy" in line) + 1 :]
    assert [line.split()[0] for line in table[:-1]] == [
        *("decode", "networks", "analysis", "dain", "edvr", "encode")
    ]
    assert table[-1].endswith("times the busiest part")
    quiet = reel_run(film, "-o", tmp_path / "out2.mp4", "--order", "dain")
    assert "busy" not in quiet.err


def test_a_summary_is_json_that_adds_up(reel_run, film, tmp_path):
    file = tmp_path / "summary.json"
    outcome = reel_run(film, "-o", tmp_path / "out.mp4", "--order", "dain", "edvr-m", "--summary", file)
    assert outcome.code == 0
    facts = json.loads(file.read_text())
    assert (facts["input"], facts["output"]) == (str(film), str(tmp_path / "out.mp4"))
    assert (facts["frames"], facts["frames_kept_from_an_earlier_run"]) == (12, 0)
    assert (facts["width"], facts["height"], facts["rate"]) == (256, 192, "50")
    assert [network["name"] for network in facts["networks"]] == ["dain", "edvr-m"]
    timings = facts["timings"]
    assert sum(timings["stages"].values()) == pytest.approx(timings["networks"]["busy"])
    for part in ("decode", "networks", "encode"):
        assert timings[part]["busy"] + timings[part]["waiting"] == pytest.approx(timings["wall"])
        assert timings[part]["busy"] > 0
    assert timings["wall"] <= facts["seconds"]
    assert facts["peak_memory"] > 2**20


def test_a_summary_that_could_not_be_written_is_refused_before_the_work(failure, film, untouched, tmp_path):
    what, _ = failure("reel-run", film, "-o", untouched / "out.mp4", "--summary", tmp_path / "no" / "s.json")
    assert "s.json cannot be written" in what
