"""Several films, one after the other: one that fails does not stop the others."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError, ReelError
from .beside import lacks_comparison
from .one import restore_one
from .summary import summary_facts
from .terminal import DONE, FAILED, complain, explained

if TYPE_CHECKING:
    from ..engine.runs.pipeline import Plan
    from ..engine.runs.settings import Settings

MADE, THERE, BROKEN, OPEN = "restored", "there already", "failed", "not begun"


@dataclass
class Item:
    """A film of a batch, where its result goes, and what became of it."""

    source: Path
    output: Path
    state: str = OPEN
    error: str | None = None
    run: dict[str, Any] | None = None


def sources_of(named: Sequence[str]) -> list[Path] | None:
    """Return the films of a batch; None where what is named is one film, photo or folder of pictures.

    A folder is one of films if it holds any, whatever else is in it.
    """
    from ..engine.writing.inputs import films_in, pictures_in

    sources: list[Path] = []
    batch = len(named) > 1
    for path in map(Path, named):
        films = films_in(path) if path.is_dir() else []
        if not films:
            sources.append(path)
            continue
        batch = True
        beside = pictures_in(path)
        left = f"; its {beside} pictures are left alone" if beside else ""
        print(f"{path} is a folder of {_number(len(films), 'film')}{left}", file=sys.stderr)
        sources += films
    return list(dict.fromkeys(sources)) if batch else None


def items_of(sources: Sequence[Path], output: str | None) -> list[Item]:
    """Return what is to be done.

    Args:
        sources: The films.
        output: The folder for all results; None: each lies beside its film.

    Raises:
        OutputError: ``output`` is a file, or two results would have one name.
    """
    from ..engine.reading.stills import STILL_SUFFIXES
    from ..engine.writing.inputs import FILM_SUFFIXES, output_within
    from ..engine.writing.naming import default_output

    if output is not None:
        folder = Path(output)
        suffix = "" if output.endswith("/") or folder.is_dir() else folder.suffix.lower()
        if folder.is_file() or suffix in FILM_SUFFIXES | STILL_SUFFIXES:
            raise OutputError(f"{output} is one file for several films.", "Name a folder with -o.")
    items = [
        Item(source, default_output(source) if output is None else output_within(source, Path(output)))
        for source in sources
    ]
    places: dict[Path, Path] = {}
    for item in items:
        other = places.setdefault(item.output.absolute(), item.source)
        if other != item.source:
            raise OutputError(
                f"{other} and {item.source} would both become {item.output}.",
                "Restore one of them by itself, with another name after -o.",
            )
    return items


def restore_all(
    items: Sequence[Item], settings: Settings, options: argparse.Namespace, plans: list[Plan]
) -> int:
    """Restore all films and print a summary; return the exit code, which is 1 if any failed."""
    try:
        for number, item in enumerate(items, start=1):
            print(f"[{number}/{len(items)}] {item.source}", file=sys.stderr)
            _restore(item, settings, options, plans)
    finally:
        if not options.dry_run:
            print(_table(items), file=sys.stderr)
            if options.summary is not None:
                options.summary.write_text(_as_json(items) + "\n")
    return FAILED if any(item.state == BROKEN for item in items) else DONE


def _restore(item: Item, settings: Settings, options: argparse.Namespace, plans: list[Plan]) -> None:
    try:
        if _is_made(item, settings) and not lacks_comparison(item.output, settings, options):
            item.state = THERE
            print(f"{item.output} is there already and is left as it is", file=sys.stderr)
            return
        plan, summary = restore_one(item.source, item.output, settings, options, plans)
        item.state = MADE
        item.run = summary and summary_facts(plan, summary)
    except (ReelError, OSError, MemoryError) as error:
        what, remedy = explained(error)
        item.state, item.error = BROKEN, f"{what} {remedy}"
        complain(what, remedy)
    except Exception as error:  # a mistake of reel's; the others are restored nevertheless
        traceback.print_exc()
        item.state, item.error = BROKEN, f"{type(error).__name__}: {error}"


def _is_made(item: Item, settings: Settings) -> bool:
    """Whether an earlier run has made the result: what is there is whole, unless a job speaks of it."""
    from ..engine.job.folder import job_folder
    from ..engine.writing.naming import place_of

    place, pictures = place_of(item.output)
    if settings.overwrite or not place.exists() or job_folder(place, settings.work).is_dir():
        return False
    return any(place.iterdir()) if pictures else True


def _table(items: Sequence[Item]) -> str:
    """Return a line for each film and one for all."""
    width = max(len(item.state) for item in items)
    lines = [
        f"{item.state:{width}}  {item.source} -> {item.output}" + (f": {item.error}" if item.error else "")
        for item in items
    ]
    counts = [(state, sum(item.state == state for item in items)) for state in (MADE, THERE, BROKEN, OPEN)]
    told = ", ".join(f"{count} {state}" for state, count in counts if count)
    return "\n".join(["", *lines, f"{_number(len(items), 'film')}: {told}"])


def _as_json(items: Sequence[Item]) -> str:
    return json.dumps(
        {
            "films": [
                {
                    "input": str(item.source),
                    "output": str(item.output),
                    "state": item.state,
                    "error": item.error,
                    "run": item.run,
                }
                for item in items
            ]
        },
        indent=2,
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
