"""A film tried: a few samples of it through the whole chain, with one setting or with several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ...errors import InputError
from ..job.folder import Job, job_folder
from ..networks.artifacts import Artifacts
from ..networks.backend import Backend
from ..networks.loaded_once import LoadedOnce
from ..reading.stills import has_number
from ..runs.pipeline import Progress, run
from ..runs.plan import Plan, opened, plan
from ..runs.settings import Settings
from ..runs.summary import Summary
from ..writing.naming import place_of
from ..writing.partial import Partial
from .contact_sheet import write_sheet
from .estimate import Estimate, Sampled, bytes_of, estimated
from .preview_sheet import sheet_of
from .samples import LOOKS, Sample, Samples, chosen_samples

SHEET = "sheet.png"
REPORT = "report.html"
_OURS = re.compile(r"sample-\d+\..+|sheet\.png|report\.html")


@dataclass(frozen=True, slots=True)
class Column:
    """One of the settings that are tried, and what it is called where there are several."""

    label: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class SampleRun:
    """What is done with one sample and one of the settings."""

    plan: Plan
    settings: Settings


@dataclass(frozen=True, slots=True)
class Tried:
    """What is to be tried, before any of it is done.

    Attributes:
        source: The film.
        place: The folder that the preview will be.
        columns: The settings.
        plans: What the whole film would take with each of them.
        samples: The parts of the film that are tried; of a photo, all of it.
    """

    source: Path
    place: Path
    columns: tuple[Column, ...]
    plans: tuple[Plan, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a preview came to.

    Attributes:
        tried: What was tried.
        folder: Where it is: a result for each sample and setting, and a contact sheet.
        sheet: The contact sheet.
        summaries: For each of the settings, what each sample came to; their results lie in ``folder``.
        estimates: For each of the settings, what the whole film would take; None where that is not known.
    """

    tried: Tried
    folder: Path
    sheet: Path
    summaries: tuple[tuple[Summary, ...], ...]
    estimates: tuple[Estimate | None, ...]


def preview_place(output: Path) -> Path:
    """Return the folder of a result's preview: ``film.restored.mp4`` -> ``film.preview``."""
    place, pictures = place_of(output)
    if place.name in ("", ".."):
        place = place.resolve()
    name = place.name if pictures else place.stem
    return place.with_name(f"{name.removesuffix('.restored')}.preview")


def planned_preview(
    source: Path, output: Path, columns: Sequence[Column], store: Artifacts, wanted: Samples
) -> Tried:
    """Look at a film and choose what of it is tried.

    Args:
        source: Film, folder of pictures, pattern or photo.
        output: Where the result of all of it would be; nothing of it is touched.
        columns: One setting or several.
        store: The folder of networks.
        wanted: How many samples, and how long.

    Raises:
        ReelError: As ``plan``, for any of the settings.
        InputError: It is a photo, of which there is nothing to choose.
    """
    plans = tuple(plan(source, output, column.settings, store) for column in columns)
    if plans[0].before.still and len(columns) == 1:
        raise InputError(
            f"{source} is a photo: a preview would be all of it.",
            "Leave out --preview, or try several settings with --sweep.",
        )
    with opened(plans[0].input, columns[0].settings) as film:
        looks = [] if plans[0].before.still else list(film.glimpses(LOOKS))
        samples = chosen_samples(looks, film.length, wanted, path=source)
    return Tried(source, preview_place(output), tuple(columns), plans, samples)


