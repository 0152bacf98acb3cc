"""The page of a preview adds up what its samples took."""

from __future__ import annotations

import pytest
from reel.engine.report.preview_page import _together
from reel.tests.engine.report.looks import look


def test_the_time_of_several_samples_is_told_together() -> None:
    both = _together([look(2, 0).timings, look(10, 0, busy=0.25).timings])
    assert both.wall == 12
    assert [(part.name, part.busy, part.waiting) for part in both.parts] == [
        ("decode", pytest.approx(1.2), pytest.approx(10.8)),
        ("networks", 3.5, 8.5),
        ("encode", 12, 0),
    ]
    assert both.stages == (("edvr", 3.5),)
