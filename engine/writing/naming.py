"""Where a result goes, by what is restored and what the user wrote."""

from __future__ import annotations

from pathlib import Path

from ...errors import OutputError
from ..reading.stills import STILL_SUFFIXES, has_number, name_pattern

_PICTURES = "%06d"
_KEPT_KINDS = (".dpx", ".tif", ".tiff")  # of pictures; others become PNG, which loses nothing either
_FILMS = (".mp4", ".mkv", ".mov")
_ANY_TRACKS = ".mkv"  # holds every kind of sound and subtitle


def default_output(source: Path) -> Path:
    """Return a place beside the source: ``film.mp4`` -> ``film.restored.mp4``.

    Films in containers that few tracks fit into become ``.mkv``; pictures become pictures.
    """
    if source.is_dir() or has_number(source.name):
        folder = source if source.is_dir() else source.parent
        if folder.name in ("", ".."):  # "." has no name of its own
            folder = folder.resolve()
        return folder.parent / f"{folder.name}.restored" / _pictures_for(source)
    suffix = source.suffix if source.suffix.lower() in (*_FILMS, *STILL_SUFFIXES) else _ANY_TRACKS
    return source.with_name(f"{source.stem}.restored{suffix}")


def _pictures_for(source: Path) -> str:
    """Return how the pictures of a result are named; scans stay of the kind that they are."""
    files = [source]
    if source.is_dir():
        files = sorted(file for file in source.iterdir() if file.suffix.lower() in STILL_SUFFIXES)[:1]
    suffix = files[0].suffix.lower() if files else ""
    return _PICTURES + (
        suffix if suffix in _KEPT_KINDS and (source.is_dir() or has_number(source.name)) else ".png"
    )


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
    return path / _pictures_for(source) if folder or (pictures and nameless) else path


def place_of(output: Path) -> tuple[Path, bool]:
    """Return the file or folder that a result is, and whether it is a folder of pictures."""
    if has_number(output.name):
        return output.parent, True
    return output, output.is_dir()


def check_apart(source: Path, output: Path) -> None:
    """See that a result does not take the place of what it is made from.

    Raises:
        OutputError: It would, as a file or as pictures of the same names in one folder.
    """
    if not has_number(output.name):
        clash = output.exists() and source.exists() and output.samefile(source)
    else:
        folder = source if source.is_dir() else source.parent
        shared = folder.is_dir() and output.parent.is_dir() and folder.samefile(output.parent)
        clash = shared and any(name_pattern(output.name).fullmatch(name) for name in _names_read(source))
    if clash:
        raise OutputError(f"{output} is what is read.", "Name another output with -o.")


def _names_read(source: Path) -> list[str]:
    if source.is_dir():
        return [file.name for file in source.iterdir()]
    if has_number(source.name):
        return [
            file.name for file in source.parent.iterdir() if name_pattern(source.name).fullmatch(file.name)
        ]
    return [source.name]


def without_protocol(path: Path) -> Path:
    """Return a path that libav takes for a file: in ``12:30.mp4`` it would look for the protocol ``12``."""
    return path.absolute() if ":" in str(path) else path
