"""A film of before and after, made when the result is there: what was read and what was made of it."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from enum import Enum
from fractions import Fraction
from pathlib import Path

import numpy as np

from ...errors import OutputError
from ..job.folder import Job, job_folder
from ..pixels.frame import Format, Frame, Pixels
from ..pixels.label import Label, label
from ..pixels.resample import lanczos
from ..prefetch import prefetch
from ..reading.fields import Field
from ..reading.source import Source, open_source
from ..writing.naming import place_of
from ..writing.sink import Sink
from .chain import ahead_of
from .plan import Plan, opened, sink_for
from .settings import Settings

_MARK = ".compare"
_PERIOD = 8.0  # seconds in which the split goes across and comes back; a shorter film has it do so once
_ROUNDED = Fraction(1, 1000)  # seconds by which a container may have rounded a time


class Layout(Enum):
    """How before and after share a picture."""

    SIDE = "side"
    """Before on the left, after on the right: a picture twice as wide."""
    WIPE = "wipe"
    """A split that goes across and comes back: before on its left, after on its right."""


Progress = Callable[[int, int | None], None]


def comparison_of(output: Path) -> Path:
    """Return where the comparison of a result goes: ``film.restored.mp4`` -> ``film.restored.compare.mp4``.

    That of a folder of pictures is a folder of pictures beside it.
    """
    place, pictures = place_of(output)
    if not pictures:
        return place.with_name(f"{place.stem}{_MARK}{place.suffix}")
    name = output.name if output != place else "%06d.png"
    folder = place if place.name not in ("", "..") else place.resolve()
    return folder.parent / f"{folder.name}{_MARK}" / name


def check_comparison(plan: Plan, settings: Settings) -> None:
    """Refuse a comparison that could not be made, before hours of work.

    Raises:
        OutputError: There is one already, or the result will not tell when its frames are shown.
    """
    place = comparison_of(plan.output)
    where, pictures = place_of(place)
    if pictures and plan.after.rate is None:
        raise OutputError(
            f"{plan.output} cannot be compared: pictures of a film of variable frame rate have no times.",
            "Leave out --compare, or name a film with -o.",
        )
    there = any(where.iterdir()) if where.is_dir() else where.exists()
    if there and not settings.overwrite:
        raise OutputError(f"{where} is there already.", "Add --overwrite, or name another result with -o.")


def compare(plan: Plan, settings: Settings, layout: Layout, *, progress: Progress | None = None) -> Path:
    """Write the comparison of a result that is there, and return its place.

    It has the times and the tracks of the result. Before is the frame of the source that is on screen at
    that time, enlarged by Lanczos. What is written appears whole or not at all; nothing of the result or of
    its job is touched.

    Raises:
        InputError: The source or the result cannot be read.
        OutputError: The comparison cannot be written, or the result is not one of this plan.
    """
    place = comparison_of(plan.output)
    where = place_of(place)[0]
    folder = job_folder(where, settings.work)
    film = _format(plan.after, layout)
    with ExitStack() as stack:
        source = stack.enter_context(opened(plan.input, settings))
        result = stack.enter_context(opened_result(plan))
        _check_result(result, plan)
        job = Job(folder, result=where)
        sink = sink_for(place, film, plan, settings, source, note=_note(plan), job=job)
        stack.enter_context(_left_alone(sink, folder))
        joined = _joined(source.frames(), result.frames(), layout, plan)
        with closing(prefetch(joined, ahead_of(film))) as frames:
            for count, frame in enumerate(frames):
                if progress:
                    progress(count, plan.after.frames)
                sink.write(frame)
    if progress and plan.after.frames:
        progress(plan.after.frames, plan.after.frames)
    return where


@contextmanager
def _left_alone(sink: Sink, folder: Path) -> Generator[None]:
    """Enter a sink, and remove its job however it is left: nothing could go on with it."""
    entered = False
    try:
        with sink:
            entered = True
            yield
    finally:
        if entered:  # else it may be another run's
            shutil.rmtree(folder, ignore_errors=True)


def pairs(before: Iterator[Frame], after: Iterator[Frame]) -> Generator[tuple[Frame, Frame]]:
    """Give each frame of a result, on the clock of its source, with the source's frame on screen then.

    A result begins when its source does, whatever its file says: pictures have no times, and a film without
    sound is read from its first picture on.
    """
    shown, coming = next(before, None), next(before, None)
    shift: Fraction | None = None
    for frame in after:
        if shown is None:
            return
        shift = shown.time - frame.time if shift is None else shift
        time = frame.time + shift
        near = min(_ROUNDED, frame.duration / 4)
        while coming is not None and coming.time <= time + near:
            shown, coming = coming, next(before, None)
        yield shown, replace(frame, time=time)


def _joined(before: Iterator[Frame], after: Iterator[Frame], layout: Layout, plan: Plan) -> Generator[Frame]:
    height, width = plan.after.height, plan.after.width
    words = label("before", height=height, width=width), label(_after(plan), height=height, width=width)
    last: tuple[Frame, Pixels] | None = None
    first: Fraction | None = None
    film = plan.after
    length = float(film.frames / film.rate) if film.frames and film.rate else _PERIOD
    for old, new in pairs(before, after):
        if last is None or last[0] is not old:
            last = old, np.clip(lanczos(old.here, height, width), 0, 1)
        first = new.time if first is None else first
        split = 0.5 if plan.before.still else _split(float(new.time - first), min(_PERIOD, length))
        yield replace(new, pixels=_laid_out(last[1], new.here, words, layout, split))


def _split(seconds: float, period: float) -> float:
    """Return how much of the width is before: all of it at first, none half a period later."""
    return 0.5 + 0.5 * math.cos(2 * math.pi * seconds / period)


def _laid_out(
    before: Pixels, after: Pixels, words: tuple[Label, Label], layout: Layout, split: float
) -> Pixels:
    width = after.shape[3]
    if layout is Layout.SIDE:
        both = np.concatenate([before, after], axis=3)
        words[0].put(both[:, :, :, :width])
        words[1].put(both[:, :, :, width:], right=True)
        return both
    old, both = before.copy(), after.copy()
    words[0].put(old)
    words[1].put(both, right=True)
    place, line = round(width * split), max(1, width // 480)
    both[:, :, :, :place] = old[:, :, :, :place]
    if 0 < place < width:
        both[:, :, :, max(0, place - line) : place + line] = 1
    return both


def _format(film: Format, layout: Layout) -> Format:
    return replace(film, width=film.width * (2 if layout is Layout.SIDE else 1), clipped=True)


def opened_result(plan: Plan) -> Source:
    """Return the frames of a result that is there; not to be entered before it is."""
    place, pictures = place_of(plan.output)
    path = plan.output if plan.output != place or not pictures else place / "%06d.png"
    rate = plan.after.rate if pictures or plan.before.still else None
    return open_source(path, rate=rate, field=Field.PROGRESSIVE)


def _check_result(result: Source, plan: Plan) -> None:
    """Refuse a result that something else has made: its frames would stand beside others than their own."""
    made, meant = result.format, plan.after
    same = (made.width, made.height) == (meant.width, meant.height)
    if made.frames is not None and meant.frames is not None:
        same = same and abs(made.frames - meant.frames) <= max(2, meant.frames // 50)
    if not same:
        raise OutputError(
            f"{plan.output} is not what these options make of {plan.input}, so it is not compared with it.",
            "Give the options that it was made with, or add --overwrite to make it anew.",
        )


def _after(plan: Plan) -> str:
    return "after (REHEARSAL)" if plan.rehearsal else "after"


def _note(plan: Plan) -> str:
    what = f"reel comparison of {plan.input.name} with {plan.output.name}"
    return f"{what}; reel rehearsal: random weights" if plan.rehearsal else what
