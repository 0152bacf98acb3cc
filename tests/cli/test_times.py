"""Words of the command line that stand for quantities."""

import argparse

import pytest
from reel.cli.times import size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4G", 4 << 30),
        ("800M", 800 << 20),
        ("1.5GiB", 3 << 29),
        ("512 mb", 512 << 20),
        ("1t", 1 << 40),
        ("7", 7),
    ],
)
def test_a_size_is_taken_as_people_write_it(text, expected):
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "G", "4X", "-4G", "0", "0.1", "4 G B", "nan"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="not a size"):
        size(text)
