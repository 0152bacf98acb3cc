"""Times, rates, counts and sizes as people write them."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction

from ..errors import ReelError


def seconds(text: str) -> Fraction:
    """Return the seconds in ``90``, ``1:30``, ``0:01:30.5``, exactly."""
    try:
        total = Fraction(0)
        for part in text.split(":"):
            total = total * 60 + Fraction(part)
    except (ValueError, ZeroDivisionError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; give seconds or h:mm:ss") from None
    return total


def frame_rate(text: str) -> Fraction:
    """Return the rate in ``25``, ``24000/1001`` or ``23.976``; broadcast rates are taken exactly."""
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a frame rate; give 25 or 24000/1001")
    broadcast = Fraction(round(rate) * 1000, 1001)
    # 23.976 and 59.94 are how people write 24000/1001 and 60000/1001
    return broadcast if "." in text and abs(rate - broadcast) < Fraction(1, 200) else rate


def time_step(text: str) -> Fraction:
    """Return how many times as many frames a step between 0 and 1 stands for."""
    from ..engine.stages.cadence import factor_from_step  # loads numpy, for which --help does not wait

    try:
        return factor_from_step(text)
    except ReelError as error:
        raise argparse.ArgumentTypeError(f"{error.message.rstrip('.')}; give one between 0 and 1") from error


def count(text: str) -> int:
    """Return a whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def quality(text: str) -> int:
    """Return a constant quality; encoders know 0 to 51 or 63."""
    if not text.isdecimal() or int(text) > 63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a quality; give 0 to 51, lower is better")
    return int(text)


def picture_size(text: str) -> str:
    """Return what the size of a film was given as, seen to be one."""
    from ..engine.pixels.size import box_from_text  # loads numpy, for which --help does not wait

    try:
        box_from_text(text)
    except ReelError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from error
    return text


def clock(duration: float) -> str:
    """Return seconds as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(text: str) -> int:
    """Return the bytes in ``4G``, ``800M``, ``1.5GiB``; units are powers of 1024."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip(), re.IGNORECASE)
    if found is None or not (bytes_ := int(float(found[1]) * 1024 ** " kmgt".index(found[2].lower() or " "))):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size; give 4G or 800M")
    return bytes_


def samples(text: str) -> tuple[int, Fraction]:
    """Return how many samples, and how long in seconds, ``3x1s`` asks for."""
    found = re.fullmatch(r"(\d{1,2})x(\d+(?:\.\d+)?)s?", text.strip(), re.IGNORECASE)
    if found is None or not int(found[1]) or not Fraction(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no number and length of samples; give 3x1s")
    return int(found[1]), Fraction(found[2])


def duration(seconds: float) -> str:
    """Return how long something takes, as exactly as people plan: ``2 d 3 h``, ``1 h 20 min``, ``45 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    units = (("d", 1440), ("h", 60), ("min", 1))
    minutes = round(seconds / 60)
    large = next(place for place, (_, size) in enumerate(units) if minutes >= size)
    name, size = units[large]
    if large + 1 == len(units):
        return f"{minutes} {name}"
    below, part = units[large + 1]
    rest = round(minutes % size / part)
    if rest * part == size:  # 1 d 24 h
        return f"{minutes // size + 1} {name}"
    return f"{minutes // size} {name} {rest} {below}" if rest else f"{minutes // size} {name}"
