"""The report of a run in a browser: the slider moves, nothing is asked for, nothing is complained of."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import reel
from PIL import Image
from reel.engine.report.page import write_report
from reel.engine.runs.settings import Settings

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


class Browser:
    """Chromium with one page, spoken to through two pipes in its own words (Chrome DevTools Protocol)."""

    def __init__(self, program: str, folder: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._number = 0
        self._session: str | None = None
        hear, self._say = os.pipe()
        self._hear, say = os.pipe()
        words = [program, *QUIET, f"--user-data-dir={folder}", "about:blank"]
        # It hears on 3 and says on 4.
        script = f'exec "$@" 3<&{hear} 4>&{say}'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *words], pass_fds=(hear, say), stderr=subprocess.DEVNULL
        )
        os.close(hear)
        os.close(say)
        self._heard = b""

    def __enter__(self) -> Self:
        pages = self.ask("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in pages if target["type"] == "page")
        self._session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._say)
        self._process.kill()
        self._process.wait()
        os.close(self._hear)

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._say, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._number:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    def run(self, script: str) -> Any:
        return self.ask("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def show(self, path: Path, *, width: int, height: int = 900, scheme: str = "light") -> None:
        phone = width < 600
        sizes = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.ask("Emulation.setDeviceMetricsOverride", **sizes)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def picture(self) -> np.ndarray:
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._heard:
            more = os.read(self._hear, 1 << 16)
            assert more, "the browser is gone"
            self._heard += more
        said, _, self._heard = self._heard.partition(b"\0")
        return json.loads(said)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Generator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    with Browser(program, tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory, write_pictures) -> Path:
    """A report of a photo's enlargement, from grey to grey with a border, so that both are told apart."""
    folder = tmp_path_factory.mktemp("report")
    grey = np.full((96, 128, 3), 90, np.uint8)
    write_pictures(folder / "film", [grey + np.uint8(n) for n in range(8)])
    settings = Settings(rate=Fraction(4), order=(), size="320x240")
    made = reel.restore(folder / "film", folder / "film.mkv", settings=settings)
    write_report(folder / "report.html", made.plan, settings, made)
    return folder / "report.html"


@contextmanager
def silent(browser: Browser) -> Generator[None]:
    """See that a page asks for nothing but itself, and that nobody complains."""
    yield
    browser.run("1")  # what has been said until now is heard
    asked = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    others = [address for address in asked if not address.startswith("data:")]
    assert [address[:5] for address in others] == ["file:"], others
    complaints = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
    assert [event for event in browser.events if event.get("method") in complaints] == []


STAGE = "document.querySelector('.reel-stage')"
SLIDER = f"{STAGE}.querySelector('input')"


def shown_share(browser: Browser) -> str:
    """How much of a picture is cut off from before."""
    return browser.run(f"getComputedStyle({STAGE}.querySelector('.reel-before')).clipPath")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_is_shown_whole_and_asks_for_nothing(
    browser: Browser, report: Path, width: int, scheme: str
) -> None:
    with silent(browser):
        browser.show(report, width=width, scheme=scheme)
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("[...document.images].every(image => image.complete && image.naturalWidth)")
        assert browser.run("document.querySelectorAll('.plots svg').length") >= 3
    ground = browser.picture()[2, 2]
    assert (ground.mean() > 200) == (scheme == "light")
    text = browser.run("getComputedStyle(document.querySelector('.plots text')).fill")
    assert (sum(map(int, text[4:-1].split(","))) < 400) == (scheme == "light")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_slider_follows_a_finger_or_mouse(browser: Browser, report: Path, width: int) -> None:
    with silent(browser):
        browser.show(report, width=width)
        browser.run(f"{STAGE}.scrollIntoView({{block: 'center'}})")
        left, top, wide, high = browser.run(
            f"(box => [box.left, box.top, box.width, box.height])({STAGE}.getBoundingClientRect())"
        )
        for share in (0.2, 0.9):
            where = {"x": left + share * wide, "y": top + high / 2, "button": "left", "clickCount": 1}
            for kind in ("mousePressed", "mouseReleased"):
                browser.ask("Input.dispatchMouseEvent", type=kind, **where)
            value = float(browser.run(f"{SLIDER}.value"))
            assert abs(value - 100 * share) <= 2
            assert shown_share(browser) == f"inset(0px {100 - value:g}% 0px 0px)"
            assert browser.run(f"{SLIDER}.getAttribute('aria-valuetext')") == f"{value:g} percent before"


def test_the_slider_follows_the_keyboard(browser: Browser, report: Path) -> None:
    def press(key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            browser.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    with silent(browser):
        browser.show(report, width=1280)
        press("Tab", 9)  # to the link that skips to the pictures
        press("Tab", 9)
        assert browser.run(f"document.activeElement === {SLIDER}")
        press("ArrowRight", 39)
        assert shown_share(browser) == "inset(0px 49% 0px 0px)"
        press("Home", 36)
        assert shown_share(browser) == "inset(0px 100% 0px 0px)"
        assert browser.run(f"getComputedStyle({STAGE}).outlineStyle") == "solid"


def test_what_a_page_does_wrong_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    for wrong in ("<img src='http://127.0.0.1:9/x.png'>", "<script>console.error('no')</script>"):
        page.write_text(f"<!DOCTYPE html><title>wrong</title>{wrong}")
        with pytest.raises(AssertionError), silent(browser):
            browser.show(page, width=800)


def test_a_page_is_not_allowed_to_ask(browser: Browser, report: Path, tmp_path: Path) -> None:
    text = report.read_text().replace("</main>", "<img src='http://127.0.0.1:9/x.png'></main>")
    page = tmp_path / "tampered.html"
    page.write_text(text)
    browser.show(page, width=800)
    browser.run("1")
    assert any(
        event.get("method") == "Log.entryAdded"
        and "Content Security Policy" in event["params"]["entry"]["text"]
        for event in browser.events
    )
