"""The device that is none finds each misuse that it is there to find."""

import ctypes

import numpy as np
import pytest
from reel.errors import BackendError
from reel.tests.engine.device.fake_runtime import FakeRuntime, HazardError

SIZE = 8


@pytest.fixture
def fake():
    return FakeRuntime()


def written(fake, stream):
    """Return memory of the device that a stream has been told to write ones to."""
    pointer = fake.allocate(SIZE, stream)
    fake.kernel(stream, "write", [], [(pointer, SIZE)], lambda: ctypes.memset(pointer, 1, SIZE))
    return pointer


def read(fake, stream, pointer):
    fake.kernel(stream, "read", [(pointer, SIZE)], [], lambda: None)


def order(fake, first, then):
    """Have one stream wait for another; return the event."""
    event = fake.make_event()
    fake.record(event, first)
    fake.wait(then, event)
    return event


def value(pointer):
    return np.frombuffer((ctypes.c_char * SIZE).from_address(pointer), np.uint8).tolist()


def test_nothing_runs_before_somebody_waits_for_it(fake):
    stream, event = fake.make_stream(), fake.make_event()
    pinned = fake.allocate_pinned(SIZE)
    fake.copy_out(pinned, written(fake, stream), SIZE, stream)
    fake.record(event, stream)
    assert value(pinned) != [1] * SIZE
    assert not fake.ran
    fake.synchronise(event)
    assert value(pinned) == [1] * SIZE


def test_what_a_stream_waits_for_runs_first(fake):
    first, then = fake.make_stream(), fake.make_stream()
    pointer = written(fake, first)
    order(fake, first, then)
    read(fake, then, pointer)
    event = fake.make_event()
    fake.record(event, then)
    fake.synchronise(event)
    assert [op.name for op in fake.ran if op.name in ("read", "write")] == ["write", "read"]


def test_a_read_in_another_stream_has_to_wait_for_the_write(fake):
    first, then = fake.make_stream(), fake.make_stream()
    pointer = written(fake, first)
    with pytest.raises(HazardError, match="is read by read in a stream that has not waited"):
        read(fake, then, pointer)


def test_an_event_counts_as_it_was_recorded_when_the_stream_was_told_to_wait(fake):
    first, then = fake.make_stream(), fake.make_stream()
    event = order(fake, first, then)
    pointer = written(fake, first)
    fake.record(event, first)  # again, and too late
    with pytest.raises(HazardError, match="is read by read"):
        read(fake, then, pointer)


def test_a_write_has_to_wait_for_those_who_read_what_was_there(fake):
    first, then = fake.make_stream(), fake.make_stream()
    pointer = written(fake, first)
    order(fake, first, then)
    read(fake, then, pointer)
    with pytest.raises(HazardError, match="is written by write"):
        fake.kernel(first, "write", [], [(pointer, SIZE)], lambda: None)


def test_memory_is_not_freed_before_its_last_user_is_done(fake):
    first, then = fake.make_stream(), fake.make_stream()
    pointer = written(fake, first)
    order(fake, first, then)
    read(fake, then, pointer)
    with pytest.raises(HazardError, match="is freed in a stream"):
        fake.free(pointer, first)
    order(fake, then, first)
    fake.free(pointer, first)


def test_freed_memory_is_not_used_again(fake):
    stream = fake.make_stream()
    pointer = written(fake, stream)
    fake.free(pointer, stream)
    with pytest.raises(HazardError, match="after it was freed"):
        read(fake, stream, pointer)
    with pytest.raises(HazardError, match="after it was freed"):
        fake.free(pointer, stream)


def test_memory_is_not_used_in_a_stream_that_knows_nothing_of_its_allocation(fake):
    first, then = fake.make_stream(), fake.make_stream()
    pointer = fake.allocate(SIZE, first)
    with pytest.raises(HazardError, match="is written by write"):
        fake.kernel(then, "write", [], [(pointer, SIZE)], lambda: None)


def test_memory_that_nothing_was_written_to_is_not_read(fake):
    stream = fake.make_stream()
    with pytest.raises(HazardError, match="nothing was written"):
        read(fake, stream, fake.allocate(SIZE, stream))


def test_copies_of_pageable_memory_are_found(fake):
    stream = fake.make_stream()
    pageable = np.zeros(SIZE, np.uint8)
    pointer = written(fake, stream)
    with pytest.raises(HazardError, match="neither the device's nor pinned"):
        fake.copy_in(pointer, pageable.ctypes.data, SIZE, stream)
    with pytest.raises(HazardError, match="neither the device's nor pinned"):
        fake.copy_out(pageable.ctypes.data, pointer, SIZE, stream)


def test_copies_beyond_the_end_of_memory_are_found(fake):
    stream = fake.make_stream()
    pinned = fake.allocate_pinned(2 * SIZE)
    with pytest.raises(HazardError, match="neither"):
        fake.copy_in(fake.allocate(SIZE, stream), pinned, 2 * SIZE, stream)


def test_pinned_memory_is_not_freed_under_a_copy(fake):
    stream = fake.make_stream()
    pinned = fake.allocate_pinned(SIZE)
    fake.copy_in(fake.allocate(SIZE, stream), pinned, SIZE, stream)
    with pytest.raises(HazardError, match="before a copy that uses it is done"):
        fake.free_pinned(pinned)


