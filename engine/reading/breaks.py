"""Clocks that begin anew in the midst of a film, as where recordings were put one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.packet import Packet

_BACK = Fraction(1, 2)  # seconds by which a clock goes back or
_AHEAD = Fraction(10)  # forward where it was set anew; less is damage, or a pause
_MAY_BREAK = ("mpegts", "mpeg")  # other containers have one clock


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the clock begins anew.

    Attributes:
        position: Bytes from the beginning of the file.
        shift: Seconds to add to all times from there on, for them to go on where they were.
    """

    position: int
    shift: Fraction


def unbroken(packets: Iterable[Packet[Any]], breaks: Sequence[Break]) -> Iterator[Packet[Any]]:
    """Give packets with times that go on across the breaks of a file that is read from its beginning."""
    if not breaks:
        yield from packets
        return
    passed = dict[int, int]()  # by stream: how many breaks lie behind it
    last = dict[int, Fraction]()
    for packet in packets:
        if packet.size and packet.dts is not None:
            index, time = packet.stream.index, packet.dts * packet.time_base
            count = passed.get(index, 0)
            if (position := _position(packet)) is not None:
                count = max(count, sum(each.position <= position for each in breaks))
            elif _is_break(time - last.get(index, time)) and count < len(breaks):
                count += 1  # one of the packets that do not say where they were
            passed[index], last[index] = count, time
            move(packet, breaks[count - 1].shift if count else Fraction(0))
        yield packet


def _position(packet: Packet[Any]) -> int | None:
    return packet.pos if packet.pos is not None and packet.pos >= 0 else None


def _is_break(gap: Fraction) -> bool:
    return gap < -_BACK or gap > _AHEAD


def move(packet: Packet[Any], shift: Fraction) -> None:
    """Add seconds to the times of a packet."""
    if not shift:
        return
    ticks = round(shift / packet.time_base)
    if packet.pts is not None:
        packet.pts += ticks
    if packet.dts is not None:
        packet.dts += ticks


class BreakFinder:
    """Finds the breaks of a film while its pictures are read in the order of the file.

    Args:
        container: libav's name of the container.
    """

    def __init__(self, container: str) -> None:
        self.breaks: list[Break] = []
        self._possible = container in _MAY_BREAK
        self._shift = Fraction(0)
        self._position = 0
        self._last: Fraction | None = None
        self._step = Fraction(1, 25)

    def follow(self, packet: Packet[Any]) -> None:
        """Look at the next packet, and move it to where it belongs."""
        if not self._possible or packet.dts is None:
            return
        time = packet.dts * packet.time_base
        position = _position(packet)
        self._position = self._position + 1 if position is None else position
        if self._last is not None:
            gap = time + self._shift - self._last
            if _is_break(gap):
                self._shift = self._last + self._step - time
                self.breaks.append(Break(self._position, self._shift))
            elif 0 < gap < 1:
                self._step = gap
        self._last = time + self._shift
        move(packet, self._shift)
