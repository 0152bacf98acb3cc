"""What a run will do, found before any network is loaded."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from ...models.deoldify import RENDER_BASE
from ...models.manifest import network_named
from ...models.spec import Kind, Network
from ...models.store import Artifact
from ..job.folder import Job, job_folder
from ..job.segments import RestartOf
from ..networks.artifacts import Artifacts
from ..networks.memory import Use
from ..pixels.borders import SAMPLES, Borders, borders_of
from ..pixels.frame import Format
from ..pixels.parity import Parity
from ..pixels.size import box_from_text, resized, squared
from ..reading.source import Source, open_source
from ..remarks import Remark, Remarks
from ..writing.encoding import keeps_pixel_aspect
from ..writing.naming import check_apart, place_of, without_protocol
from ..writing.sink import Sink, open_sink
from ..writing.space import guessed_size
from .settings import Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do, known before any network is loaded.

    Attributes:
        input, output: Paths.
        before, after: The film as it is, and as it will be.
        borders: What is left out of the networks' work and put back after it; None: nothing.
        steps: Each network with its exported files and the film after it, without its borders.
        job: Where unfinished work will be kept; None for a photo, of which there is none.
        size: Bytes of the result, roughly; None where its length is not known.
        remarks: The warnings that were given meanwhile.
    """

    input: Path
    output: Path
    before: Format
    after: Format
    borders: Borders | None
    steps: tuple[Step, ...]
    job: Path | None
    size: int | None
    remarks: tuple[Remark, ...] = ()

    @property
    def worked(self) -> Format:
        """The film as the first network is given it."""
        return self.before if self.borders is None else self.borders.inside(self.before)

    @property
    def resizes(self) -> bool:
        """Whether the film is brought to another size at last."""
        last = self.steps[-1].after if self.steps else self.worked
        scale = last.width // self.worked.width
        return (self.after.width, self.after.height) != (
            self.before.width * scale,
            self.before.height * scale,
        )

    @property
    def rehearsal(self) -> tuple[str, ...]:
        """Names of the networks that would run on random weights."""
        return tuple(step.network.name for step in self.steps if step.artifact.card.rehearsal)

    @property
    def note(self) -> str | None:
        """What the result's file says of itself, since it shows nothing real; None where it does."""
        if not self.rehearsal:
            return None
        return f"reel rehearsal: {', '.join(self.rehearsal)} ran on random weights"

    def uses(self, settings: Settings) -> list[Use]:
        """Return each network with the size of the frames that it will be given."""
        uses: list[Use] = []
        film, square = self.worked, settings.render_factor * RENDER_BASE
        for step in self.steps:
            colours = step.network.kind is Kind.COLOURISE
            size = (square, square) if colours else (film.height, film.width)
            uses.append(Use(step.network, *size))
            film = step.after
        return uses


@dataclass(frozen=True, slots=True)
class Step:
    """One network of a plan."""

    network: Network
    artifact: Artifact
    after: Format


def plan(source: Path, output: Path, settings: Settings, store: Artifacts) -> Plan:
    """Look at the film and the store, and say what a run would do.

    Raises:
        ReelError: A network is unknown, or the film is too small for it.
        InputError: The film cannot be read.
        OutputError: The output is the film that is read.
        StoreError: A network has not been exported.
    """
    with Remarks() as remarks:
        return replace(_planned(source, output, settings, store), remarks=remarks.kept)


def _planned(source: Path, output: Path, settings: Settings, store: Artifacts) -> Plan:
    networks = [network_named(name) for name in settings.networks]
    source, output = without_protocol(source), without_protocol(output)
    check_apart(source, output)
    with opened(source, settings) as film:
        before, borders = film.format, None
        if settings.crop and networks and settings.parity is Parity.CORRECT and not before.still:
            borders = borders_of(film.samples(SAMPLES))
    steps: list[Step] = []
    after = before if borders is None else borders.inside(before)
    for network in networks:
        if network.kind is Kind.INTERPOLATE and before.still:
            _log.warning("%s is left out: there is nothing to interpolate in a single picture.", network.name)
            continue
        after = _format_after(network, after, settings)
        steps.append(Step(network, store.find(network), after))
    if borders is not None:
        scale = after.width // borders.inside(before).width
        after = replace(after, width=before.width * scale, height=before.height * scale)
    place, pictures = place_of(output)
    if settings.size is not None:
        after = resized(after, box_from_text(settings.size))
    elif after.pixel_aspect != 1 and not (pictures or before.still):
        after = _with_shape_kept(after, output, settings)
    size = guessed_size(after, settings.encoding, pictures=pictures)
    job = None if before.still else job_folder(place, settings.work)
    return Plan(source, output, before, after, borders, tuple(steps), job, size)


def opened(path: Path, settings: Settings, *, planar: bool = False) -> Source:
    """Return the frames that settings ask for; see ``open_source`` for ``planar``."""
    return open_source(
        path,
        start=settings.start,
        end=settings.end,
        rate=settings.rate,
        field=settings.field,
        tracks=settings.tracks,
        clip=bool(settings.networks),
        hdr=settings.hdr,
        planar=planar,
    )


def sink_for(
    output: Path,
    film: Format,
    plan: Plan,
    settings: Settings,
    source: Source,
    *,
    note: str | None,
    job: Job | None,
    restart_of: RestartOf | None = None,
) -> Sink:
    """Return where frames made of a plan's film are encoded to, with those of its tracks that are wanted.

    Args:
        output, film: Where they go, and their format.
        plan, settings: What they are made by.
        source: The film, entered.
        note, job, restart_of: As ``open_sink`` takes them.
    """
    return open_sink(
        output,
        film,
        encoding=settings.encoding,
        tracks_of=plan.input if source.has_tracks else None,
        start=settings.start,
        end=settings.end,
        tracks=settings.tracks,
        overwrite=settings.overwrite,
        note=note,
        job=job,
        restart_of=restart_of,
    )


def _format_after(network: Network, film: Format, settings: Settings) -> Format:
    if network.kind is Kind.INTERPOLATE:
        return settings.cadence.output_format(film)
    if network.kind is Kind.COLOURISE and film.sampling == "grey":
        return replace(film, sampling="420")
    return replace(film, width=film.width * network.scale, height=film.height * network.scale)


def _with_shape_kept(film: Format, output: Path, settings: Settings) -> Format:
    """Return what a film of pixels that are not square becomes, where its file may not be able to say so."""
    if keeps_pixel_aspect(output, settings.encoding, film):
        return film
    square = squared(film)
    _log.warning(
        "%s cannot say that pixels are %s wide to %s high, as .mp4 or .mov could; so the film is made %dx%d, "
        "with square ones.",
        output,
        film.pixel_aspect.numerator,
        film.pixel_aspect.denominator,
        square.width,
        square.height,
    )
    return square
