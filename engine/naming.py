"""Where a result goes, by what is restored and what the user wrote."""

from __future__ import annotations

from pathlib import Path

from .stills import STILL_SUFFIXES, has_number

_PICTURES = "%06d.png"
_FILMS = (".mp4", ".mkv", ".mov")
_ANY_TRACKS = ".mkv"  # holds every kind of sound and subtitle


def default_output(source: Path) -> Path:
    """Return a place beside the source: ``film.mp4`` -> ``film.restored.mp4``.

    Films in containers that few tracks fit into become ``.mkv``; pictures become pictures.
    """
    if source.is_dir():
        return source.with_name(f"{source.resolve().name}.restored") / _PICTURES
    if has_number(source.name):
        folder = source.parent.resolve()
        return folder.with_name(f"{folder.name}.restored") / _PICTURES
    suffix = source.suffix if source.suffix.lower() in (*_FILMS, *STILL_SUFFIXES) else _ANY_TRACKS
    return source.with_name(f"{source.stem}.restored{suffix}")


def chosen_output(source: Path, output: str, *, film_in_folder: bool = False) -> Path:
    """Return the place that a user named; a folder gets one picture per frame.

    Args:
        film_in_folder: A folder gets the film itself instead, as with PaddleGAN.
    """
    pictures = source.is_dir() or has_number(source.name)
    path = Path(output)
    nameless = not path.suffix and not has_number(path.name)
    folder = output.endswith("/") or path.is_dir()
    if film_in_folder and not pictures and (folder or nameless):
        return path / default_output(source).name
    return path / _PICTURES if folder or (pictures and nameless) else path
