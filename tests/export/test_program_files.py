"""Finding the two files of a frozen program: nothing is unpacked, and a hostile tar gets nowhere."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from reel.errors import WeightsError
from reel.export.program_files import program_files


def member(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info


def tarred(path: Path, files: dict[str, bytes], *others: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as tar:
        for info in others:
            tar.addfile(info)
        for name, data in files.items():
            tar.addfile(member(name, len(data)), io.BytesIO(data))
    return path


GOOD = {"DAIN_weight/model": b"the model", "DAIN_weight/params": b"the params"}


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        program_files(path)
    assert caught.value.remedy
    return caught.value.message


@pytest.mark.parametrize("names", [("model", "params"), ("d/model", "d/params"), ("./d/model", "./d/params")])
def test_a_tar_is_read_wherever_the_two_files_lie_in_it(tmp_path: Path, names: tuple[str, str]) -> None:
    files = {"d/._model": b"left by a Mac", names[0]: b"the model", names[1]: b"the params"}
    found = program_files(tarred(tmp_path / "w.tar", files, member("d", 0, tarfile.DIRTYPE)))
    assert (found.model, found.params) == (b"the model", b"the params")


def test_a_compressed_tar_is_read(tmp_path: Path) -> None:
    plain = tarred(tmp_path / "w.tar", GOOD)
    packed = tmp_path / "w.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert program_files(packed) == program_files(plain)


@pytest.mark.parametrize(
    "names", [("model", "params"), ("__model__", "__params__"), ("a.pdmodel", "a.pdiparams")]
)
def test_a_folder_is_read_directly_or_one_folder_deeper_or_by_its_model(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    inner = tmp_path / "DAIN_weight"
    inner.mkdir()
    (inner / names[0]).write_bytes(b"the model")
    (inner / names[1]).write_bytes(b"the params")
    for path in (tmp_path, inner, inner / names[0]):
        assert program_files(path).params == b"the params"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (member("/etc/model", 0), "outside its own folder"),
        (member("../model", 0), "outside its own folder"),
        (member("d/../../x", 0), "outside its own folder"),
        (member("model", 0, tarfile.SYMTYPE), "no plain file"),
        (member("params", 0, tarfile.LNKTYPE), "no plain file"),
        (member("model", 0, tarfile.CHRTYPE), "no plain file"),
        (member("model", 0, tarfile.BLKTYPE), "no plain file"),
        (member("pipe", 0, tarfile.FIFOTYPE), "no plain file"),
        (member("model", 0), "more than one"),
    ],
)
def test_a_tar_with_anything_but_plain_files_is_refused(
    tmp_path: Path, bad: tarfile.TarInfo, said: str
) -> None:
    if bad.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        bad.linkname = "/etc/passwd"
    assert said in refusal(tarred(tmp_path / "w.tar", GOOD, bad))


@pytest.mark.parametrize("name", ["model", "params", "film"])
def test_a_member_that_claims_ten_terabytes_is_refused_unread(tmp_path: Path, name: str) -> None:
    path = tmp_path / "w.tar"
    path.write_bytes(member(name, 10 << 40).tobuf(tarfile.GNU_FORMAT) + b"x" * 10_000)
    assert "claims 10995116277760 bytes" in refusal(path)


def test_a_tar_of_endless_members_is_refused(tmp_path: Path) -> None:
    files = {f"file{index}": b"" for index in range(300)}
    assert "more than 256" in refusal(tarred(tmp_path / "w.tar", files))


def test_a_tar_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = tarred(tmp_path / "w.tar", {"model": b"m" * 700, "params": b"p" * 3000}).read_bytes()
    for length in range(0, 512 * 3 + 3500, 191):
        path = tmp_path / "cut.tar"
        path.write_bytes(whole[:length])
        refusal(path)


@pytest.mark.parametrize("left", ["model", "params"])
def test_a_missing_file_is_named(tmp_path: Path, left: str) -> None:
    gone = "params" if left == "model" else "model"
    assert gone in refusal(tarred(tmp_path / "w.tar", {left: b"x"}))
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "no frozen program" in refusal(folder)
    (folder / left).write_bytes(b"x")
    assert f"0 {gone} files" in refusal(folder)


def test_what_is_no_tar_or_is_not_there_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "w.tar"
    page.write_bytes(b"<html>404</html>" * 100)
    assert "not a tar" in refusal(page)
    assert "No such file" in refusal(tmp_path / "absent.tar")
