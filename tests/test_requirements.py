"""The requirements files are whole: pinned, hashed, without what is not needed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from reel.tests.tensorrt_bindings import VERSIONS

ROOT = Path(__file__).resolve().parents[1]
FILES = ("run", "export", "test")
ALL_FILES = (*FILES, "bench", "nvidia", "gpu")
OLD_PINS = {
    "easydict",
    "imageio-ffmpeg",
    "librosa",
    "matplotlib",
    "munch",
    "natsort",
    "numba",
    "opencv-python",
    "scikit-image",
    "scipy",
}


def text(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def pins(name: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^([a-z0-9.-]+)==(\S+)", text(name), re.MULTILINE))


def names(name: str) -> set[str]:
    return {package for package, _ in pins(name)}


@pytest.mark.parametrize("name", ALL_FILES)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    entries = re.sub(r"\\\n", " ", re.sub(r"^ *#.*\n", "", text(name), flags=re.MULTILINE)).splitlines()
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_bindings_of_every_version_that_is_compared_are_pinned_and_hashed() -> None:
    folder = ROOT / "requirements" / "bindings"
    assert {path.stem for path in folder.iterdir()} == {f"tensorrt-{version}" for version in VERSIONS}
    for path in folder.iterdir():
        (entry,) = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", path.read_text(), flags=re.M)).splitlines()
        version = path.stem.removeprefix("tensorrt-")
        assert re.match(rf"tensorrt-[a-z0-9-]+=={version}\.\S+ ;.*--hash=sha256:[0-9a-f]{{64}}$", entry), (
            entry
        )


@pytest.mark.parametrize("name", ALL_FILES)
def test_no_requirement_names_a_registry(name: str) -> None:
    assert re.findall(r"https?:|index-url|find-links|file:", text(name)) == []


@pytest.mark.parametrize("name", FILES)
def test_the_libraries_that_ppgan_pins_are_left_out(name: str) -> None:
    assert names(name) & OLD_PINS == set()


def test_running_needs_no_paddle() -> None:
    assert {name for name in names("run") if "paddle" in name or name in ("onnx", "ppgan")} == set()


def test_the_files_contain_one_another_with_the_same_versions() -> None:
    assert pins("run") <= pins("export") <= pins("test") <= pins("bench")


@pytest.mark.parametrize("name", ["nvidia", "gpu"])
def test_there_is_one_onnx_runtime_where_there_is_a_gpu(name: str) -> None:
    # Both write the same files: with the two of them CUDA was gone after pip's and uv's installation.
    assert {package for package in names(name) if package.startswith("onnxruntime")} == {"onnxruntime-gpu"}


def test_a_gpu_changes_nothing_but_onnx_runtime() -> None:
    missing = {package for package, _ in pins("export") - pins("nvidia")}
    assert missing == {"onnxruntime"}
    (usual,) = (version for package, version in pins("export") if package == "onnxruntime")
    assert ("onnxruntime-gpu", usual) in pins("nvidia")


def test_every_dependency_of_the_project_is_in_its_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]

    def wanted(requirements: list[str]) -> set[str]:
        return {re.split(r"[\[<>=;! ]", requirement)[0] for requirement in requirements}

    assert wanted(project["dependencies"]) <= names("run")
    assert wanted(extras["export"]) | {"ppgan"} <= names("export")
    assert wanted(extras["test"]) <= names("test")
    assert wanted(extras["bench"]) <= names("bench")
    assert wanted(extras["cuda"]) <= names("nvidia")
