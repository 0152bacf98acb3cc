"""The page of a report: what it says, that it asks nobody for anything, and how large it can become."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
import reel
from reel.engine.remarks import Remark
from reel.engine.report.again import command_of
from reel.engine.report.moments import moments
from reel.engine.report.page import clock, facts_of_run, rendered, report_of, write_report
from reel.engine.report.stills import LIMIT, MOST, Pair, Still
from reel.engine.runs.course import Course
from reel.tests.engine.report.looks import look

STYLE = (files("reel.engine.report") / "templates" / "style.css").read_text()


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(summary, **changed) -> Page:
    facts = facts_of_run(summary.plan, summary.settings, summary)
    return Page(rendered(replace(facts, **changed)))


def test_a_report_is_well_formed_and_names_no_address(summary) -> None:
    page = page_of(summary)
    assert page.open == []
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "poster", "data", "action", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    assert re.findall(r"https?:|//[a-z]|@import|url\(|@font-face", STYLE) == []
    text = rendered(facts_of_run(summary.plan, summary.settings, summary))
    assert re.findall(r"https?:", re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", text)) == []
    (policy,) = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    assert (
        policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    )


def test_who_does_not_see_or_has_no_mouse_is_told_everything(summary) -> None:
    page = page_of(summary)
    assert page.all("html") == [{"lang": "en"}]
    for image in page.all("img"):
        assert "the picture at 0:00:0" in (image["alt"] or "")
    sliders = page.all("input")
    assert len(sliders) == 4
    for slider in sliders:
        assert slider["type"] == "range"
        assert (slider["aria-label"] or "").startswith("Share of the picture that shows the film before")
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    labels = {attributes["aria-labelledby"] for attributes in page.all("section")}
    assert labels <= {attributes.get("id") for attributes in page.all("h2")}
    assert all(svg["aria-hidden"] == "true" for svg in page.all("svg"))
    assert len([figure for figure in page.all("figure") if figure.get("aria-label")]) == len(page.all("svg"))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_differ_enough_to_be_read(scheme: str) -> None:
    light, dark = STYLE.split("prefers-color-scheme: dark", 1)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark))

    def contrast(a: str, b: str) -> float:
        brighter, darker = sorted((luminance(colours[a]), luminance(colours[b])), reverse=True)
        return (brighter + 0.05) / (darker + 0.05)

    for ground in ("ground", "card"):  # WCAG 2.2: 4.5 for text, 3 for what carries meaning
        assert min(contrast(text, ground) for text in ("ink", "soft", "strong")) >= 4.5
        assert min(contrast(f"plot-{n}", ground) for n in range(6)) >= 3
    assert contrast("alarm", "alarm-ground") >= 4.5
    assert contrast("plot-0", "idle") >= 3


def test_names_of_files_are_text_and_nothing_else(summary, tmp_path) -> None:
    name = '<script>alert("1")</script>&amp;.mkv'
    plan = replace(summary.plan, input=tmp_path / name)
    facts = replace(
        facts_of_run(summary.plan, summary.settings, summary),
        title=name,
        command=command_of(plan, summary.settings),
        remarks=(Remark(f"In {name} is something.", (Fraction(5),)),),
    )
    page = Page(rendered(facts))
    assert page.all("script") == []
    assert page.text.count(name) == 4


def test_a_rehearsal_is_said_loudly(summary) -> None:
    assert "REHEARSAL" not in page_of(summary).text
    page = page_of(summary, rehearsal=("edvr",))
    assert "REHEARSAL: edvr ran on random weights, so the pictures mean nothing." in page.text
    assert {"class": "alarm", "role": "alert"} in page.all("p")


def test_a_page_of_a_film_of_hundreds_of_shots_stays_under_twenty_megabytes(summary) -> None:
    shots = [Fraction(n * 7) for n in range(514)]
    times = moments(shots, Fraction(3600), most=MOST)
    assert len(times) == MOST
    # As large as pictures may become, each of them: stills() gives no larger ones, as a test of theirs sees.
    picture = bytes(LIMIT // (4 * len(times)))
    pair = Pair(1280, 960, picture, picture)
    looks = tuple(look(n * 2.0, n, 2**30 + n) for n in range(1200))
    made = replace(summary, course=replace(summary.course, looks=looks, shots=tuple(shots)))
    remarks = tuple(Remark("A sentence on what is wrong. " * 9 + str(n), tuple(shots)) for n in range(200))
    facts = facts_of_run(made.plan, made.settings, made)
    facts = replace(facts, stills=tuple(Still(time, pair, pair) for time in times), remarks=remarks)
    assert 15_000_000 < len(rendered(facts).encode()) < 20_000_000


def test_a_course_of_nothing_has_no_plots(summary) -> None:
    nothing = Course("cpu", (), (), ())
    made = replace(summary, course=nothing, kept=summary.frames)
    assert page_of(made).all("svg") == []


def test_a_report_lies_beside_its_result() -> None:
    assert report_of(Path("a/film.restored.mp4")) == Path("a/film.restored.report.html")
    assert report_of(Path("a/scans.restored/%06d.png")) == Path("a/scans.restored.report.html")


def test_times_are_told_as_clocks_do() -> None:
    assert [clock(time) for time in (0, Fraction(59, 1), 59.96, 3723.45)] == [
        "0:00:00.0",
        "0:00:59.0",
        "0:01:00.0",
        "1:02:03.4",
    ]


def test_a_report_replaces_the_one_before_in_one_step(summary, tmp_path) -> None:
    path = tmp_path / "new" / "report.html"
    for _ in range(2):
        write_report(path, summary.plan, summary.settings, summary)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(reel.ReelError, match="is a folder"):
        write_report(tmp_path / "folder.html", summary.plan, summary.settings, summary)


def test_what_reports_are_made_with_is_not_loaded_without_one(film, tmp_path) -> None:
    words = [str(film), "-o", str(tmp_path / "made.mkv"), "--order"]
    program = (
        f"import sys; from reel.cli.run import main; main({words!r});"
        "print([name for name in ('jinja2', 'leather', 'PIL') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"
