"""What a whole film would take, from what its samples took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ...models.spec import Kind
from ..job.segments import division_for
from ..reading.packets import demuxed, is_cover, open_container
from ..reading.stills import name_pattern
from ..runs.plan import Plan
from ..timings import Timings
from ..writing.naming import place_of


@dataclass(frozen=True, slots=True)
class Sampled:
    """What a sample came to.

    Attributes:
        read: Frames of the film that it was made of.
        made: Frames of the result that were made of them.
        timings: How the time was spent.
        finishing: Seconds in which the encoder worked on alone: it holds frames back, of a short film all.
        bytes: What the result takes on the disk.
    """

    read: int
    made: int
    timings: Timings
    finishing: float
    bytes: Bytes


@dataclass(frozen=True, slots=True)
class Bytes:
    """What a result takes on the disk: pictures that stand alone, those that do not, and other tracks.

    Attributes:
        keys, others: Numbers of pictures; each sample begins with one that stands alone.
        key_bytes, other_bytes: What they take.
        track_bytes: What sound and the rest take.
    """

    keys: int
    others: int
    key_bytes: int
    other_bytes: int
    track_bytes: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a whole film would take.

    Attributes:
        frames: Of the result.
        seconds: Of work, without loading the networks and joining the film.
        size: Bytes of the result; as much again is needed while it is joined.
        busiest: Which part of the run takes all that time, the others beside it: a network if one does.
        per_frame: Seconds that each part and each stage take for a frame of the result.
    """

    frames: int
    seconds: float
    size: int
    busiest: str
    per_frame: dict[str, float]


def estimated(plan: Plan, sampled: Sequence[Sampled]) -> Estimate | None:
    """Return what the whole of a film would take; None where its length is not known.

    Decoding, networks and encoding go on at the same time, so that the slowest of them decides.

    Args:
        plan: For the whole film.
        sampled: What each of its samples came to; one at least, and a frame in each.
    """
    if plan.before.frames is None:
        return None
    read, made = sum(each.read for each in sampled), sum(each.made for each in sampled)
    frames = round(plan.before.frames * Fraction(made, read))
    stages = _stages(plan, sampled)
    parts = {
        name: sum(part.busy for each in sampled for part in each.timings.parts if part.name == name)
        for name in ("decode", "networks", "encode")
    }
    parts["networks"] = sum(stages.values())
    parts["encode"] += sum(each.finishing for each in sampled)
    slowest = max(parts, key=lambda name: parts[name])
    busiest = max(stages, key=lambda name: stages[name]) if slowest == "networks" else slowest
    return Estimate(
        frames=frames,
        seconds=parts[slowest] / made * frames,
        size=_size(plan, [each.bytes for each in sampled], frames, Fraction(plan.before.frames, read)),
        busiest=busiest,
        per_frame={name: busy / made for name, busy in {**parts, **stages}.items()},
    )


def _stages(plan: Plan, sampled: Sequence[Sampled]) -> dict[str, float]:
    """Return the seconds that each stage took, as if every frame of the film had one after it.

    The last one of a sample has none, to which an interpolator would look.
    """
    interpolators = {step.network.name for step in plan.steps if step.network.kind is Kind.INTERPOLATE}
    taken: dict[str, float] = {}
    for each in sampled:
        for name, busy in each.timings.stages:
            if name.partition(" (")[0] in interpolators and each.read > 1:
                busy *= each.read / (each.read - 1)
            taken[name] = taken.get(name, 0.0) + busy
    return taken


def _size(plan: Plan, sampled: Sequence[Bytes], frames: int, times: Fraction) -> int:
    """Return the bytes of a whole result, of which each segment and each shot begins with a key frame.

    The first one of each sample is there because it is a sample.
    """
    keys, others = sum(each.keys for each in sampled), sum(each.others for each in sampled)
    key = sum(each.key_bytes for each in sampled) / keys
    other = sum(each.other_bytes for each in sampled) / others if others else key
    rate = max(keys - len(sampled), 0) / max(keys + others - len(sampled), 1) if others else 1.0
    whole_keys = min(frames, rate * frames + frames / division_for(plan.after).most)
    tracks = sum(each.track_bytes for each in sampled) * times
    return round(whole_keys * key + (frames - whole_keys) * other + tracks)


def bytes_of(output: Path) -> Bytes:
    """Return what a result consists of: a film's packets, or pictures that stand alone."""
    place, pictures = place_of(output)
    if pictures:
        named = name_pattern(output.name)
        sizes = [file.stat().st_size for file in place.iterdir() if named.fullmatch(file.name)]
        return Bytes(len(sizes), 0, sum(sizes), 0, 0)
    counts, sizes, tracks = [0, 0], [0, 0], 0
    with open_container(output) as container:
        film = next(stream for stream in container.streams.video if not is_cover(stream))
        for packet in demuxed(container, *container.streams):
            if packet.stream.index != film.index:
                tracks += packet.size
            elif packet.size:
                counts[packet.is_keyframe] += 1
                sizes[packet.is_keyframe] += packet.size
    return Bytes(counts[1], counts[0], sizes[1], sizes[0], tracks)
