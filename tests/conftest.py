"""What tests of several parts share."""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av import CodecContext, VideoFrame


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Give a folder of the material that is too large for the repository, or skip the test without it.

    It lies in ``../shared`` or where ``REEL_SHARED`` says.
    """
    root = Path(os.environ.get("REEL_SHARED") or Path(__file__).resolve().parents[2] / "shared")

    def folder(name: str) -> Path:
        if not (root / name).is_dir():
            pytest.skip(f"needs {root / name}")
        return root / name

    return folder


@pytest.fixture(scope="session")
def clips(shared: Callable[[str], Path]) -> Path:
    """The folder of real clips; tests that need it are skipped without it."""
    return shared("data/clips")


@pytest.fixture(scope="session")
def write_pictures() -> Callable[..., None]:
    """Write pictures [H, W, 3] uint8 as numbered PNG files into a folder."""

    def write(folder: Path, pictures: Sequence[np.ndarray], *, first: int = 1, digits: int = 6) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures, start=first):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            encoder = CodecContext.create("png", "w")
            encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "rgb24"
            encoder.time_base = Fraction(1, 25)
            (packet,) = encoder.encode(frame)
            (folder / f"{number:0{digits}d}.png").write_bytes(bytes(packet))

    return write


@pytest.fixture(scope="session")
def read_pictures() -> Callable[[Path | str], list[np.ndarray]]:
    """Read every PNG file of a folder, in the order of names, as [H, W, 3] uint8."""

    def read(folder: Path | str) -> list[np.ndarray]:
        pictures: list[np.ndarray] = []
        for path in sorted(Path(folder).glob("*.png")):
            with av.open(str(path)) as container:
                pictures += [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return pictures

    return read
