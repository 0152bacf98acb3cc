"""The contact sheet of a preview: a frame of each sample, before, and beside it what settings make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from PIL import Image

from ...errors import InputError
from ...models.spec import Kind
from ..reading.source import Source, open_source
from ..runs.plan import Plan, opened
from ..runs.summary import Summary
from ..writing.naming import place_of
from .contact_sheet import Row, Shape, contact_sheet, picture_for, shape_of
from .samples import Sample

if TYPE_CHECKING:
    from .preview import Column, SampleRun


def sheet_of(
    columns: Sequence[Column],
    samples: Sequence[Sample],
    runs: Sequence[Sequence[SampleRun]],
    summaries: Sequence[Sequence[Summary]],
) -> Image.Image:
    """Return the sheet: samples from the top, settings from the left, after the film as it is.

    The frames are read from what was written, so that the sheet shows what the encoder left of them.

    Args:
        columns: The settings.
        samples: The parts of the film.
        runs: For each of the settings, what was done with each sample.
        summaries: And what it came to.
    """
    shape = shape_of(len(columns) + 1, len(samples), **_largest(runs))
    between = any(step.network.kind is Kind.INTERPOLATE for each in runs for step in each[0].plan.steps)
    origin = columns[0].settings.start or Fraction(0)
    rows: list[Row] = []
    for place, sample in enumerate(samples):
        made = [(each[place].plan, came[place]) for each, came in zip(runs, summaries, strict=True)]
        label = "" if made[0][0].before.still else _where(origin + sample.start, sample)
        rows.append(Row(label, tuple(_pictures(runs[0][place], made, shape, between=between))))
    heads = ["before", *(column.label or "after" for column in columns)]
    return contact_sheet(heads, rows, shape, warning=_warning(runs))


def _pictures(
    first: SampleRun, made: Sequence[tuple[Plan, Summary]], shape: Shape, *, between: bool
) -> Iterator[Image.Image]:
    """Give a frame of the film, and the same of each result.

    Args:
        first: How the film is read.
        made: Each result, and what it was made by.
        shape: Of the pictures.
        between: Whether some networks make frames between those of the film: one of them is shown then, as
            one that is only copied would say nothing of them.
    """
    read = first.plan.before.frames or 1
    middle = (read - 1) // 2 + (Fraction(1, 2) if between and read > 1 else Fraction(0))
    with opened(first.plan.input, first.settings) as film:
        yield _picture(film, int(middle), shape)
    for plan, summary in made:
        index = min(summary.frames - 1, round(middle * summary.frames / (plan.before.frames or 1)))
        rate = plan.after.rate if place_of(plan.output)[1] else None
        with open_source(plan.output, rate=rate) as result:
            yield _picture(result, index, shape)


def _largest(runs: Sequence[Sequence[SampleRun]]) -> dict[str, int]:
    """Return the size of the largest result as it is shown, its pixels square."""
    films = [each[0].plan.after for each in runs]
    widest = max(films, key=lambda film: film.width * film.pixel_aspect)
    return {"width": max(1, round(widest.width * widest.pixel_aspect)), "height": widest.height}


def _picture(source: Source, index: int, shape: Shape) -> Image.Image:
    """Return a frame of an entered source, the last one if there are fewer."""
    frame = None
    for frame in islice(source.frames(), index + 1):  # noqa: B007 - the last one is wanted
        pass
    if frame is None:
        raise InputError(f"{source.path} holds no frame.", "Check the film, or try other samples.")
    return picture_for(frame.here, shape)


def _where(start: Fraction, sample: Sample) -> str:
    minutes, seconds = divmod(float(start), 60)
    return f"{int(minutes // 60)}:{int(minutes % 60):02}:{seconds:04.1f}  {sample.why}"


def _warning(runs: Sequence[Sequence[SampleRun]]) -> str | None:
    names = dict.fromkeys(name for each in runs for name in each[0].plan.rehearsal)
    if not names:
        return None
    return f"REHEARSAL: {', '.join(names)} ran on random weights, so the pictures mean nothing."
