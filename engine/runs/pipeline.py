"""One pass over a film: decode, each network in turn, encode, at the same time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from ...errors import InputError
from ...models.store import Artifact
from ..job.folder import Job
from ..job.identity import MEMORY, Identity, Signature, identity_of, signature_of
from ..job.restart import Trail
from ..job.segments import Position
from ..networks.backend import Backend, LoadedNetwork
from ..networks.memory import KEPT, default_memory, shares
from ..pixels.frame import Frame
from ..pixels.graph_operations import GraphOperations
from ..prefetch import prefetch
from ..reading.source import Source
from ..remarks import Remarks
from ..timings import Clock, Timings
from ..writing.hardware_encoder import with_hardware
from ..writing.naming import place_of
from ..writing.sink import Sink
from ..writing.space import check_start
from .chain import ahead_of, restored, stage_names
from .course import Observer
from .on_device import OnDevice, picture_graphs
from .plan import Plan, Step, opened, plan, sink_for
from .settings import Settings
from .summary import Summary

__all__ = ["Plan", "Progress", "Step", "plan", "run"]

_log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called at the start and after each frame written, with the count so far and the total or None."""


def run(
    plan: Plan,
    settings: Settings,
    backend: Backend,
    *,
    progress: Progress | None = None,
    shot: Callable[[int], None] | None = None,
) -> Summary:
    """Carry out a plan.

    Args:
        plan: What is to be done.
        settings: What it was made with.
        backend: What runs the networks.
        progress: Told of every frame.
        shot: Told the number of a shot, from 1, before the first frame of it is written.

    Raises:
        ReelError: Whatever went wrong, with its remedy; nothing is left where the output would be.
    """
    began = time.monotonic()
    trail, clock = Trail(), Clock()
    networks = [step.network for step in plan.steps]
    artifacts = [step.artifact for step in plan.steps]
    pictures = picture_graphs(artifacts, backend, settings.parity)
    observer = Observer(lambda: _spent(clock, plan, on_device=pictures is not None))
    if plan.job is not None:
        check_start(plan.job, plan.output.parent, plan.size)
    with ExitStack() as stack:
        remarks = stack.enter_context(Remarks(plan.remarks))
        # Borders are taken off in the machine's memory, which takes RGB.
        planar = pictures is not None and plan.borders is None
        source = stack.enter_context(opened(plan.input, settings, planar=planar))
        memory = settings.memory or backend.memory() or default_memory()
        used = artifacts if pictures is None else [*artifacts, pictures]
        # Part of what the job is known by: its segments are all made by one encoder.
        encoding = with_hardware(settings.encoding, plan.output, plan.after, backend)
        coded = replace(settings, encoding=encoding)
        job = _job(plan, coded, source, used, backend, memory=memory)
        sink = stack.enter_context(
            sink_for(
                plan.output,
                plan.after,
                plan,
                coded,
                source,
                note=plan.note,
                job=job,
                restart_of=lambda moment: trail.restart(moment, networks, settings.cadence),
            )
        )
        written = sink.position.frames
        # Last, since it takes longest: whoever named an output that is there already hears of it at once.
        if not sink.position.whole:
            if settings.memory is None and job is not None:
                memory = _memory_as_before(job, memory)
            loaded = _loaded(plan, settings, backend, memory, stack)
            on_device = _on_device(backend, pictures, stack)
            if sink.position.restart is not None:
                trail.go_on(sink.position.restart)
            clock.begin()
            observer.begin([card.since for card in job.cards] if job else [])
            frames = _frames(source, loaded, settings, clock, trail, sink, plan, on_device)
            running = loaded if on_device is None else [*loaded, on_device.operations]
            with closing(frames), _interrupted_by_errors(running):
                written = _write(frames, sink, plan, clock, observer, progress, shot)
            observer.finish()
        timings, written_by = _spent(clock, plan, on_device=pictures is not None), time.monotonic()
    end = time.monotonic()
    seconds, finishing, kept = end - began, end - written_by, sink.position.frames
    course = observer.end(backend.name, remarks.kept)
    made = (plan.output, plan.after, written, kept)
    return Summary(*made, seconds, timings, plan, settings, course, finishing)


