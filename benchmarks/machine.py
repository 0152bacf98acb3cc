"""What a figure was measured on, and where its JSON goes."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import reel

RESULTS = Path(__file__).with_name("results")

LIBRARIES = ("paddlepaddle", "ppgan", "onnxruntime", "onnx", "numpy", "av", "openvino", "torch")


def status(field: str) -> int:
    """Return a field of this process's status, KiB; Linux only.

    VmHWM is the largest memory that it had. What ``getrusage`` says of that is, after a fork, at least what
    the process had from which it came.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def facts(libraries: Iterable[str] = LIBRARIES) -> dict[str, Any]:
    """Return machine, versions, command, time and load, for the head of a result."""
    versions: dict[str, str] = {"python": platform.python_version(), "reel": reel.__version__}
    for library in libraries:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    return {
        "machine": {
            "processor": processor(),
            "processors": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": versions,
        "command": command(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": os.getloadavg()[0],
    }


def command() -> str:
    """Return the command that repeats this run, without the paths of this machine."""
    words = ["python", f"benchmarks/{Path(sys.argv[0]).name}"]
    local = iter(sys.argv[1:])
    for word in local:
        if word in ("--store", "--torch-python", "--film", "--json"):
            words += [word, "PATH"]
            next(local)
        else:
            words.append(word)
    return shlex.join(words)


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def keep(name: str, result: dict[str, Any]) -> Path:
    """Write a result as JSON under its name, with the load as it is at the end."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    result["load_after"] = os.getloadavg()[0]
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path
