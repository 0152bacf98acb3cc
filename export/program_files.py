"""Finds the two files of a frozen Paddle program in a tar or a folder, without unpacking anything."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import WeightsError

_MODEL_NAMES = frozenset({"model", "__model__"})
_PARAMS_NAMES = frozenset({"params", "__params__"})
_MOST_MODEL = 64 << 20  # bytes; PaddleGAN's DAIN is a few hundred KB
_MOST_PARAMS = 1 << 30  # bytes; PaddleGAN's DAIN is 38 MB
_MOST_MEMBERS = 256

_REMEDY = (
    "Give PaddleGAN's DAIN_weight.tar or the folder it unpacks to; "
    "if it was downloaded, delete it and export again."
)


@dataclass(frozen=True, slots=True)
class ProgramFiles:
    """The bytes of a frozen program: its ProgramDesc and its concatenated tensors."""

    model: bytes
    params: bytes


def program_files(path: Path) -> ProgramFiles:
    """Read the two files of a frozen program.

    Args:
        path: A tar that holds them, a folder that holds them directly or one folder deeper, or the
            model file beside its params. They are called ``model`` or ``__model__`` or ``*.pdmodel``,
            and ``params`` or ``__params__`` or ``*.pdiparams``.

    Raises:
        WeightsError: They are missing, ambiguous or absurdly large, or the tar is damaged or holds
            anything but plain files and folders with plain relative names.
    """
    try:
        if path.is_dir():
            return _from_folder(path)
        if _is_model(path.name):
            return _from_folder(path.parent)
        return _from_tar(path)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError) as error:
        raise WeightsError(f"{path.name} is half downloaded, damaged or not a tar.", _REMEDY) from error
    except MemoryError as error:
        raise WeightsError(f"{path.name} claims more memory than this machine has.", _REMEDY) from error
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.", _REMEDY) from error


def _is_model(name: str) -> bool:
    return name in _MODEL_NAMES or name.endswith(".pdmodel")


def _is_params(name: str) -> bool:
    return name in _PARAMS_NAMES or name.endswith(".pdiparams")


def _from_folder(folder: Path) -> ProgramFiles:
    for place in (folder, *sorted(child for child in folder.iterdir() if child.is_dir())):
        files = [child for child in sorted(place.iterdir()) if child.is_file()]
        models = [child for child in files if _is_model(child.name)]
        params = [child for child in files if _is_params(child.name)]
        if not models and not params:
            continue
        model, param = _only(place, "model", models), _only(place, "params", params)
        _refuse_size("model", model.stat().st_size, _MOST_MODEL)
        _refuse_size("params", param.stat().st_size, _MOST_PARAMS)
        return ProgramFiles(model.read_bytes(), param.read_bytes())
    raise WeightsError(f"{folder} holds no frozen program: no files model and params.", _REMEDY)


def _only(place: Path, what: str, found: list[Path]) -> Path:
    if len(found) != 1:
        raise WeightsError(f"{place} holds {len(found)} {what} files where one belongs.", _REMEDY)
    return found[0]


def _from_tar(path: Path) -> ProgramFiles:
    models: list[bytes] = []
    params: list[bytes] = []
    with tarfile.open(path) as tar:
        for count, member in enumerate(tar):
            _refuse_member(path, member, count)
            name = PurePosixPath(member.name).name
            if member.isreg() and _is_model(name):
                models.append(_contents(tar, member, _MOST_MODEL))
            elif member.isreg() and _is_params(name):
                params.append(_contents(tar, member, _MOST_PARAMS))
            if len(models) > 1 or len(params) > 1:
                raise WeightsError(f"{path.name} holds more than one frozen program.", _REMEDY)
    if not models or not params:
        missing = "model" if not models else "params"
        raise WeightsError(f"{path.name} holds no file {missing}.", _REMEDY)
    return ProgramFiles(models[0], params[0])


def _refuse_member(path: Path, member: tarfile.TarInfo, count: int) -> None:
    """Refuse a tar that tries anything. Nothing is unpacked, so this is only a second lock."""
    name = PurePosixPath(member.name)
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise WeightsError(f"{path.name} holds {member.name[:80]!r}, which is no plain file.", _REMEDY)
    if name.is_absolute() or ".." in name.parts:
        raise WeightsError(f"{path.name} holds {member.name[:80]!r}, outside its own folder.", _REMEDY)
    if count >= _MOST_MEMBERS:
        raise WeightsError(f"{path.name} holds more than {_MOST_MEMBERS} files.", _REMEDY)
    _refuse_size(member.name[:80], member.size, _MOST_PARAMS)


def _refuse_size(name: str, size: int, limit: int) -> None:
    if not 0 <= size <= limit:
        raise WeightsError(f"{name} claims {size} bytes, more than the {limit} any program needs.", _REMEDY)


def _contents(tar: tarfile.TarFile, member: tarfile.TarInfo, limit: int) -> bytes:
    _refuse_size(member.name[:80], member.size, limit)
    file = tar.extractfile(member)
    data = b"" if file is None else file.read(limit)
    if len(data) != member.size:
        raise EOFError(f"{member.name} is cut off")
    return data
