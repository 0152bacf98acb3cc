"""The one place where a thread is made: work ahead of who asks for it, by a bounded number of items."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Made(Generic[Item]):
    item: Item


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None


class prefetch(Iterator[Item], Generic[Item]):  # noqa: N801 - it is called like a function
    """Run ``iterable`` in a thread of its own, at most ``depth`` items ahead.

    The thread starts when the first item is asked for. It ends with the iterable, with an exception
    in it, or when this is closed; the exception is raised to who asks for the next item, after the
    items that were made before it. Close this, or leave its ``with`` block, unless it was read to
    its end: closing waits for the item in the making, closes the iterable where that is a
    generator, in the thread that ran it, and leaves no thread.

    Args:
        iterable: Where the items come from; nobody else may use it from here on.
        depth: How many items may be made ahead, at least 1.
    """

    def __init__(self, iterable: Iterable[Item], depth: int) -> None:
        if depth < 1:
            raise ValueError(f"no thread can work {depth} items ahead")
        self._waiting: queue.SimpleQueue[_Made[Item] | _Ended] = queue.SimpleQueue()
        self._room = threading.Semaphore(depth)
        self._closed = threading.Event()
        # The thread knows nothing of this object, so that a forgotten one is collected and stops it.
        arguments = (iterable, self._waiting, self._room, self._closed)
        self._thread = threading.Thread(target=_make, args=arguments, name="reel-prefetch", daemon=True)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        if self._closed.is_set():
            raise StopIteration
        if self._thread.ident is None:
            self._thread.start()
        got = self._waiting.get()
        if isinstance(got, _Made):
            self._room.release()
            return got.item
        self.close()
        if got.error is not None:
            raise got.error
        raise StopIteration

    def close(self) -> None:
        """Stop the thread and wait for it; a second call does nothing."""
        self._stop()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_closed"):  # not after a ValueError from the constructor
            self._stop()

    def _stop(self) -> None:
        self._closed.set()
        self._room.release()  # wakes the thread if it waits for room


def _make(
    iterable: Iterable[Item],
    waiting: queue.SimpleQueue[_Made[Item] | _Ended],
    room: threading.Semaphore,
    closed: threading.Event,
) -> None:
    """Put the items into the queue, one for each place in ``room``, and at last how it ended."""
    failure: BaseException | None = None
    try:
        items = iter(iterable)
        try:
            while room.acquire() and not closed.is_set():
                waiting.put(_Made(next(items)))
        except StopIteration:
            pass
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
    except BaseException as error:
        failure = error
    waiting.put(_Ended(failure))
