"""What tests of several parts share."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av import CodecContext, VideoFrame


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands that tests start, also where these tests run in the background.

    A shell then has Ctrl-C ignored, and whoever is started by it inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the comparisons with Paddle, which take as long as all others."""
    items.sort(key=lambda item: "parity" not in item.path.parts)


# Comparisons that run in Paddle alone, and take minutes: beside the others.
_WITHOUT_EXPORTS = ("test_dain_depth_golden.py", "test_dain_depth_operators.py", "test_starters.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Keep the comparisons with Paddle in one process, since they share their networks.

    xdist 3.8 has marks for that, which pytest 9.2 does not let it read.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            if "parity/" not in file:
                return nodeid
            return file if file.endswith(_WITHOUT_EXPORTS) else "parity"

    return Scheduling(config, log)


@pytest.fixture
def put_in_table(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Put a line, cells by the heads of their columns, into a table that is printed at the end."""

    def put(title: str, cells: dict[str, str]) -> None:
        record_property("line of a table", (title, cells))

    return put


def pytest_terminal_summary(terminalreporter: Any) -> None:
    # What a test records comes here with its report, also from another process.
    tables: dict[str, list[dict[str, str]]] = {}
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        for name, value in getattr(report, "user_properties", ()) if _is_outcome(report) else ():
            if name == "line of a table":
                tables.setdefault(value[0], []).append(value[1])
    for title, lines in tables.items():
        terminalreporter.section(title)
        widths = {
            head: max(len(line[head]) for line in [*lines, {h: h for h in lines[0]}]) for head in lines[0]
        }
        for line in [{head: head for head in widths}, *sorted(lines, key=lambda line: [*line.values()][:2])]:
            terminalreporter.write_line(
                "  ".join(line[head].ljust(width) for head, width in widths.items()).rstrip()
            )


def _is_outcome(report: Any) -> bool:
    return getattr(report, "when", None) == "call"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Give a folder of the material that is too large for the repository, or skip the test without it.

    It lies in ``../shared`` or where ``REEL_SHARED`` says.
    """
    root = Path(os.environ.get("REEL_SHARED") or Path(__file__).resolve().parents[2] / "shared")

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"needs {root / name}")
        return root / name

    return folder


@pytest.fixture(scope="session")
def clips(shared: Callable[[str], Path]) -> Path:
    """The folder of real clips; tests that need it are skipped without it."""
    return shared("data/clips")


@pytest.fixture(scope="session")
def write_pictures() -> Callable[..., None]:
    """Write pictures [H, W, 3] uint8 as numbered PNG files into a folder."""

    def write(folder: Path, pictures: Sequence[np.ndarray], *, first: int = 1, digits: int = 6) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures, start=first):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            encoder = CodecContext.create("png", "w")
            encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "rgb24"
            encoder.time_base = Fraction(1, 25)
            (packet,) = encoder.encode(frame)
            (folder / f"{number:0{digits}d}.png").write_bytes(bytes(packet))

    return write


@pytest.fixture(scope="session")
def read_pictures() -> Callable[[Path | str], list[np.ndarray]]:
    """Read every PNG file of a folder, in the order of names, as [H, W, 3] uint8."""

    def read(folder: Path | str) -> list[np.ndarray]:
        pictures: list[np.ndarray] = []
        for path in sorted(Path(folder).glob("*.png")):
            with av.open(str(path)) as container:
                pictures += [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return pictures

    return read


@pytest.fixture
def fake_tensorrt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let TensorRT, here and in commands that are started, be the fake of a version, or one with a fault."""
    fakes = str(Path(__file__).parent / "fakes")
    monkeypatch.setenv("PYTHONPATH", f"{fakes}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.syspath_prepend(fakes)

    def become(version: str = "10.16.1.11", wrong: str = "") -> None:
        monkeypatch.setenv("REEL_FAKE_TENSORRT", f"{version} {wrong}")
        for name in ("tensorrt", "tensorrt_bindings"):
            monkeypatch.delitem(sys.modules, name, raising=False)

    return become
