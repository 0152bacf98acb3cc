"""Files of records: whatever happens to the end of one, what was whole stays whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from reel.engine.job.records import Records, read_heads, read_records

WRITTEN = [("{}", b""), ('{"a":1}', b"first"), ('{"a":2}', bytes(range(256)))]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with Records(tmp_path / "records") as records:
        for head, body in WRITTEN:
            records.append(head, body)
    return tmp_path / "records"


def read(path: Path) -> list[tuple[str, bytes]]:
    return [(record.head, record.body) for record in read_records(path)]


def test_what_is_appended_is_read(file: Path) -> None:
    assert read(file) == WRITTEN
    assert list(read_heads(file)) == [head for head, _ in WRITTEN]
    assert [record.end for record in read_records(file)][-1] == file.stat().st_size


def test_a_body_may_come_in_parts(tmp_path: Path) -> None:
    with Records(tmp_path / "records") as records:
        records.append("{}", b"ab", memoryview(bytearray(b"cd")))
    assert read(tmp_path / "records") == [("{}", b"abcd")]


def test_a_file_cut_off_anywhere_gives_the_records_before(file: Path) -> None:
    ends = [record.end for record in read_records(file)]
    data = file.read_bytes()
    for length in range(len(data)):
        file.write_bytes(data[:length])
        assert read(file) == WRITTEN[: sum(end <= length for end in ends)]


def test_a_flipped_bit_ends_the_records_before_it(file: Path) -> None:
    ends = [0, *(record.end for record in read_records(file))]
    data = file.read_bytes()
    for place in range(len(data)):
        file.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        assert read(file) == WRITTEN[: sum(end <= place for end in ends) - 1]


def test_writing_goes_on_after_the_part_that_is_kept(file: Path) -> None:
    first = next(record.end for record in read_records(file) if record.body)
    with Records(file, keep=first) as records:
        records.append("{}", b"other")
    assert read(file) == [*WRITTEN[:2], ("{}", b"other")]
