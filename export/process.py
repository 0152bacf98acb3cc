"""A piece of work in a process of its own: what it is asked, what it says meanwhile, and what came of it.

Of its own because Paddle, its converter and TensorRT may end the process that they are in, let nobody
interrupt them, and keep the memory that they took.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import errors
from ..errors import ExportError, ReelError

_REQUEST, _RESULT, _LOG = "request.json", "result.json", "worker.log"

_FULL = 2**20
"""Bytes; a disk with less room than this is full. The smallest graph is larger."""

_KILLED = -9
"""Exit status of a process that got SIGKILL, which systems send when memory runs out."""

Said = dict[str, Any]
"""A line of JSON that the process has written."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        result: What it wrote last; empty where it did not get there, or found no room.
        status: Its exit status.
        last_words: The last lines that it or its libraries wrote to standard error.
    """

    result: Said
    status: int
    last_words: str


def run_apart(command: Sequence[str], request: Any, folder: Path, heard: Callable[[Said], None]) -> Ended:
    """Run a command that calls ``answer``, and wait for its end; it is killed if anything is raised here.

    Args:
        command: It is given the path of the request.
        request: Anything that JSON can hold.
        folder: Where the request lies, and what the process writes.
        heard: Called with everything that the process says.
    """
    (folder / _REQUEST).write_text(json.dumps(request))
    with (
        (folder / _LOG).open("w") as stderr,
        subprocess.Popen(
            [*command, str(folder / _REQUEST)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if said := _json(line):
                    heard(said)
        except BaseException:
            process.kill()
            raise
    lines = (folder / _LOG).read_text(errors="replace").strip().splitlines()
    last_words = " / ".join(line.strip() for line in lines[-3:])[-600:].rstrip(".")
    try:
        result = _json((folder / _RESULT).read_text())
    except (OSError, UnicodeDecodeError):
        result = {}
    return Ended(result, process.returncode, last_words or "it said nothing")


def failure(ended: Ended, folder: Path, *, what: str, remedy: str) -> ReelError:
    """Return the error of a process that did not do what it was asked.

    Args:
        folder: As in ``run_apart``, inside the store.
        what: What it was doing, to begin a sentence with.
        remedy: Where it says nothing of its own.
    """
    # First: Paddle, the converter and ONNX Runtime each report a full disk as something else.
    if shutil.disk_usage(folder).free < _FULL:
        return ExportError(
            f"{what} did not get to its end: the disk of {folder.parent} is full.",
            "Make room, or choose another folder with --store.",
        )
    if "error" in ended.result:
        kind: type[ReelError] = getattr(errors, ended.result["error"])
        return kind(ended.result["message"], ended.result["remedy"])
    if ended.status == _KILLED:
        return ExportError(
            f"{what} was killed by the system, as when memory runs out.",
            "Close other programs and run it again.",
        )
    return ExportError(f"{what} ended early (exit status {ended.status}): {ended.last_words}.", remedy)


def answer(work: Callable[[Any, Path], Said]) -> int:
    """Do what the process was asked for, and write what came of it; the exit status of the process.

    Args:
        work: Given the request and the folder; what it returns is the result, and so is a ReelError.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # the libraries warn of themselves; the parent keeps a log
    request = Path(sys.argv[1])
    try:
        result = work(json.loads(request.read_text()), request.parent)
    except ReelError as error:
        result = {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}
    except OSError as error:
        result = {
            "error": "ExportError",
            "message": f"The export could not write to the store: {error.strerror or error}.",
            "remedy": "Free some space, or choose another folder with --store.",
        }
    (request.parent / _RESULT).write_text(json.dumps(result))
    return 0


def say(**facts: Any) -> None:
    """Tell the process that asked, by a line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, be it by SIGKILL, and its pipe with it."""
    os.read(0, 1)  # not through sys.stdin, whose lock would be held when Python ends
    os._exit(1)


def _json(text: str) -> Said:
    """Return the JSON object that a text is; an empty one where a library wrote it."""
    with suppress(ValueError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    return {}
