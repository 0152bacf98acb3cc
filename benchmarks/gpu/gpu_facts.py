"""The GPU, its driver and its clocks as nvidia-smi says, and the machine around it.

Needs the standard library alone, since it goes along.
"""

from __future__ import annotations

import os
import platform
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_FACTS = ("name", "driver_version", "compute_cap", "memory.total", "power.limit")
_CLOCKS = ("clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem", "temperature.gpu", "pstate")
_WATCHED = ("utilization.gpu", "memory.used", "clocks.sm", "power.draw")


def gpu_facts() -> dict[str, str] | None:
    """Return name, driver, memory (MiB), power limit (W) and clocks (MHz) of the first GPU; None: no GPU."""
    return _asked((*_FACTS, *_CLOCKS))


def clocks() -> dict[str, str] | None:
    """Return clocks (MHz), temperature and power state as they are now; None: no GPU."""
    return _asked(_CLOCKS)


def _asked(fields: tuple[str, ...]) -> dict[str, str] | None:
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    first = result.stdout.strip().splitlines()
    values = [value.strip() for value in first[0].split(",")] if first else []
    return dict(zip(fields, values, strict=True)) if len(values) == len(fields) else None


def machine_facts() -> dict[str, Any]:
    """Return the processor, how many of them, memory (GiB) and the system."""
    name = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "processor": name,
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


class Watch:
    """What nvidia-smi sees of the GPU every quarter of a second, while it is entered.

    ``busy`` is the mean share of time in which anything ran on it; ``memory_mib`` the most that was taken.
    None where there is no GPU.
    """

    def __init__(self) -> None:
        self._rows: list[list[float]] = []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        query = f"--query-gpu={','.join(_WATCHED)}"
        command = ["nvidia-smi", query, "--format=csv,noheader,nounits", "--loop-ms=250"]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        except OSError:
            return self
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def forget(self) -> None:
        """Leave out what was seen until now: loading, say."""
        self._rows.clear()

    def facts(self) -> dict[str, float]:
        """Return what was seen: ``busy`` (0 to 1), ``memory_mib``, ``clock_mhz`` and ``power_w``."""
        rows = list(self._rows)
        if not rows:
            return {}
        busy, memory, clock, power = zip(*rows, strict=True)
        return {
            "busy": sum(busy) / len(rows) / 100,
            "memory_mib": max(memory),
            "clock_mhz": sum(clock) / len(rows),
            "power_w": sum(power) / len(rows),
        }

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):
                row = [float(value) for value in line.split(",")]
                if len(row) == len(_WATCHED):
                    self._rows.append(row)
