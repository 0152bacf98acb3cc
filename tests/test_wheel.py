"""What pip installs is the whole of reel: what is no code is in the wheel too, and found where it lies."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from reel.models.manifest import NETWORKS

ROOT = Path(__file__).resolve().parents[1]
STAND_INS = ("models/a-network.npz", "models/shipped/a-network/fp32-0123/card.json")
STAND_INS += ("models/shipped/a-network/fp32-0123/a-graph.onnx",)
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"

# Only what runs is installed on this machine: whatever else is imported is an error.
RUN_ALONE = """
import sys
for library in ("paddle", "paddle2onnx", "onnx", "ppgan", "torch", "cv2"):
    sys.modules[library] = None
import reel
from reel.cli.run import main
assert reel.__file__.startswith(sys.argv[1]), reel.__file__
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel of this tree, and of stand-ins for a network that comes with reel; unpacked."""
    pytest.importorskip("setuptools", reason="needs setuptools to build a wheel")
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = {name.split(".")[1] for name in project["tool"]["setuptools"]["packages"] if "." in name}
    for part in parts:
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "__init__.py", "errors.py"):
        shutil.copy(ROOT / name, tree / name)
    for stand_in in STAND_INS:
        (tree / stand_in).parent.mkdir(parents=True, exist_ok=True)
        (tree / stand_in).write_text(stand_in)
    subprocess.run([sys.executable, "-c", BUILD, folder], cwd=tree, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    tree, installed = wheel / "tree", wheel / "installed" / "reel"
    parts = {path.parts[0] for path in (p.relative_to(tree) for p in tree.glob("*/__init__.py"))}
    wanted = {path for part in parts for path in (tree / part).rglob("*") if path.is_file()}
    missing = [path for path in wanted if not (installed / path.relative_to(tree)).is_file()]
    assert missing == []
    assert len(wanted) > 100
    assert all((installed / stand_in).read_text() == stand_in for stand_in in STAND_INS)


@pytest.mark.skipif(not any(n.shipped for n in NETWORKS), reason="needs a network that comes with reel")
def test_whoever_has_installed_only_that_can_restore_a_film(wheel: Path, tmp_path: Path) -> None:
    film, result = tmp_path / "film.mp4", tmp_path / "out.mkv"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(12))
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(3):
            picture = np.full((32, 48), 90, np.uint8)
            picture[8:24, 8 + 4 * number : 24 + 4 * number] = 180
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())
    installed = wheel / "installed"
    words = [film, "-o", result, "--codec", "ffv1", "--store", tmp_path / "none", "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALONE, installed, *map(str, words)],
        env={"PYTHONPATH": str(installed), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert " -> dain-s -> edvr-s-film -> " in done.stderr
    with av.open(str(result)) as container:
        made = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert (len(made), made[0].shape) == (6, (128, 192, 3))
    before, between, after = (np.flatnonzero(picture[64, :, 0] > 135).mean() for picture in made[:3])
    assert before + 4 < between < after - 4  # 16 pixels from the first to the third
    assert all(np.ptp(picture, axis=2).max() <= 4 for picture in made)  # grey as it was
