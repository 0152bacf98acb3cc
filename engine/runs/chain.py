"""The frames of the result: a film's frames, looked through for cuts, and each network in turn."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from functools import partial

from ...errors import InputError
from ...models.spec import Kind, Network
from ..job.restart import Restart, Trail, as_before
from ..networks.backend import LoadedNetwork
from ..pixels.borders import Borders
from ..pixels.frame import Format, Frame, Stage
from ..pixels.held import mark_held
from ..pixels.operations import HostOperations, Operations
from ..pixels.parity import Parity
from ..pixels.planar import Coding
from ..pixels.shots import mark_cuts
from ..prefetch import prefetch
from ..reading.source import Source
from ..stages.colourise import Colourise
from ..stages.interpolate import Interpolate
from ..stages.resize import Resize
from ..stages.surround import Surround
from ..stages.upscale import Upscale
from ..timings import Clock
from .on_device import OnDevice
from .settings import Settings

AHEAD = 4  # frames decoded, and frames to encode, that may wait; more would only cost memory
# As the table of timings calls the last stages.
RESIZE, DOWNLOAD = "resize", "download"
_WAITING = 64 << 20  # bytes of frames to encode; at least one may wait

_log = logging.getLogger(__name__)


def restored(
    source: Source,
    networks: Sequence[LoadedNetwork],
    settings: Settings,
    clock: Clock,
    trail: Trail,
    restart: Restart | None = None,
    *,
    since: Fraction | None = None,
    borders: Borders | None = None,
    size: Format | None = None,
    on_device: OnDevice | None = None,
    coding: Coding | None = None,
) -> Generator[Frame]:
    """Give the frames of the result, from where a run begins again or from the beginning.

    Args:
        source: Entered, and not read from.
        networks: Loaded, in order.
        settings: What to make of the film.
        clock: Told how long each part takes, under ``decode``, ``arrival``, ``analysis`` and the labels
            of the stages.
        trail: Told what is found out about the film.
        restart: Where to begin.
        since: Time of the first frame that is wanted, in seconds, where there is no restart that says so.
        borders: What is taken off before the networks and put back after them.
        size: The film whose width and height the frames are brought to at last; None: they stay as they are.
        on_device: Where frames stay between the networks, entered; None: in the machine's memory.
        coding: Of the planes that frames which were on a device may be given as; None: they are RGB.

    Raises:
        InputError: The film is damaged, or not the one that the restart was made of.
    """
    with ExitStack() as parts:

        def through(stage: Stage, frames: Iterator[Frame], name: str | None = None) -> Iterator[Frame]:
            frames = stage(frames)
            close = getattr(frames, "close", None)
            if close:
                parts.callback(close)
            return clock.timed(name, frames) if name else frames

        surround = None if borders is None else Surround(borders)

        def analysed(seek: bool = True) -> Iterator[Frame] | None:
            if restart is not None:
                source.go_to(restart.marks[0].time, restart.marks[0].index, seek=seek)
            decoded = prefetch(clock.timed("decode", source.frames()), AHEAD)
            frames = through(iter, decoded, "arrival")
            if surround is not None:
                frames = through(surround.off, frames)
            if settings.cuts and settings.parity is Parity.CORRECT and networks:
                frames = through(mark_cuts, frames)
            return frames if restart is None else as_before(frames, restart)

        frames = analysed()
        if frames is None:
            _log.warning("%s cannot be sought in exactly; it is decoded from its beginning.", source.path)
            parts.close()
            frames = analysed(seek=False)
        if frames is None:
            raise InputError(
                f"{source.path} does not decode to the same frames as before.",
                "Start over with --fresh.",
            )
        if settings.remove_duplicates:
            frames = through(mark_held, frames)
        frames = through(trail.follow, frames, "analysis")
        operations = HostOperations(settings.parity) if on_device is None else on_device.operations
        if on_device is not None:
            frames = through(on_device.arriving, frames)
        labels = stage_labels([network.network for network in networks])
        for place, network in enumerate(networks):
            needed = restart.since[place] if restart else None
            first = restart.first if restart else None
            stage = _stage(network, settings, operations, first=first, since=needed)
            frames = through(stage, frames, labels[place])
        begin = restart.time if restart else since
        frames = (frame for frame in frames if begin is None or frame.time >= begin)
        resize = None
        if size is not None:
            # Borders are put back in the machine's memory, and the whole is resized.
            by = operations if surround is None else HostOperations()
            resize = Resize(height=size.height, width=size.width, operations=by)
        if resize is not None and surround is None:
            frames, resize = through(resize, frames, RESIZE), None
        if on_device is not None:
            # What is still to be put around the pictures, or done to them, is so in RGB.
            planes = coding if surround is None else None
            frames = through(partial(on_device.leaving, coding=planes), frames, DOWNLOAD)
        if surround is not None:
            frames = through(surround.on, frames)
        if resize is not None:
            frames = through(resize, frames, RESIZE)
        yield from frames


def ahead_of(film: Format) -> int:
    """Return how many frames of the result may wait to be encoded."""
    return max(1, min(AHEAD, _WAITING // (film.height * film.width * 3 * 4)))


def stage_labels(networks: Sequence[Network]) -> list[str]:
    """Return a name for each network of a chain, numbered where one comes again."""
    names = [network.name for network in networks]
    again = [names[:place].count(name) + 1 for place, name in enumerate(names)]
    return [name if times == 1 else f"{name} ({times})" for name, times in zip(names, again, strict=True)]


def stage_names(
    networks: Sequence[Network], *, resizes: bool, borders: bool, on_device: bool
) -> tuple[str, ...]:
    """Return the names of all stages of ``restored`` in their order."""
    last = [RESIZE] if resizes else []
    if on_device:
        last = [DOWNLOAD, *last] if borders else [*last, DOWNLOAD]
    return ("analysis", *stage_labels(networks), *last)


def _stage(
    network: LoadedNetwork,
    settings: Settings,
    operations: Operations,
    *,
    first: Fraction | None,
    since: Fraction | None,
) -> Stage:
    parity = settings.parity
    match network.network.kind:
        case Kind.INTERPOLATE:
            return Interpolate(
                network, settings.cadence, parity=parity, first=first, since=since, operations=operations
            )
        case Kind.COLOURISE:
            return Colourise(
                network,
                render_factor=settings.render_factor,
                parity=parity,
                since=since,
                operations=operations,
            )
        case Kind.UPSCALE:
            return Upscale(network, parity=parity, since=since, operations=operations)
