"""What both commands do at a terminal: messages, errors, exit codes, progress."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import TextIOWrapper
from types import TracebackType
from typing import Any, NoReturn, Self

from tqdm import tqdm

from ..errors import ReelError
from .times import clock

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_PLAIN_INTERVAL = 10.0  # seconds between lines where there is no terminal to redraw


class Grammar(argparse.ArgumentParser):
    """A command line whose errors look like all others: one sentence, one remedy."""

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ").rstrip(".")
        complain(f"{text[:1].upper()}{text[1:]}.", f"`{self.prog} --help` shows what there is.")
        self.exit(USAGE)


class _Messages(logging.Handler):
    """Writes warnings above a progress bar instead of through it, each text once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._written: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        if text not in self._written:  # a film is opened twice, to plan and to run
            self._written.add(text)
            tqdm.write(text, file=sys.stderr)


@contextmanager
def messages() -> Generator[None]:
    """Show reel's warnings on the terminal while inside."""
    logger = logging.getLogger("reel")
    handler = _Messages()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def exit_code(
    command: Callable[[], int],
    *,
    interrupted: str | Callable[[], str],
    failed: Callable[[], str | None] = lambda: None,
) -> int:
    """Run a command and turn its errors into one sentence, one remedy and an exit code.

    Args:
        command: Returns an exit code.
        interrupted: What to say after Ctrl-C or SIGTERM.
        failed: What to say before an error, if anything.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be text
    try:
        with messages(), _stopped_by_signals():
            return command()
    except KeyboardInterrupt:
        print(interrupted if isinstance(interrupted, str) else interrupted(), file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone
        return FAILED
    except (ReelError, OSError, MemoryError) as error:
        kept = failed()
        if kept:
            print(kept, file=sys.stderr)
        complain(*explained(error))
        return FAILED


def explained(error: ReelError | OSError | MemoryError) -> tuple[str, str]:
    """Return a sentence on what is wrong and one on what to do."""
    if isinstance(error, ReelError):
        return error.message, error.remedy
    if isinstance(error, OSError):  # from looking at a path, before anything of it is opened
        what = f"{error.filename} cannot be used" if error.filename else "The system refused"
        return f"{what}: {error.strerror or error}.", "Check the path and its permissions."
    return "There is not enough memory.", "Close other programs, or take a smaller film."


@contextmanager
def _stopped_by_signals() -> Generator[None]:
    """Stop cleanly on Ctrl-C, and on SIGTERM, which systems send at shutdown; at once on the second."""
    asked = False

    def stop(*_: object) -> NoReturn:
        nonlocal asked
        if asked:  # What is finished is safe at any moment; the rest is not waited for.
            os.write(2, b"\nStopped at once.\n")
            os._exit(INTERRUPTED)
        asked = True
        raise KeyboardInterrupt

    # Who runs a command in the background may have told it to ignore Ctrl-C.
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def complain(what: str, remedy: str) -> None:
    """Print an error: a sentence on what is wrong and one on what to do."""
    print(f"error: {what}\n       {remedy}", file=sys.stderr)


class ProgressDisplay:
    """A bar with speed and time left on a terminal, a plain line now and then elsewhere.

    Args:
        description: What goes on, a word or two.
        data: Whether bytes are counted, and not frames.
    """

    def __init__(self, description: str, *, data: bool = False) -> None:
        self._description = description
        self._data = data
        self._bar: Any = None
        self._first: tuple[int, float] | None = None  # count and time of the first call
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, count: int, total: int | None) -> None:
        """Show that ``count`` of ``total`` are done."""
        now = time.monotonic()
        self._first = self._first or (count, now)
        if sys.stderr.isatty():
            self._redraw(count, total)
        elif now - self._last >= _PLAIN_INTERVAL or count == total:
            self._last = now
            print(f"{self._description}: {self._state(count, total)}", file=sys.stderr, flush=True)

    def _redraw(self, count: int, total: int | None) -> None:
        if self._bar is None:
            self._bar = tqdm(dynamic_ncols=True, file=sys.stderr)
        bar = "{percentage:3.0f}%|{bar}| " if total else ""
        self._bar.bar_format = f"{self._description} {bar}{self._state(count, total)}"
        self._bar.total = total if total is None else max(total, count)
        self._bar.update(count - self._bar.n)

    def _state(self, count: int, total: int | None) -> str:
        """Return how much is done, how fast since the first call, and what time that leaves."""
        number, per_second = ("{:.1f}", "MB/s") if self._data else ("{:.0f}", "fps")
        scale = 1e6 if self._data else 1
        done = "/".join(number.format(part / scale) for part in (count, total) if part is not None)
        parts = [f"{done} {'MB' if self._data else 'frames'}"]
        first, began = self._first or (count, self._last)
        passed = time.monotonic() - began
        if count > first and passed > 0:
            speed = (count - first) / passed
            parts.append(f"{speed / scale:.2f} {per_second}")
            if total and count < total:
                parts.append(f"{clock((total - count) / speed)} left")
        return ", ".join(parts)
