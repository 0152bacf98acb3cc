"""The thread that works ahead: order, errors, and that none is left behind."""

import gc
import threading
import time
from collections.abc import Iterator

import pytest
from reel.engine.prefetch import prefetch

PROMPT = 5.0  # seconds; what hangs would hang for ever


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    gc.collect()
    until = time.monotonic() + PROMPT
    while any(thread.name == "reel-prefetch" for thread in threading.enumerate()):
        assert time.monotonic() < until, "a thread is left"
        time.sleep(0.01)


def within(seconds: float, call):
    """Return what ``call`` returns or raises; fail where it takes longer."""
    outcome: list = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert outcome, f"not done after {seconds} seconds"
    value, error = outcome[0]
    if error is not None:
        raise error
    return value


def test_items_arrive_in_order_and_whole() -> None:
    assert within(PROMPT, lambda: list(prefetch(range(1000), 3))) == list(range(1000))


def test_nothing_runs_before_the_first_item_is_asked_for() -> None:
    started = threading.Event()

    def items() -> Iterator[int]:
        started.set()
        yield 1

    ahead = prefetch(items(), 1)
    assert not started.wait(0.05)
    ahead.close()


def test_work_runs_ahead_by_no_more_than_the_depth() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with prefetch(items(), 4) as ahead:
        assert next(ahead) == 0
        time.sleep(0.2)
        assert len(made) == 5


def test_an_exception_of_the_producer_is_raised_to_the_consumer_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("of the producer")

    ahead = prefetch(items(), 2)
    assert within(PROMPT, lambda: next(ahead)) == 1
    with pytest.raises(LookupError, match="of the producer"):
        within(PROMPT, lambda: next(ahead))
    with pytest.raises(StopIteration):
        next(ahead)


def test_an_iterable_that_cannot_be_iterated_is_an_exception_too() -> None:
    with pytest.raises(TypeError):
        within(PROMPT, lambda: next(prefetch(5, 1)))  # type: ignore[arg-type]


def test_closing_stops_a_producer_that_waits_for_room() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    held = items()  # so that it is not closed for want of anybody who knows it
    ahead = prefetch(held, 2)
    next(ahead)
    time.sleep(0.05)
    within(PROMPT, ahead.close)
    assert closed.is_set()
    assert within(PROMPT, lambda: list(ahead)) == []


def test_an_exception_of_the_consumer_ends_the_thread() -> None:
    def consume() -> None:
        with prefetch(iter(int, 1), 2) as ahead:
            for _ in ahead:
                raise KeyError("of the consumer")

    with pytest.raises(KeyError, match="of the consumer"):
        within(PROMPT, consume)


def test_a_chain_of_prefetches_closes_from_its_end() -> None:
    def doubled(numbers) -> Iterator[int]:
        with numbers:
            for number in numbers:
                yield 2 * number

    first = prefetch(iter(int, 1), 2)
    second = prefetch(doubled(first), 2)
    next(second)
    within(PROMPT, second.close)
    assert within(PROMPT, lambda: list(first)) == []


def test_an_exception_passes_a_chain_of_prefetches() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("at the far end")

    with pytest.raises(OSError, match="at the far end"):
        within(PROMPT, lambda: list(prefetch(iter(prefetch(broken(), 1)), 1)))


def test_a_forgotten_prefetch_stops_by_itself() -> None:
    ahead = prefetch(iter(int, 1), 2)
    next(ahead)
    del ahead


def test_a_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="0 items"):
        prefetch([], 0)