def _write(
    frames: Iterator[Frame],
    sink: Sink,
    plan: Plan,
    clock: Clock,
    observer: Observer,
    progress: Progress | None,
    shot: Callable[[int], None] | None,
) -> int:
    """Write the frames that are still to be made, and return how many the result then has."""
    written, shots = sink.position.frames, _shots_before(sink.position)
    if progress:
        progress(written, plan.after.frames)  # the first frame may take minutes
    for frame in clock.timed("departure", frames):
        if shot and shots is not None and frame.cut:
            shots += 1
            shot(shots)
        sink.write(frame)
        observer.wrote(frame)
        written += 1
        if progress:
            progress(written, plan.after.frames)
    return written


def _spent(clock: Clock, plan: Plan, *, on_device: bool) -> Timings:
    stages = stage_names(
        [step.network for step in plan.steps],
        resizes=plan.resizes,
        borders=plan.borders is not None,
        on_device=on_device,
    )
    return clock.stopped(decode="decode", arrival="arrival", stages=stages, departure="departure")


def _shots_before(position: Position) -> int | None:
    """Return how many shots begin before the first frame that is to be made; None where that is not known."""
    if position.restart is not None:
        return position.restart.shots_before
    return None if position.frames else 0


def _loaded(
    plan: Plan, settings: Settings, backend: Backend, memory: int, stack: ExitStack
) -> list[LoadedNetwork]:
    """Load the networks; those that take no more than a part of their share keep what they take."""
    uses = plan.uses(settings)
    return [
        stack.enter_context(
            LoadedNetwork(step.network, step.artifact, backend, memory=share, keep=KEPT * use.all <= share)
        )
        for step, use, share in zip(plan.steps, uses, shares(uses, memory), strict=True)
    ]


def _on_device(backend: Backend, pictures: Artifact | None, stack: ExitStack) -> OnDevice | None:
    if pictures is None or backend.device is None:
        return None
    return stack.enter_context(OnDevice(backend.device, backend, pictures))


def _frames(
    source: Source,
    loaded: Sequence[LoadedNetwork],
    settings: Settings,
    clock: Clock,
    trail: Trail,
    sink: Sink,
    plan: Plan,
    on_device: OnDevice | None,
) -> prefetch[Frame]:
    """Return the frames that are still to be made, made ahead in a thread of their own."""
    position = sink.position
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
        on_device=on_device,
        coding=sink.coding,
    )
    return prefetch(frames, ahead_of(plan.after))


def _job(
    plan: Plan,
    settings: Settings,
    source: Source,
    artifacts: Sequence[Artifact],
    backend: Backend,
    *,
    memory: int,
) -> Job | None:
    """Return the job of a run; None where nothing is worth keeping."""
    if plan.job is None:
        return None
    files = source.files
    seen = _signature(plan.input, files)

    def watch() -> None:
        if _signature(plan.input, files) != seen:
            raise InputError(
                f"{plan.input} has changed while it was read.",
                "Put it back as it was and run the same command again, or start over with --fresh.",
            )

    def identity() -> Identity:
        runners = {step.network.name: backend.runner(step.artifact) for step in plan.steps}
        return identity_of(files, settings, artifacts, device=backend.name, memory=memory, runners=runners)

    return Job(
        plan.job,
        identity,
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
def _interrupted_by_errors(running: Sequence[LoadedNetwork | GraphOperations]) -> Generator[None]:
    """Let nobody wait for a frame, which may take minutes, once it is known that it is not wanted."""
    try:
        yield
    except BaseException:
        for each in running:
            each.interrupt()
        raise
