"""Tables and plots of what was measured: fills the marked parts of ``README.md`` from ``results/*.json``.

python benchmarks/report.py            # needs matplotlib, of the extra `bench`, and nothing of reel
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
README = HERE / "README.md"

Result = dict[str, Any]


def results(pattern: str) -> list[Result]:
    """Return the results whose names fit, in the order of the names."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{pattern}.json"))]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def provenance(result: Result) -> str:
    """Return one line on what, where, when and under which load a result was measured."""
    machine, versions = result["machine"], result["versions"]
    libraries = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"`{result['command']}`, {result['date'][:16]} UTC, {machine['processor']}, "
        f"{machine['processors']} processors, {machine['memory_gib']} GiB, load {result['load_before']:.1f} "
        f"before and {result['load_after']:.1f} after (of which its own up to {machine['processors']}); "
        f"{libraries}."
    )


def seconds(figures: Result) -> str:
    low, high = figures["spread"]
    return f"{figures['median']:.3g} ({low:.3g} to {high:.3g})"


def contest(result: Result, base: str) -> list[list[str]]:
    """Return a row for each contender."""
    rows: list[list[str]] = []
    for name, figures in result["contenders"].items():
        if "median" not in figures:
            failure = (figures["failure"] or "not run").replace("|", "/")
            rows.append([name, "did not run", "", "", "", "", failure[:160]])
            continue
        far = figures["relative_l2"]
        difference = "other frames" if far == float("inf") else f"{far:.1e}" if far else "reference"
        ratio = "1" if name == base else f"**{figures['times_base']:.2f}**"
        computed = f"{figures['times_base_computed']:.2f}"
        memory = f"{figures['peak_bytes'] / 2**20:.0f}"
        rows.append(
            [name, seconds(figures), ratio, computed, str(len(figures["seconds"])), memory, difference]
        )
    return rows


def networks() -> str:
    parts: list[str] = []
    for result in results("networks-*"):
        width, height = result["size"]
        head = ["", "seconds", "times reel's", "computing", "runs", "peak MiB", "relative L2"]
        parts += [f"### {result['network']}, {width}x{height}", table(head, contest(result, "reel"))]
        parts.append(provenance(result))
    return "\n\n".join(parts)


def chain() -> str:
    parts: list[str] = []
    for result in results("chain"):
        head = ["", "seconds", "times reel-run's", "computing", "runs", "peak MiB", "relative L2"]
        clip = result["clip"]
        width, height = clip["size"]
        parts.append(f"{clip['frames']} frames of {width}x{height}, {' -> '.join(clip['order'])}:")
        parts += [table(head, contest(result, "reel-run")), provenance(result)]
    return "\n\n".join(parts)


def growth() -> str:
    parts: list[str] = []
    for result in results("growth-*"):
        rows = [
            [
                " ".join(point["order"]) or "none",
                str(point["frames"]),
                "x".join(map(str, point["size"])),
                str(point["threads"]),
                f"{point['seconds'] / point['frames']:.3g}",
                f"{point['peak_bytes'] / 2**20:.0f}",
            ]
            for point in result["points"]
        ]
        head = ["networks", "frames", "size", "threads", "seconds a frame", "peak MiB"]
        parts += [table(head, rows), provenance(result)]
    return "\n\n".join(parts)


def startup() -> str:
    parts: list[str] = []
    for result in results("startup"):
        rows = [[f"`{name}`", seconds(found)] for name, found in result["commands"].items()]
        rows += [[f"loading {name}", seconds(found)] for name, found in result["loading"].items()]
        parts += [table(["", "seconds"], rows), provenance(result)]
    return "\n\n".join(parts)


