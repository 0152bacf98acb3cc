"""The command in a report repeats the run."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from reel.cli.maps import joined
from reel.cli.options import parser
from reel.cli.run import _settings
from reel.engine.pixels.parity import Parity
from reel.engine.reading.fields import Field
from reel.engine.report.again import command_of
from reel.engine.runs.settings import Settings
from reel.engine.stages.cadence import Cadence
from reel.engine.writing.encoding import Encoding


@pytest.mark.parametrize(
    "settings",
    [
        Settings(order=()),
        Settings(order=("dain", "deoldify"), cadence=Cadence(factor=Fraction(5, 2)), render_factor=20),
        Settings(
            order=("edvr-m", "dain"),
            cadence=Cadence(rate=Fraction(60000, 1001)),
            cuts=False,
            crop=True,
            parity=Parity.PPGAN,
            field=Field.TFF,
            start=Fraction(3, 10),
            end=Fraction(100, 3),
            tracks=("a:0", "-s"),
            size="2160p",
            encoding=Encoding(codec="hevc", crf=0, preset="slow", pix_fmt="yuv420p10le"),
            memory=2**31,
            work=Path("/big disk"),
            overwrite=True,
            remove_duplicates=True,
        ),
    ],
    ids=["none", "some", "all"],
)
def test_the_command_in_a_report_is_the_same_run(summary, settings: Settings) -> None:
    import shlex

    from reel.models.manifest import network_named
    from reel.models.store import Artifact

    card = None

    class Step:
        def __init__(self, name: str) -> None:
            self.network = network_named(name)
            self.artifact = Artifact(Path("/my store") / name / "fp32-1", card)  # pyright: ignore[reportArgumentType]

    steps = tuple(map(Step, settings.order))
    plan = replace(summary.plan, input=Path("a film.mp4"), steps=steps)  # pyright: ignore[reportArgumentType]
    program, *words = shlex.split(command_of(plan, settings))
    assert program == "reel-run"
    options = parser().parse_intermixed_args(joined(words))
    options.duplicates_option = None
    assert options.sources == ["a film.mp4"]
    assert options.output == str(plan.output)
    assert _settings(options) == settings
    assert options.store == (Path("/my store") if steps else None)
