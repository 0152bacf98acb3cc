"""What both commands do at a terminal: messages, errors, exit codes, progress."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from io import TextIOWrapper
from types import TracebackType
from typing import Any, NoReturn, Self

from tqdm import tqdm

from ..engine.remarks import SHOWN
from ..errors import ReelError
from .times import clock

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_PLAIN_INTERVAL, _PLAIN_LONGEST = 10.0, 300.0  # seconds between lines where there is no terminal to redraw
_NARROWEST_BAR = 4  # columns; in fewer it shows nothing
_PERCENT = "{percentage:3.0f}%"  # as tqdm fills it in
_LATELY, _LATELY_FRAMES = 60.0, 32  # what a speed is taken from: so many seconds, and so many frames at least
_FIRST = 2  # calls, that at the start among them, from which no time left is foretold


class Grammar(argparse.ArgumentParser):
    """A command line whose errors look like all others: one sentence, one remedy."""

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ").rstrip(".")
        complain(f"{text[:1].upper()}{text[1:]}.", f"`{self.prog} --help` shows what there is.")
        self.exit(USAGE)


class _Messages(logging.Handler):
    """Writes warnings above a progress bar instead of through it, each text once; and what is to be shown."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._written: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            text = f"{record.levelname.lower()}: {record.getMessage()}"
        elif getattr(record, SHOWN, False):
            text = record.getMessage()
        else:
            return
        if text not in self._written:  # a film is opened twice, to plan and to run
            self._written.add(text)
            tqdm.write(text, file=sys.stderr)


@contextmanager
def messages() -> Generator[None]:
    """Show reel's warnings on the terminal while inside."""
    logger = logging.getLogger("reel")
    handler, level = _Messages(), logger.level
    logger.addHandler(handler)
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


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
        self._pace = Pace()
        self._shot: int | None = None
        self._began = self._last = time.monotonic()

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
        self._pace.note(count, now)
        if sys.stderr.isatty():
            self._redraw(count, total)
        elif now - self._last >= _plain_interval(now - self._began) or count == total:
            self._last = now
            line = ", ".join(self._parts(count, total))
            print(f"{self._description}: {line}", file=sys.stderr, flush=True)

    def shot(self, number: int) -> None:
        """Show from the next call on that the frames are of this shot of the film."""
        self._shot = number

    def _redraw(self, count: int, total: int | None) -> None:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # 0: it does not know
        line, most = self._line(count, total, columns), total if total is None else max(total, count)
        if self._bar is None:
            self._bar = tqdm(initial=count, total=most, bar_format=line, dynamic_ncols=True, file=sys.stderr)
        self._bar.bar_format = line
        self._bar.total = most
        self._bar.update(count - self._bar.n)

    def _line(self, count: int, total: int | None, columns: int) -> str:
        """Return the fullest form of a line that fits: what is least missed goes first."""
        percent = _PERCENT if total else ""
        bar = f"{percent}|{{bar}}| " if total else ""
        done, *rest = self._parts(count, total, shot=False)
        state = ", ".join([done, *rest])
        count_of, count_alone = done.partition(" ")[0], done.partition("/")[0]
        shot = [f"shot {self._shot}, "] if self._shot is not None else []
        forms = [
            *(f"{self._description} {bar}{words}{state}" for words in [*shot, ""]),
            *(f"{bar}{words}{state}" for words in [*shot, ""]),
            *(f"{percent} {', '.join([brief, *rest])}".strip() for brief in (count_of, count_alone)),
            f"{percent} {rest[-1] if rest else count_alone}".strip(),
        ]
        return next((form for form in forms if _least_width(form) < columns), forms[-1])

    def _parts(self, count: int, total: int | None, *, shot: bool = True) -> list[str]:
        """Return where the work is, how much is done, how fast, and what time that leaves."""
        number, per_second = ("{:.1f}", "MB/s") if self._data else ("{:.0f}", "fps")
        scale = 1e6 if self._data else 1
        done = "/".join(number.format(part / scale) for part in (count, total) if part is not None)
        parts = [f"shot {self._shot}"] if shot and self._shot is not None else []
        parts.append(f"{done} {'MB' if self._data else 'frames'}")
        speed = self._pace.speed
        if speed:
            now = speed / scale
            # Large frames take minutes each on a CPU.
            parts.append(f"{f'{now:.2f}' if now >= 0.1 else f'{now:.2g}'} {per_second}")
            if total and count < total and (self._data or self._pace.settled):
                parts.append(f"{clock((total - count) / speed)} left")
        return parts


def _least_width(form: str) -> int:
    """Return how many columns a line takes at least when it is filled in."""
    return len(form.replace(_PERCENT, "100%").replace("{bar}", " " * _NARROWEST_BAR))


class Pace:
    """How fast work goes now.

    The first frame is often one of the film, copied, which says nothing of those that networks make; so no
    time is foretold from it alone. Later on what went on lately counts and not how it began: titles and
    frames that stand still are soon done.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()  # times and counts, the latest last
        self._calls = 0

    def note(self, count: int, now: float) -> None:
        """Take note that so many are done at this time, in seconds."""
        self._calls += 1
        self._seen.append((now, count))
        while len(self._seen) > _LATELY_FRAMES and now - self._seen[1][0] > _LATELY:
            self._seen.popleft()

    @property
    def settled(self) -> bool:
        """Whether the speed says anything of the time to come."""
        return self._calls > _FIRST

    @property
    def speed(self) -> float | None:
        """What is done in a second; None while that is not known."""
        if not self._seen:
            return None
        (since, first), (now, count) = self._seen[0], self._seen[-1]
        return (count - first) / (now - since) if count > first and now > since else None


def _plain_interval(passed: float) -> float:
    """Return the seconds between two lines in a file: fewer of them once it is known to take hours."""
    return min(max(_PLAIN_INTERVAL, passed / 60), _PLAIN_LONGEST)
