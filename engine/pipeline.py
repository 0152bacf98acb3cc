"""One pass over a film: decode, each network in turn, encode, at the same time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..models.manifest import network_named
from ..models.spec import Kind, Network
from ..models.store import Artifact, Store
from .backend import Backend, LoadedNetwork
from .borders import SAMPLES, Borders, borders_of
from .chain import RESIZE, ahead_of, restored, stage_labels
from .encoding import keeps_pixel_aspect
from .frame import Format, Frame
from .job.folder import Job, job_folder
from .job.identity import MEMORY, Signature, identity_of, signature_of
from .job.segments import Position
from .job.space import check_start, guessed_size
from .memory import KEPT, Use, default_memory, shares
from .naming import check_apart, place_of, without_protocol
from .parity import Parity
from .prefetch import prefetch
from .restart import Trail
from .settings import Settings
from .sink import open_sink
from .size import box_from_text, resized, squared
from .source import Source, open_source
from .timings import Clock, Timings

_log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called at the start and after each frame written, with the count so far and the total or None."""


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
    """

    input: Path
    output: Path
    before: Format
    after: Format
    borders: Borders | None
    steps: tuple[Step, ...]
    job: Path | None
    size: int | None

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


@dataclass(frozen=True, slots=True)
class Step:
    """One network of a plan."""

    network: Network
    artifact: Artifact
    after: Format


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to.

    Attributes:
        output: Where it is.
        format: What it is.
        frames: How many it has.
        kept: How many of these an earlier run had made.
        seconds: What the run took, loading the networks included.
        timings: How the time after that was spent.
    """

    output: Path
    format: Format
    frames: int
    kept: int
    seconds: float
    timings: Timings


def plan(source: Path, output: Path, settings: Settings, store: Store) -> Plan:
    """Look at the film and the store, and say what a run would do.

    Raises:
        ReelError: A network is unknown, or the film is too small for it.
        InputError: The film cannot be read.
        OutputError: The output is the film that is read.
        StoreError: A network has not been exported.
    """
    networks = [network_named(name) for name in settings.order]
    source, output = without_protocol(source), without_protocol(output)
    check_apart(source, output)
    with _opened(source, settings) as film:
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


def run(plan: Plan, settings: Settings, backend: Backend, *, progress: Progress | None = None) -> Summary:
    """Carry out a plan.

    Raises:
        ReelError: Whatever went wrong, with its remedy; nothing is left where the output would be.
    """
    began = time.monotonic()
    trail, clock = Trail(), Clock()
    networks = [step.network for step in plan.steps]
    if plan.job is not None:
        check_start(plan.job, plan.output.parent, plan.size)
    with ExitStack() as stack:
        source = stack.enter_context(_opened(plan.input, settings))
        memory = settings.memory or default_memory()
        job = _job(plan, settings, source, backend, memory)
        sink = stack.enter_context(
            open_sink(
                plan.output,
                plan.after,
                encoding=settings.encoding,
                tracks_of=plan.input if source.has_tracks else None,
                start=settings.start,
                end=settings.end,
                tracks=settings.tracks,
                overwrite=settings.overwrite,
                note=_note(plan),
                job=job,
                restart_of=lambda moment: trail.restart(moment, networks, settings.cadence),
            )
        )
        written = sink.position.frames
        # Last, since it takes longest: whoever named an output that is there already hears of it at once.
        if not sink.position.whole:
            if settings.memory is None and job is not None:
                memory = _memory_as_before(job, memory)
            loaded = _loaded(plan, backend, memory, stack)
            clock.begin()
            frames = _frames(source, loaded, settings, clock, trail, sink.position, plan)
            with closing(frames), _interrupted_by_errors(loaded):
                if progress:
                    progress(written, plan.after.frames)  # the first frame may take minutes
                for frame in clock.timed("departure", frames):
                    sink.write(frame)
                    written += 1
                    if progress:
                        progress(written, plan.after.frames)
        timings = clock.stopped(
            decode="decode",
            arrival="arrival",
            stages=("analysis", *stage_labels(networks), *((RESIZE,) if plan.resizes else ())),
            departure="departure",
        )
    seconds = time.monotonic() - began
    return Summary(plan.output, plan.after, written, sink.position.frames, seconds, timings)


def _loaded(plan: Plan, backend: Backend, memory: int, stack: ExitStack) -> list[LoadedNetwork]:
    """Load the networks; those that take no more than a part of their share keep what they take."""
    uses = _uses(plan)
    return [
        stack.enter_context(
            LoadedNetwork(step.network, step.artifact, backend, memory=share, keep=KEPT * use.all <= share)
        )
        for step, use, share in zip(plan.steps, uses, shares(uses, memory), strict=True)
    ]


def _frames(
    source: Source,
    loaded: Sequence[LoadedNetwork],
    settings: Settings,
    clock: Clock,
    trail: Trail,
    position: Position,
    plan: Plan,
) -> prefetch[Frame]:
    """Return the frames that are still to be made, made ahead in a thread of their own."""
    if position.frames:
        _log.info("Going on after %d frames.", position.frames)
    frames = restored(
        source,
        loaded,
        settings,
        clock,
        trail,
        position.restart,
        since=position.until,
        borders=plan.borders,
        size=plan.after if plan.resizes else None,
    )
    return prefetch(frames, ahead_of(plan.after))


def _job(plan: Plan, settings: Settings, source: Source, backend: Backend, memory: int) -> Job | None:
    """Return the job of a run; None where nothing is worth keeping."""
    if plan.job is None:
        return None
    files, artifacts = source.files, [step.artifact for step in plan.steps]
    seen = _signature(plan.input, files)

    def watch() -> None:
        if _signature(plan.input, files) != seen:
            raise InputError(
                f"{plan.input} has changed while it was read.",
                "Put it back as it was and run the same command again, or start over with --fresh.",
            )

    return Job(
        plan.job,
        lambda: identity_of(files, settings, artifacts, device=backend.name, memory=memory),
        result=place_of(plan.output)[0],
        fresh=settings.fresh,
        watch=watch,
    )


def _memory_as_before(job: Job, memory: int) -> int:
    """Return what the run that began the job could take, if that is there again.

    In how many parts a frame is computed decides the last digit of some of its values.
    """
    before = job.begun.value(MEMORY) if job.begun else None
    return min(int(before), memory) if before else memory


def _signature(path: Path, files: Sequence[Path]) -> Signature:
    try:
        return signature_of(files)
    except OSError as error:
        raise InputError(
            f"{error.filename or path} has vanished while it was read ({error.strerror}).",
            "Put it back and run the same command again.",
        ) from error


@contextmanager
def _interrupted_by_errors(networks: Sequence[LoadedNetwork]) -> Generator[None]:
    """Let nobody wait for a frame, which may take minutes, once it is known that it is not wanted."""
    try:
        yield
    except BaseException:
        for network in networks:
            network.interrupt()
        raise


def _opened(path: Path, settings: Settings) -> Source:
    return open_source(
        path,
        start=settings.start,
        end=settings.end,
        rate=settings.rate,
        field=settings.field,
        tracks=settings.tracks,
        clip=bool(settings.order),
        hdr=settings.hdr,
    )


def _uses(plan: Plan) -> list[Use]:
    """Return each network with the size of the frames that it will be given."""
    uses: list[Use] = []
    film = plan.worked
    for step in plan.steps:
        uses.append(Use(step.network, film.height, film.width))
        film = step.after
    return uses


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


def _note(plan: Plan) -> str | None:
    if not plan.rehearsal:
        return None
    return f"reel rehearsal: {', '.join(plan.rehearsal)} ran on random weights"
