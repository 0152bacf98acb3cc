"""What both commands do at a terminal: messages, errors, exit codes, progress."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from ..errors import ReelError

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_PLAIN_INTERVAL = 10.0  # seconds between lines where there is no terminal to redraw


class _Messages(logging.Handler):
    """Writes warnings above a progress bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(f"{record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


@contextmanager
def messages() -> Generator[None]:
    """Show reel's warnings on the terminal while inside."""
    logger = logging.getLogger("reel")
    handler = _Messages(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def exit_code(command: Callable[[], int], *, interrupted: str) -> int:
    """Run a command and turn its errors into one sentence, one remedy and an exit code."""
    try:
        with messages():
            return command()
    except ReelError as error:
        print(f"error: {error.message}\n       {error.remedy}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(f"\n{interrupted}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone
        return FAILED


class ProgressDisplay:
    """A bar with speed and time left on a terminal, a plain line now and then elsewhere.

    Args:
        unit: What is counted, such as ``frame``.
        description: What goes on, a word or two.
        scale: Whether counts are large and wanted as k, M, G.
    """

    def __init__(self, unit: str, description: str, *, scale: bool = False) -> None:
        self._unit = unit
        self._description = description
        self._scale = scale
        self._bar: Any = None
        self._began = self._last = time.monotonic()
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, count: int, total: int | None) -> None:
        """Show that ``count`` of ``total`` are done."""
        if sys.stderr.isatty():
            self._redraw(count, total)
        elif time.monotonic() - self._last >= _PLAIN_INTERVAL or count == total:
            self._last = time.monotonic()
            print(self._line(count, total), file=sys.stderr, flush=True)

    def _redraw(self, count: int, total: int | None) -> None:
        if self._bar is None:
            self._bar = tqdm(
                total=total,
                desc=self._description,
                unit=self._unit,
                unit_scale=self._scale,
                dynamic_ncols=True,
                smoothing=0.1,
                file=sys.stderr,
            )
        self._bar.total = total if total is None else max(total, count)
        self._bar.update(count - self._shown)
        self._shown = count

    def _line(self, count: int, total: int | None) -> str:
        rate = count / max(time.monotonic() - self._began, 1e-9)
        text = f"{self._description}: {count}{f'/{total}' if total else ''} {self._unit}s, {rate:.2f}/s"
        if total and count:
            text += f", {(total - count) / rate:.0f} s left"
        return text