def test_pinned_memory_is_not_copied_to_while_another_copy_reads_it(fake):
    first, then = fake.make_stream(), fake.make_stream()
    pinned = fake.allocate_pinned(SIZE)
    fake.copy_in(fake.allocate(SIZE, first), pinned, SIZE, first)
    with pytest.raises(HazardError, match="is written by copy_out"):
        fake.copy_out(pinned, written(fake, then), SIZE, then)


def test_pinned_memory_that_is_changed_too_early_gives_wrong_bytes(fake):
    stream, event = fake.make_stream(), fake.make_event()
    pinned, pointer = fake.allocate_pinned(SIZE), fake.allocate(SIZE, stream)
    ctypes.memset(pinned, 3, SIZE)
    fake.copy_in(pointer, pinned, SIZE, stream)
    ctypes.memset(pinned, 4, SIZE)
    fake.record(event, stream)
    fake.synchronise(event)
    assert value(pointer) == [4] * SIZE


def captured(fake, *, launches=0):
    """Record a write to memory, and launch it; return what can be launched, its stream and the memory."""
    stream, capturing = fake.make_stream(), fake.make_stream()
    pointer = fake.allocate(SIZE, stream)
    fake.begin_capture(capturing)
    fake.kernel(capturing, "set", [], [(pointer, SIZE)], lambda: ctypes.memset(pointer, 1, SIZE))
    graph = fake.end_capture(capturing)
    executable = fake.instantiate(graph)
    fake.destroy_graph(graph)
    for _ in range(launches):
        fake.launch(executable, stream)
    return executable, stream, pointer


def test_what_is_recorded_runs_when_it_is_launched_and_each_time(fake):
    executable, stream, pointer = captured(fake)
    fake.run_all()
    assert value(pointer) != [1] * SIZE
    for number in (1, 2):
        fake.launch(executable, stream)
        fake.run_all()
        assert value(pointer) == [1] * SIZE
        assert [op.name for op in fake.ran].count("set") == number


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        (lambda fake, stream, event: fake.allocate(SIZE, stream), "put into a stream that is captured"),
        (lambda fake, stream, event: fake.record(event, stream), "put into a stream that is captured"),
        (lambda fake, stream, event: fake.synchronise(event), "called while a stream is captured"),
        (lambda fake, stream, event: fake.allocate_pinned(SIZE), "called while a stream is captured"),
        (lambda fake, stream, event: fake.begin_capture(stream), "while another is"),
        (lambda fake, stream, event: fake.end_capture(stream + 1), "was not begun"),
    ],
)
def test_what_may_not_be_done_while_a_stream_is_captured_is_found(fake, misuse, said):
    other, stream, event = fake.make_stream(), fake.make_stream(), fake.make_event()
    fake.record(event, other)
    fake.begin_capture(stream)
    with pytest.raises(HazardError, match=said):
        misuse(fake, stream, event)


def test_memory_that_was_recorded_may_not_be_freed_before_it_is_launched(fake):
    executable, stream, pointer = captured(fake, launches=1)
    fake.free(pointer, stream)
    with pytest.raises(HazardError, match="after it was freed"):
        fake.launch(executable, stream)


def test_what_is_launched_may_not_be_given_back_while_it_runs(fake):
    executable, stream, _ = captured(fake, launches=1)
    event = fake.make_event()
    fake.record(event, stream)
    with pytest.raises(HazardError, match="before it is done"):
        fake.destroy_executable(executable)
    executable, *_ = captured(fake)
    fake.synchronise(event)
    fake.destroy_executable(executable)
    with pytest.raises(HazardError, match="that is not there"):
        fake.launch(executable, stream)


@pytest.mark.parametrize("what", ["device memory", "pinned memory", "stream", "event", "executable"])
def test_what_is_not_given_back_is_found(fake, what):
    stream = fake.make_stream()
    {
        "device memory": lambda: fake.allocate(SIZE, stream),
        "pinned memory": lambda: fake.allocate_pinned(SIZE),
        "stream": fake.make_stream,
        "event": fake.make_event,
        "executable": lambda: captured(fake),
    }[what]()
    fake.destroy_stream(stream)
    with pytest.raises(HazardError, match=what):
        fake.check()


def test_a_hazard_that_somebody_swallows_is_told_at_the_end(fake):
    with pytest.raises(HazardError):
        fake.free(12345, 1)
    with pytest.raises(AssertionError, match="neither"):
        fake.check()


def test_a_call_can_be_made_to_fail():
    fake = FakeRuntime(fail_at=2)
    fake.make_stream()
    with pytest.raises(BackendError, match="make_event was made to fail"):
        fake.make_event()
    fake.make_event()


def test_time_passes_where_streams_are_busy():
    fake = FakeRuntime(lasts={"read": 2.0, "write": 3.0})
    first, then = fake.make_stream(), fake.make_stream()
    pointer = written(fake, first)
    order(fake, first, then)
    read(fake, then, pointer)
    read(fake, first, pointer)
    event = fake.make_event()
    fake.record(event, then)
    assert not fake.has_happened(event)
    fake.synchronise(event)
    assert fake.now == 5.0
    assert [(op.name, op.begin, op.end) for op in fake.ran if op.name == "read"] == [("read", 3.0, 5.0)]
