"""What compares contenders compares fairly, and the tables say what the results say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def contest(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import contest

    monkeypatch.setattr(contest, "PAUSE", 0.0)
    return contest


@pytest.fixture
def report(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import report

    monkeypatch.setattr(report, "RESULTS", tmp_path)
    return report


@pytest.fixture
def contender(contest, tmp_path):
    """Write a contender whose run is a line of Python, and which notes each run in a file."""

    def make(name, line="", *, output="np.ones(3)", runs=None):
        script = tmp_path / f"{name}.py"
        script.write_text(
            f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
            "import numpy as np, time\nfrom pathlib import Path\nfrom serving import serve\n"
            f"def run():\n    with open({str(tmp_path / 'turns')!r}, 'a') as f: f.write({name!r} + ' ')\n"
            f"    __import__('os').write(1, b'a library prints'); {line or 'pass'}\n    return {output}\n"
            "serve(lambda: run, Path(sys.argv[1]))\n"
        )
        return contest.Contender(name, (sys.executable, str(script)), runs)

    return make


def test_contenders_take_turns_after_each_has_run_once(contest, contender, tmp_path):
    measured = contest.hold([contender("a"), contender("b", runs=2)], tmp_path, rounds=3, seconds=60)
    assert (tmp_path / "turns").read_text().split() == ["a", "b", "a", "b", "a", "b", "a"]
    assert [len(measured[name].seconds) for name in "ab"] == [3, 2]
    assert all(one.peak_bytes > 1e6 and one.load_seconds >= 0 for one in measured.values())


def test_time_waited_and_time_computed_are_told_apart(contest, contender, tmp_path):
    sleeper = contender("sleeper", "time.sleep(0.3)")
    (found,) = contest.hold([sleeper], tmp_path, rounds=1, seconds=60).values()
    assert found.seconds[0] >= 0.3
    assert 0 <= found.processor_seconds[0] < 0.2


def test_no_round_is_begun_after_the_time_but_for_the_first_three(contest, contender, tmp_path):
    (found,) = contest.hold([contender("a")], tmp_path, rounds=9, seconds=0).values()
    assert len(found.seconds) == 3


def test_a_contender_that_fails_is_reported_and_stops_nobody(contest, contender, tmp_path):
    entrants = [
        contender("broken", "raise ValueError('no kernel')"),
        contender("dead", "__import__('os')._exit(3)"),
    ]
    measured = contest.hold([*entrants, contender("a")], tmp_path, rounds=1, seconds=60)
    assert measured["broken"].failure == "ValueError: no kernel"
    assert "exit status 3" in measured["dead"].failure
    assert len(measured["a"].seconds) == 1
    assert measured["a"].relative_l2 == 0  # of those that work, the first is the reference


def test_outputs_are_compared_with_those_of_the_first(contest, contender, tmp_path):
    entrants = [contender("a"), contender("b", output="np.full(3, 1.5)"), contender("c", output="np.ones(4)")]
    measured = contest.hold(entrants, tmp_path, rounds=1, seconds=60)
    assert [measured[name].relative_l2 for name in "abc"] == [0, pytest.approx(0.5), np.inf]


def test_a_ratio_is_the_median_of_the_ratios_of_each_turn(contest):
    base = contest.Measured(seconds=[1.0, 10.0, 2.0], processor_seconds=[1.0, 1.0, 1.0])
    slower = contest.Measured(seconds=[2.0, 20.0, 8.0], processor_seconds=[3.0, 3.0, 4.0])
    figures = contest.summary({"base": base, "slower": slower}, base="base")["slower"]
    assert figures["times_base"] == 2.0  # where that of the medians would be 4
    assert figures["times_base_spread"] == [2.0, 4.0]
    assert figures["times_base_computed"] == 3.0
    assert (figures["median"], figures["spread"]) == (8.0, [2.0, 20.0])


def test_the_marked_part_of_the_page_is_replaced_and_the_rest_kept(report):
    text = "before\n<!-- chain -->\n\nold\n\n<!-- end -->\nafter <!-- end -->\n"
    assert report.filled(text, "chain", "new") == text.replace("old", "new")
    assert report.filled(text, "chain", "") == text.replace("old", "Not measured yet.")
    with pytest.raises(ValueError, match="growth"):
        report.filled(text, "growth", "new")


def test_the_page_has_every_part_that_the_report_fills(report):
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    for name in report.PARTS:
        assert "\nnew\n" in report.filled(page, name, "new")


def test_what_is_restored_stands_beside_what_any_player_does(report, tmp_path):
    figures = {"rgb": 30.125, "luma": 31.5, "ssim": 0.91234, "unsteadiness": 1.5}
    head = {
        "date": "2026-01-01T00:00:00",
        "command": "c",
        "load_before": 0.5,
        "load_after": 1,
        "versions": {},
    }
    head |= {"machine": {"processor": "p", "processors": 2, "memory_gib": 4}, "mean": {}}
    seconds = {"wall": 2.125, "processors": 4.0, "frames": 6}
    made = {"network": "edvr-s", "mean": {"worn": {"bicubic": figures, "edvr-s": figures | {"rgb": 31.0}}}}
    for name, result in (("edvr-s", made), ("edvr", {"network": "edvr"})):
        written = {**head, "seconds": seconds, **result}
        if name == "edvr":
            del written["mean"]  # on random weights it is only timed
        (tmp_path / f"starters-{name}.json").write_text(json.dumps(written))
    text = report.starters()
    assert "| worn | bicubic | 30.12 | 31.50 | 0.9123 | 1.50 |\n| worn | edvr-s | 31.00 |" in text
    assert "| `edvr` | 2.12 | 4 | 0.5 |" in text
    assert text.count("### ") == 1


def test_the_tables_show_what_failed(report, contest):
    measured = {"a": contest.Measured([1.0], [1.0], peak_bytes=2**20, relative_l2=0.0)}
    measured["b"] = contest.Measured(failure="a|b")
    result = {"contenders": contest.summary(measured, base="a")}
    first, second = report.contest(result, "a")
    assert first == ["a", "1 (1 to 1)", "1", "1.00", "1", "1", "reference"]
    assert (second[:2], second[-1]) == (["b", "did not run"], "a/b")