def starters() -> str:
    """Return what each network restores, beside what anybody's player does, and what a frame costs."""
    found = results("starters-*")
    parts: list[str] = []
    for result in (one for one in found if "mean" in one):
        rows = [
            [
                case,
                way,
                *(f"{figures[name]:.2f}" for name in ("rgb", "luma")),
                f"{figures['ssim']:.4f}",
                f"{figures['unsteadiness']:.2f}",
            ]
            for case, ways in result["mean"].items()
            for way, figures in ways.items()
        ]
        head = ["material", "", "PSNR, dB", "of luma", "SSIM", "unsteadiness"]
        parts += [f"### {result['network']}", table(head, rows), provenance(result)]
    if found:
        rows = [
            [
                f"`{one['network']}`",
                f"{one['seconds']['wall']:.3g}",
                f"{one['seconds']['processors']:.3g}",
                f"{one['load_before']:.1f}",
            ]
            for one in found
        ]
        head = ["640x480", "seconds for a frame", "seconds of all processors", "load before"]
        parts.append(table(head, rows))
    return "\n\n".join(parts)


def plot_networks(pyplot: Any) -> None:
    """Bars: how many times reel's time each contender takes."""
    found = results("networks-*")
    if not found:
        return
    figure, axes = pyplot.subplots(len(found), 1, figsize=(7, 1.9 * len(found)), sharex=True, squeeze=False)
    for axis, result in zip(axes[:, 0], found, strict=True):
        ran = {name: one for name, one in result["contenders"].items() if "median" in one}
        ratios = [one["times_base"] for one in ran.values()]
        low = [one["times_base"] - one["times_base_spread"][0] for one in ran.values()]
        high = [one["times_base_spread"][1] - one["times_base"] for one in ran.values()]
        axis.barh(list(ran), ratios, xerr=[low, high], color="#4477aa", ecolor="#222222", height=0.6)
        axis.axvline(1, color="#222222", linewidth=0.8)
        axis.set_title(result["network"], loc="left", fontsize=10)
        axis.invert_yaxis()
    axes[-1, 0].set_xlabel("times reel's time, median and range of the ratios run by run")
    figure.tight_layout()
    figure.savefig(RESULTS / "networks.png", dpi=100)


def plot_growth(pyplot: Any) -> None:
    """Memory over frames, and time and memory over the size of the frame."""
    lines: dict[str, list[Result]] = {}
    for result in results("growth-frames"):
        for point in result["points"]:
            lines.setdefault(" ".join(point["order"]) or "no network", []).append(point)
    sizes = [point for result in results("growth-size") for point in result["points"]]
    if not lines or not sizes:
        return
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4))
    for name, points in lines.items():
        frames, memory = [p["frames"] for p in points], [p["peak_bytes"] / 2**20 for p in points]
        left.plot(frames, memory, "o-", label=name)
    left.set(xscale="log", xlabel="frames of the film", ylabel="peak memory, MiB", ylim=(0, None))
    left.legend()
    pixels = [point["size"][0] * point["size"][1] for point in sizes]
    right.plot(pixels, [point["seconds"] / point["frames"] for point in sizes], "o-", color="#aa3377")
    right.set(xlabel="pixels of a frame", ylabel="seconds a frame", xlim=(0, None), ylim=(0, None))
    figure.tight_layout()
    figure.savefig(RESULTS / "growth.png", dpi=100)


PARTS: dict[str, Callable[[], str]] = {
    "networks": networks,
    "chain": chain,
    "growth": growth,
    "startup": startup,
    "starters": starters,
}


def filled(text: str, name: str, content: str) -> str:
    """Return the text with what lies between the marks of a part replaced.

    Raises:
        ValueError: The text has no such part.
    """
    marks = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marks.search(text):
        raise ValueError(f"{README.name} has no part {name}")
    return marks.sub(lambda found: f"{found[1]}\n{content or 'Not measured yet.'}\n\n{found[2]}", text)


def main() -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    plot_networks(pyplot)
    plot_growth(pyplot)
    text = README.read_text(encoding="utf-8")
    for name, part in PARTS.items():
        text = filled(text, name, part())
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