def preview(
    tried: Tried,
    store: Artifacts,
    backend: Backend,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Preview:
    """Carry out a preview. The unfinished work of a run of the whole film is not touched.

    Args:
        tried: What ``planned_preview`` returned.
        store: As there.
        backend: What runs the networks.
        overwrite: Whether an earlier preview may be replaced.
        progress: Told of the frames of all samples together.

    Raises:
        ReelError: Whatever went wrong, with its remedy; nothing is left where the preview would be.
    """
    partial = Partial(tried.place, overwrite=overwrite, names=_OURS)
    partial.check()
    with Job(job_folder(tried.place, tried.columns[0].settings.work), result=tried.place) as job:
        (made := job.folder / "made").mkdir()
        runs = _runs(tried, made, store)
        summaries = _all_run(tried, runs, backend, progress)
        estimates = tuple(
            _estimate(whole, each, came)
            for whole, each, came in zip(tried.plans, runs, summaries, strict=True)
        )
        write_sheet(sheet_of(tried.columns, tried.samples, runs, summaries), made / SHEET)
        names = {file.name for file in made.iterdir()}
        partial.place_pictures([made], partial.temporary(job.folder), names)
    there = tuple(tuple(_placed(one, tried.place) for one in each) for each in summaries)
    return Preview(tried, tried.place, tried.place / SHEET, there, estimates)


def _placed(summary: Summary, folder: Path) -> Summary:
    """Return what a run came to, with its result where it has gone since."""
    output = folder / summary.output.name
    return replace(summary, output=output, plan=replace(summary.plan, output=output))


def settings_for(settings: Settings, sample: Sample, *, still: bool) -> Settings:
    """Return settings for one sample alone, as ``--start`` and ``--end`` would ask for it."""
    alone = replace(settings, work=None, overwrite=False, fresh=False, crop=False)
    if still:
        return alone
    origin = settings.start or Fraction(0)
    return replace(alone, start=origin + sample.start, end=origin + sample.end)


def _runs(tried: Tried, folder: Path, store: Artifacts) -> list[list[SampleRun]]:
    """Return for each of the settings what is to be done with each sample."""
    runs: list[list[SampleRun]] = []
    for column, whole in zip(tried.columns, tried.plans, strict=True):
        runs.append([])
        for number, sample in enumerate(tried.samples, start=1):
            name = f"sample-{number}{_part_of_name(column.label)}"
            alone = settings_for(column.settings, sample, still=whole.before.still)
            part = plan(tried.source, folder / f"{name}{_ending(whole.output)}", alone, store)
            size = replace(part.after, width=whole.after.width, height=whole.after.height)
            # Borders are those of the whole film, which a sample alone may not show.
            part = replace(part, borders=whole.borders, steps=whole.steps, after=size)
            runs[-1].append(SampleRun(part, alone))
    return runs


def _all_run(
    tried: Tried, runs: Sequence[Sequence[SampleRun]], backend: Backend, progress: Progress | None
) -> list[list[Summary]]:
    expected = [one.plan.after.frames for each in runs for one in each]
    total = None if None in expected else sum(frames or 0 for frames in expected)
    summaries: list[list[Summary]] = []
    done = 0
    for each in runs:
        summaries.append([])
        with LoadedOnce(backend) as loaded:
            for one in each:
                before = done

                def told(count: int, _: int | None, before: int = before) -> None:
                    if progress and (count or not before):
                        progress(before + count, total)

                summary = run(one.plan, one.settings, loaded, progress=told)
                summaries[-1].append(summary)
                done += summary.frames
    return summaries


def _estimate(whole: Plan, runs: Sequence[SampleRun], summaries: Sequence[Summary]) -> Estimate | None:
    sampled = [
        Sampled(one.plan.before.frames or 1, came.frames, came.timings, came.finishing, bytes_of(came.output))
        for one, came in zip(runs, summaries, strict=True)
    ]
    return estimated(whole, sampled)


def _ending(output: Path) -> str:
    """Return how the name of a sample's result ends: numbered pictures, or a film as the whole would be."""
    if place_of(output)[1]:
        return ".%06d" + (output.suffix if has_number(output.name) else ".png")
    return output.suffix


def _part_of_name(label: str) -> str:
    """Return what tells the results of several settings apart, as a part of their names."""
    return "." + re.sub(r"[^\w.,=+-]+", "-", label.replace(", ", ",")) if label else ""
