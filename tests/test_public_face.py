"""What `import reel` offers, and what it does not drag in."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import reel

HEAVY = ("paddle", "onnx", "onnxruntime", "tensorrt", "av", "numpy", "jinja2", "leather", "PIL")


def test_the_public_names_are_these() -> None:
    assert reel.__all__ == ["ReelError", "Settings", "__version__", "restore"]


def test_every_public_name_is_there_and_listed() -> None:
    for name in reel.__all__:
        assert getattr(reel, name) is not None
        assert name in dir(reel)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'reel' has no attribute 'colour_film'"):
        _ = reel.colour_film  # type: ignore[attr-defined]


def test_importing_reel_loads_no_heavy_library() -> None:
    program = f"import reel, sys; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def write_film(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(6):
            picture = np.full((48, 64), 40 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        container.mux(stream.encode())


def test_restore_without_networks_decodes_and_encodes(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mkv")
    counts: list[int] = []
    summary = reel.restore(
        tmp_path / "film.mkv",
        tmp_path / "out.mkv",
        order=[],
        store=tmp_path,
        progress=lambda count, total: counts.append(count),
    )
    assert summary.frames == 6
    assert summary.output == tmp_path / "out.mkv"
    assert counts == [0, 1, 2, 3, 4, 5, 6]


def test_restore_writes_beside_the_source_where_no_output_is_named(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mkv")
    assert reel.restore(str(tmp_path / "film.mkv"), order=()).output == tmp_path / "film.restored.mkv"


def test_arguments_of_restore_go_before_its_settings(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mkv")
    settings = reel.Settings(order=("edvr",), start=Fraction(1, 24), overwrite=True)
    (tmp_path / "out.mkv").touch()
    summary = reel.restore(
        tmp_path / "film.mkv", tmp_path / "out.mkv", order=(), end=0.125, settings=settings
    )
    assert summary.frames == 2


def test_restore_names_the_command_for_a_network_that_is_not_exported(tmp_path: Path) -> None:
    write_film(tmp_path / "film.mkv")
    with pytest.raises(reel.ReelError, match="reel-export edvr"):
        reel.restore(tmp_path / "film.mkv", order=["edvr"], store=tmp_path)


def test_restore_refuses_times_together_with_fps(tmp_path: Path) -> None:
    with pytest.raises(reel.ReelError, match="Give one of them"):
        reel.restore(tmp_path / "film.mkv", times=2, fps=50)
