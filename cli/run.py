"""reel-run: a film in, the film restored out."""

from __future__ import annotations

import argparse
import os
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ReelError
from ..models.store import Store
from .batch import items_of, restore_all, sources_of
from .maps import joined
from .one import restore_one
from .options import NAMES, parser
from .preview import preview_one
from .summary import check_place, summary_json
from .sweep import MOST, combinations
from .terminal import DONE, Grammar, exit_code

if TYPE_CHECKING:
    from ..engine.runs.pipeline import Plan
    from ..engine.runs.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    grammar = parser()
    words = joined(sys.argv[1:] if arguments is None else arguments)
    options = _parsed(grammar, words)
    _find_input(options)
    if not options.sources:
        grammar.error("name a film, a folder of pictures or a photo to restore")
    _check_networks(grammar, options)
    options.columns = _columns(grammar, words, options)
    options.made = None
    plans: list[Plan] = []
    return exit_code(
        lambda: _run(options, plans),
        interrupted=lambda: f"Stopped. {_kept(plans) or _again(plans, options)}",
        failed=lambda: _kept(plans),
    )


def _parsed(grammar: Grammar, arguments: list[str]) -> argparse.Namespace:
    """Read a command line whose films may stand between its options, and after a ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = grammar.parse_intermixed_args(arguments[:end])  # it forgets what the -- was for
    options.sources += arguments[end + 1 :]
    return options


def _check_networks(grammar: Grammar, options: argparse.Namespace) -> None:
    unknown = [name for name in options.order or () if name.lower() not in NAMES]
    if unknown:
        grammar.error(f"there is no network called {unknown[0]!r}; choose among {', '.join(sorted(NAMES))}")


def _columns(
    grammar: Grammar, words: list[str], options: argparse.Namespace
) -> list[tuple[str, argparse.Namespace]]:
    """Return what a preview tries, as if each had been asked for alone; nothing without a preview."""
    if not (options.preview or options.sweep):
        if options.samples:
            grammar.error("--samples is of use with --preview or --sweep")
        return []
    if not options.sweep:
        return [("", options)]
    wanted = combinations(options.sweep)
    if len(wanted) > MOST:
        grammar.error(f"{len(wanted)} settings to try are too many to see; give up to {MOST}")
    columns: list[tuple[str, argparse.Namespace]] = []
    end = words.index("--") if "--" in words else len(words)
    for label, more in wanted:
        column = _parsed(grammar, [*words[:end], *more, *words[end:]])
        column.sources, column.paddlegan = options.sources, options.paddlegan
        if not any(sweep.option == "--order" for sweep in options.sweep):
            column.order = options.order  # without the film, which it may have swallowed
        _check_networks(grammar, column)
        columns.append((label, column))
    return columns


def _find_input(options: argparse.Namespace) -> None:
    """Take the input from wherever it was given; ``--order a b film.mp4`` swallows it."""
    options.paddlegan = options.source_option is not None
    if options.paddlegan and not options.sources:
        options.sources = [options.source_option]
    elif not options.sources:
        while options.order and _is_input(options.order[-1], first=not options.sources):
            options.sources.insert(0, options.order.pop())


def _is_input(word: str, *, first: bool) -> bool:
    """Whether a word of ``--order`` is a film; the last one is whatever is no network, others look so."""
    if word.lower() in NAMES:
        return False
    return first or bool(Path(word).suffix) or os.sep in word or Path(word).exists()


def _kept(plans: list[Plan]) -> str | None:
    """Say how to go on, if there is anything to go on with."""
    job = plans[-1].job if plans else None
    if job is None or not job.is_dir():
        return None
    return f"What is finished is kept in {job}; run the same command again to go on."


def _again(plans: list[Plan], options: argparse.Namespace) -> str:
    if options.made is not None:
        command = "the same command without --overwrite" if options.overwrite else "the same command again"
        return f"{options.made} is whole; run {command} for its comparison."
    if len(plans) > 1:
        return "Run the same command again to go on."
    return "Nothing was finished yet; run it again to start."


def _run(options: argparse.Namespace, plans: list[Plan]) -> int:
    if options.weight:
        raise ReelError(
            "Weights are not given to reel-run.",
            "Export them once with `reel-export NETWORK --weights PATH`.",
        )
    _choose_networks(options)
    settings = _settings(options)
    sources = sources_of(options.sources)
    if options.columns:
        return _preview(options, None if sources is None else len(sources))
    if sources is None:
        return _run_one(options, settings, plans)
    if options.report:
        raise ReelError(f"{options.report} is one report for several films.", "Leave its name out.")
    items = items_of(sources, options.output)
    if options.summary is not None:
        check_place(options.summary)
    return restore_all(items, settings, options, plans)


def _choose_networks(options: argparse.Namespace) -> None:
    """Fill in which networks restore a film where none are named, and note what is missing."""
    from ..engine.pixels.parity import Parity
    from ..engine.runs.order import default_order

    options.missing = []
    for each in [column for _, column in options.columns] or [options]:
        if each.order is None:
            default = default_order(Store(options.store), artistic=each.artistic, parity=Parity(each.parity))
            each.order = [*default.names]
            if default.why is not None and default.why not in options.missing:
                options.missing.append(default.why)


def _preview(options: argparse.Namespace, films: int | None) -> int:
    from ..engine.trial.preview import Column

    if films is not None:
        raise ReelError(
            f"A preview is of one film, and here are {films}.",
            "Name one of them, and restore all once it looks right.",
        )
    if options.summary is not None and not options.dry_run:
        check_place(options.summary)
    columns = [Column(label, _settings(column)) for label, column in options.columns]
    source, output = _places(options)
    return preview_one(source, output, columns, options)


def _places(options: argparse.Namespace) -> tuple[Path, Path]:
    """Return what is to be restored, and where the result goes."""
    from ..engine.writing.naming import chosen_output, default_output

    source = Path(options.sources[0])
    if options.output is None:
        return source, default_output(source)
    return source, chosen_output(source, options.output, film_in_folder=options.paddlegan)


def _run_one(options: argparse.Namespace, settings: Settings, plans: list[Plan]) -> int:
    source, output = _places(options)
    if options.summary is not None and not options.dry_run:
        check_place(options.summary)
    plan, summary = restore_one(source, output, settings, options, plans)
    if summary is not None and options.summary is not None:
        options.summary.write_text(summary_json(plan, summary) + "\n")
    return DONE


def _order(options: argparse.Namespace) -> tuple[str, ...] | None:
    if options.order is None:  # of a preview, whose columns have each their own
        return None
    names = [name.lower() for name in options.order]
    if options.artistic:
        names = ["deoldify-artistic" if name == "deoldify" else name for name in names]
    return tuple(names)


def _settings(options: argparse.Namespace) -> Settings:
    from ..engine.pixels.parity import Parity
    from ..engine.reading.fields import Field
    from ..engine.reading.tonemap import Hdr
    from ..engine.runs.settings import Settings
    from ..engine.stages.cadence import Cadence
    from ..engine.writing.encoding import Encoding

    if options.fps:
        cadence = Cadence(rate=options.fps)
    elif options.time_step:
        cadence = Cadence(factor=options.time_step)
    else:
        cadence = Cadence(factor=Fraction(2 if options.times is None else options.times))
    return Settings(
        order=_order(options),
        cadence=cadence,
        render_factor=options.render_factor,
        remove_duplicates=options.remove_duplicates or options.duplicates_option not in (None, "", "False"),
        cuts=options.cuts == "auto",
        parity=Parity(options.parity),
        start=options.start,
        end=options.end,
        rate=options.rate,
        field=Field(options.field),
        tracks=tuple(options.map),
        crop=options.crop == "auto",
        hdr=Hdr(options.hdr),
        size=options.picture_size,
        encoding=Encoding(
            codec=options.codec, crf=options.crf, preset=options.preset, pix_fmt=options.pix_fmt
        ),
        overwrite=options.overwrite,
        memory=options.memory,
        work=options.work_dir,
        fresh=options.fresh,
    )


if __name__ == "__main__":
    sys.exit(main())
