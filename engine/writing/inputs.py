"""What a user may name at once: films, photos, folders of pictures, folders of films."""

from __future__ import annotations

from pathlib import Path

from ..reading.stills import STILL_SUFFIXES
from .naming import default_output

FILM_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".divx", ".flv", ".f4v", ".wmv", ".asf", ".ogv"}
    | {".mpg", ".mpeg", ".m1v", ".m2v", ".vob", ".ts", ".mts", ".m2ts", ".mxf", ".dv", ".3gp", ".3g2"}
    | {".gif", ".y4m", ".nut", ".rm", ".rmvb", ".264", ".h264", ".265", ".hevc", ".ivf", ".mj2"}
)
_MADE = (".restored", ".restored.compare")


def films_in(folder: Path) -> list[Path]:
    """Return the films of a folder in the order of their names; none where it is one of pictures.

    Hidden files are no films, nor is what an earlier run has put beside its films.
    """
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in FILM_SUFFIXES
        and not file.name.startswith(".")
        and not file.stem.endswith(_MADE)
        and file.is_file()
    )


def pictures_in(folder: Path) -> int:
    """Return how many pictures a folder holds."""
    return sum(file.suffix.lower() in STILL_SUFFIXES for file in folder.iterdir())


def output_within(source: Path, folder: Path) -> Path:
    """Return the place of a result in a folder of results: ``film.mp4`` -> ``folder/film.restored.mp4``."""
    beside = default_output(source)
    if source.is_dir():  # pictures have a folder of their own
        return folder / beside.parent.name / beside.name
    return folder / beside.name
