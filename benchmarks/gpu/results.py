"""What is known of a run, kept as JSON from stage to stage, and the short table of it.

Needs the standard library alone, since it goes along.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Result = dict[str, Any]

FILE = "results.json"

DONE, CUT_OFF, FAILED, LEFT_OUT = "done", "cut off", "failed", "left out"

SETTLED = (DONE, CUT_OFF, FAILED)
"""States in which a stage is not run again: what it would tell is known."""


class Results:
    """The results of one pack on one machine, in a file that is whole at any moment.

    Args:
        path: The file. One of another pack, device or GPU is put aside, and a new one is begun.
        of: What the results belong to; compared with what the file says.
    """

    def __init__(self, path: Path, of: Mapping[str, Any]) -> None:
        self._path = path
        self.facts: Result = {"of": dict(of), "stages": {}}
        if path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found.get("of") == dict(of):
                self.facts = found
            else:
                path.replace(path.with_suffix(".other.json"))

    @property
    def stages(self) -> dict[str, Result]:
        """What is known of each stage, by its name."""
        return self.facts["stages"]

    def is_settled(self, stage: str) -> bool:
        """Tell whether a stage needs not be run again."""
        return self.stages.get(stage, {}).get("state") in SETTLED

    def note(self, stage: str, **fields: Any) -> None:
        """Write down what is known of a stage now, in the place of what was known before."""
        self.stages[stage] = fields
        self.save()

    def save(self) -> None:
        """Write the file."""
        (partial := self._path.with_suffix(".partial")).write_text(
            json.dumps(self.facts, indent=1) + "\n", encoding="utf-8"
        )
        partial.replace(self._path)


def table(facts: Result) -> str:
    """Return what was measured, in few lines; what failed, with its reason."""
    stages: dict[str, Result] = facts["stages"]
    parts = [_head(facts), _peak(stages), _networks(facts, stages), _films(stages), _others(stages)]
    return "\n\n".join(part for part in parts if part)


def _head(facts: Result) -> str:
    gpu = facts.get("gpu") or {}
    name = gpu.get("name", "no NVIDIA GPU")
    rehearsed = "REHEARSAL: no figure of this means anything\n" if facts["of"].get("rehearse") else ""
    driver = f", driver {gpu['driver_version']}" if "driver_version" in gpu else ""
    return f"{rehearsed}{name}{driver}, device {facts['of'].get('device')}, pack {facts['of'].get('pack')}"


def _of(stages: Mapping[str, Result], name: str) -> Result:
    return stages.get(name, {}).get("result") or {}


def peak_of(stages: Mapping[str, Result]) -> float | None:
    """Return the largest measured rate of a matrix product in float16, TFLOP/s; None where there is none."""
    rates = [_of(stages, name).get("fp16_teraflops") for name in ("peak", "peak in PyTorch")]
    return max((rate for rate in rates if rate), default=None)


def _peak(stages: Mapping[str, Result]) -> str:
    peak, copies = peak_of(stages), _of(stages, "peak").get("copies", {})
    words = [f"matrix product in float16: {peak:.0f} TFLOP/s"] if peak else []
    words += [f"copy {way}: {rate:.1f} GB/s" for way, rate in copies.items()]
    return ", ".join(words)


def _networks(facts: Result, stages: Mapping[str, Result]) -> str:
    sizes: list[str] = facts.get("sizes", [])
    head = ["", "relative L2", "allowed", "right", *(f"fps {size}" for size in sizes), "of peak"]
    head += ["MiB", "engines s"]
    rows = [_row(name, stage, sizes, peak_of(stages)) for name, stage in stages.items() if "|" in name]
    return _aligned([head, *rows]) if rows else ""


def _row(name: str, stage: Result, sizes: Sequence[str], peak: float | None) -> list[str]:
    result: Result = stage.get("result") or {}
    check: Result = result.get("check", {})
    right = {True: "yes", False: "NO", None: ""}[check.get("right")]
    row = [name.replace("|", " ")]
    row += [f"{check['relative_l2']:.1e}", f"{check['allowed']:.0e}", right] if check else ["", "", ""]
    speed: dict[str, Result] = result.get("speed", {})
    fixed = speed.get("any")  # DeOldify looks at a square, whatever the film
    found = [speed.get(size, fixed) for size in sizes]
    row += [f"{one['frames_per_second']:.3g}" if one else "" for one in found]
    shares = [one["teraflops"] / peak for one in found if one and one.get("teraflops") and peak]
    row.append(f"{max(shares):.1%}" if shares else "")
    row.append(f"{result['memory_mib']:.0f}" if result.get("memory_mib") else "")
    row.append(f"{result['engines']['seconds']:.0f}" if "engines" in result else "")
    if stage["state"] != DONE:
        row[-1] = f"{row[-1]} {stage['state']}{_reason(stage)}".strip()
    return row


def _films(stages: Mapping[str, Result]) -> str:
    lines: list[str] = []
    for name, stage in stages.items():
        result: Result = stage.get("result") or {}
        if name.startswith("film ") and "frames_per_second" in result:
            busy = f", GPU busy {result['busy']:.0%}" if result.get("busy") is not None else ""
            ended = "" if stage["state"] == DONE else f" ({stage['state']})"
            lines.append(
                f"{name}: {result['frames_per_second']:.3g} frames/s over {result['frames']} frames, a "
                f"minute of film in {result['seconds_for_a_minute']:.0f} s{busy}{ended}"
            )
    return "\n".join(lines)


def _others(stages: Mapping[str, Result]) -> str:
    lines: list[str] = []
    for name, stage in stages.items():
        line = (stage.get("result") or {}).get("line")
        if line:
            lines.append(f"{name}: {line}{'' if stage['state'] == DONE else _reason(stage)}")
        elif stage["state"] != DONE and "|" not in name:
            lines.append(f"{name}: {stage['state']}{_reason(stage)}")
    return "\n".join(lines)


def _reason(stage: Result) -> str:
    why = stage.get("why")
    return f" ({why[:160]})" if why else ""


def _aligned(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
