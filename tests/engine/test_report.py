"""The report of a run: what it says, that it asks nobody for anything, and how large it can become."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import reel
from PIL import Image
from reel.cli.maps import joined
from reel.cli.options import parser
from reel.cli.run import _settings
from reel.engine import course as course_module
from reel.engine.cadence import Cadence
from reel.engine.course import Course, Look, Observer
from reel.engine.encoding import Encoding
from reel.engine.fields import Field
from reel.engine.frame import Frame
from reel.engine.parity import Parity
from reel.engine.remarks import Remark, Remarks
from reel.engine.report import stills as stills_module
from reel.engine.report.again import command_of
from reel.engine.report.moments import moments
from reel.engine.report.page import clock, facts_of_run, rendered, report_of, write_report
from reel.engine.report.plots import busy_over_time, memory_over_time, speed_over_time
from reel.engine.report.preview_page import _together
from reel.engine.report.stills import LIMIT, MOST, Pair, Still, stills
from reel.engine.settings import Settings
from reel.engine.timings import Part, Timings

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


@pytest.fixture(scope="module")
def film(tmp_path_factory, write_pictures) -> Path:
    """Six numbered pictures of different grey; a film of variable rate would be no different."""
    folder = tmp_path_factory.mktemp("film") / "film"
    write_pictures(folder, [np.full((48, 64, 3), 40 * n + 10, np.uint8) for n in range(6)])
    return folder


@pytest.fixture
def summary(film, tmp_path):
    made = reel.restore(film, tmp_path / "made.mkv", order=(), settings=Settings(rate=Fraction(2)))
    return replace(made, course=replace(made.course, shots=(Fraction(0), Fraction(1), Fraction(2))))


def page_of(summary, **changed) -> Page:
    facts = facts_of_run(summary.plan, summary.settings, summary)
    return Page(rendered(replace(facts, **changed)))


def level(file: bytes) -> int:
    """The mean grey of a picture."""
    return round(float(np.asarray(Image.open(io.BytesIO(file))).mean()))


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


def test_each_shot_is_shown_before_and_after_at_the_same_moment(summary) -> None:
    found = facts_of_run(summary.plan, summary.settings, summary).stills
    assert [still.time for still in found] == [Fraction(1, 2), 1, Fraction(3, 2), Fraction(5, 2)]
    for still, number in zip(found, (1, 2, 3, 5), strict=True):
        assert abs(level(still.whole.before) - (40 * number + 10)) <= 2
        assert abs(level(still.whole.after) - (40 * number + 10)) <= 2


def test_moments_are_those_of_the_film_where_only_a_part_was_done(film, tmp_path) -> None:
    settings = Settings(rate=Fraction(2), start=Fraction(1))
    made = reel.restore(film, tmp_path / "part.mkv", order=(), settings=settings)
    (still,) = stills(made.plan, settings, [Fraction(1, 2)])
    assert still.time == Fraction(3, 2)
    assert abs(level(still.whole.before) - 130) <= 2
    assert abs(level(still.whole.after) - 130) <= 2


def test_stills_of_a_film_that_cannot_be_sought_in_are_the_same(summary, monkeypatch) -> None:
    times = [Fraction(n, 2) for n in (1, 2, 2, 4)]
    usual = stills(summary.plan, summary.settings, times)
    monkeypatch.setattr("reel.engine.stills.Sequence.seekable", False)
    monkeypatch.setattr("reel.engine.stills.Sequence.go_to", None)
    assert stills(summary.plan, summary.settings, times) == usual
    assert len(usual) == 4


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
    # As large as pictures may become, each of them: stills() gives no larger ones, as the next test sees.
    picture = bytes(LIMIT // (4 * len(times)))
    pair = Pair(1280, 960, picture, picture)
    looks = tuple(look(n * 2.0, n, 2**30 + n) for n in range(1200))
    made = replace(summary, course=replace(summary.course, looks=looks, shots=tuple(shots)))
    remarks = tuple(Remark("A sentence on what is wrong. " * 9 + str(n), tuple(shots)) for n in range(200))
    facts = facts_of_run(made.plan, made.settings, made)
    facts = replace(facts, stills=tuple(Still(time, pair, pair) for time in times), remarks=remarks)
    assert 15_000_000 < len(rendered(facts).encode()) < 20_000_000


def test_no_picture_is_larger_than_its_share_whatever_is_in_it(summary, monkeypatch) -> None:
    noise = np.random.default_rng(1).random((1, 3, 900, 1500), np.float32)
    after = replace(summary.plan.after, width=1500, height=900)
    frame = Frame(noise, Fraction(0), Fraction(1))
    monkeypatch.setattr(stills_module, "_frames_at", lambda source, result, times: [(frame, frame)])
    many = [Fraction(n) for n in range(MOST)]
    (still,) = stills(replace(summary.plan, after=after), summary.settings, many)
    pairs = [still.whole, still.detail]
    assert max(len(file) for pair in pairs for file in (pair.before, pair.after)) <= LIMIT // (4 * MOST)
    assert (pairs[0].width, pairs[0].height) == (1280, 768)
    assert (pairs[1].width, pairs[1].height) == (640, 480)


def test_a_detail_is_where_there_is_most_to_see() -> None:
    pixels = np.zeros((1, 3, 1000, 2000), np.float32)
    pixels[..., 640:900, 1250:1700] = np.random.default_rng(2).random((1, 3, 260, 450), np.float32)
    top, left = stills_module._busiest(pixels)
    assert top <= 640
    assert top + 480 >= 900
    assert left <= 1250
    assert left + 640 >= 1700


def test_moments_lie_in_the_middle_of_shots() -> None:
    shots = [Fraction(n) for n in (0, 2, 3, 7, 8)]
    assert moments(shots, Fraction(10), most=9) == [1, Fraction(5, 2), 5, Fraction(15, 2), 9]


def test_one_long_shot_is_looked_at_more_than_once_and_a_short_one_is_not() -> None:
    assert moments([Fraction(0)], Fraction(8), most=9) == [1, 3, 5, 7]
    assert moments([Fraction(0)], Fraction(1, 2), most=9) == [Fraction(1, 4)]
    assert moments([], Fraction(1, 2), most=9) == [Fraction(1, 4)]


def test_of_many_shots_some_are_taken_from_all_over_the_film() -> None:
    taken = moments([Fraction(n) for n in range(100)], Fraction(100), most=10)
    assert taken == [Fraction(20 * n + 1, 2) for n in range(10)]


def look(wall: float, frames: int, memory: int | None = None, busy: float = 0.5) -> Look:
    """A look at a run whose only network is busy half of the time."""
    parts = tuple(
        Part(name, share * wall, (1 - share) * wall)
        for name, share in (("decode", 0.1), ("networks", busy), ("encode", 1.0))
    )
    return Look(frames, memory, Timings(wall, parts, (("edvr", busy * wall),)))


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """The points of the lines of a plot."""
    paths = re.findall(r'<path [^>]*d="([^"]+)"', svg)
    return [
        [(float(x), float(y)) for x, y in re.findall(r"[ML] ([\d.E-]+) ([\d.E-]+)", path)] for path in paths
    ]


def test_plots_show_what_was_seen_as_the_run_went_on() -> None:
    looks = [look(0, 0, 2**20), look(1, 2, 2**21), look(2, 6, 2**22), look(4, 6, 2**22)]
    speed, memory, busy = speed_over_time(looks), memory_over_time(looks), busy_over_time(looks)
    assert speed is not None
    assert memory is not None
    assert busy is not None
    assert speed.told == "Frames per second: from 0 to 4, at the end 0."
    points = lines(speed.svg)[0]
    assert [x for x, _ in points[1::2][:-1]] == [x for x, _ in points[2::2]]  # stairs
    (slow, fast, still) = (y for _, y in points[::2])
    assert fast < slow < still  # downwards
    assert (still - slow) * 2 == pytest.approx(still - fast, abs=0.1)
    assert memory.told == "Memory in MiB: from 1 to 4, at the end 4."
    assert busy.told.endswith("on the average decode 10%, edvr 50%, encode 100%.")
    assert len(lines(busy.svg)) == 3
    slow = speed_over_time([look(0, 0), look(1000, 1), look(2000, 7)])
    assert slow is not None
    ticks = re.findall(r">(0\.0[^<]*)</text>", slow.svg)
    assert len(ticks) > 2
    assert ticks == sorted(set(ticks))


def test_a_run_of_one_look_has_no_plots_and_of_two_a_level_line() -> None:
    assert speed_over_time([look(0, 0)]) is None
    assert memory_over_time([look(0, 0), look(1, 1)]) is None
    plot = speed_over_time([look(0, 0), look(2, 3)])
    assert plot is not None
    ((left, height), (right, same)) = lines(plot.svg)[0]
    assert left < right
    assert height == same


def test_a_plot_takes_its_colours_from_the_page() -> None:
    plot = busy_over_time([look(0, 0), look(1, 2), look(2, 6)])
    assert plot is not None
    assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', plot.svg)) <= {
        "none",
        *(f"var(--{name})" for name in ("ink", "soft", "line", "plot-0", "plot-1", "plot-2")),
    }
    assert "http" not in plot.svg


def test_a_run_is_looked_at_no_more_often_than_a_plot_can_use(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(course_module.time, "monotonic", lambda: now[0])
    looked: list[float] = []

    def timings() -> Timings:
        looked.append(now[0])
        return look(now[0], 0).timings

    observer = Observer(timings)
    observer.begin([])
    frame = Frame(np.zeros((1, 3, 2, 2), np.float32), Fraction(0), Fraction(1))
    for _ in range(40_000):
        now[0] += 0.25
        observer.wrote(frame)
    course = observer.end("cpu", ())
    assert len(looked) < 4000
    assert 500 <= len(course.looks) <= 1200
    walls = [seen.timings.wall for seen in course.looks]
    assert walls == sorted(walls)
    assert walls[0] == 0
    assert max(b - a for a, b in pairwise(walls)) <= 16 * 2


def test_shots_are_those_of_the_run_and_of_what_an_earlier_one_had_made() -> None:
    pixels = np.zeros((1, 3, 2, 2), np.float32)
    observer = Observer(lambda: look(1, 0).timings)
    observer.begin([Fraction(0), Fraction(3)])
    for time in (5, 6, 7):
        observer.wrote(Frame(pixels, Fraction(time), Fraction(1), cut=time == 6))
    assert observer.end("cpu", ()).shots == (0, 3, 6)


def test_a_film_in_which_no_cut_was_looked_for_is_one_shot() -> None:
    pixels = np.zeros((1, 3, 2, 2), np.float32)
    observer = Observer(lambda: look(1, 0).timings)
    observer.begin([])
    for time in (5, 6, 7):
        observer.wrote(Frame(pixels, Fraction(time), Fraction(1)))
    assert observer.end("cpu", ()).shots == (5,)


def test_warnings_are_kept_once_with_their_times_in_the_film() -> None:
    from reel.engine.damage import Damage

    with Remarks((Remark("Said before."),)) as remarks:
        damage = Damage(Path("film.mkv"))
        for time in (2, 5, 9):
            damage.note("is broken", Fraction(time), "why")
        damage.tell()
        damage.tell()
    damage.note("is said too late", Fraction(1))
    first, second, third = remarks.kept
    assert first == Remark("Said before.")
    assert second == Remark("In film.mkv at 2.000 seconds is broken (why).", (Fraction(2),))
    assert third.times == (2, 5, 9)


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

    class Step:
        def __init__(self, name: str) -> None:
            self.network = network_named(name)
            self.artifact = type("Artifact", (), {"folder": Path("/my store") / name / "fp32-1"})

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


def test_the_time_of_several_samples_is_told_together() -> None:
    both = _together([look(2, 0).timings, look(10, 0, busy=0.25).timings])
    assert both.wall == 12
    assert [(part.name, part.busy, part.waiting) for part in both.parts] == [
        ("decode", pytest.approx(1.2), pytest.approx(10.8)),
        ("networks", 3.5, 8.5),
        ("encode", 12, 0),
    ]
    assert both.stages == (("edvr", 3.5),)


def test_a_course_of_nothing_has_no_plots(summary) -> None:
    nothing = Course("cpu", (), (), ())
    made = replace(summary, course=nothing, kept=summary.frames)
    assert page_of(made).all("svg") == []
