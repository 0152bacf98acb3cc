"""Small films made for the tests of the data path, and a machine with TensorRT."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from reel.models.gpu import Gpu

Planes = Sequence[np.ndarray]


def _picture(planes: Planes, pix_fmt: str) -> VideoFrame:
    """Return a picture of libav with these planes; a single [H, W, 3] array is rgb24 or rgb48le."""
    if len(planes) == 1 and planes[0].ndim == 3:
        return VideoFrame.from_ndarray(planes[0], format=pix_fmt)
    height, width = planes[0].shape
    picture = VideoFrame(width, height, pix_fmt)
    for plane, samples in zip(picture.planes, planes, strict=True):
        memory = np.frombuffer(plane, samples.dtype).reshape(-1, plane.line_size // samples.itemsize)
        memory[: samples.shape[0], : samples.shape[1]] = samples
    return picture


@pytest.fixture
def planes_of() -> Callable[[Path], list[list[np.ndarray]]]:
    """Read a film's planes as they are coded: one list per frame, one array per plane."""

    def read(path: Path) -> list[list[np.ndarray]]:
        frames: list[list[np.ndarray]] = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            for picture in container.decode(stream):
                dtype = np.uint16 if "le" in picture.format.name else np.uint8
                planes = []
                for index, plane in enumerate(picture.planes):
                    memory = np.frombuffer(plane, dtype).reshape(
                        -1, plane.line_size // np.dtype(dtype).itemsize
                    )
                    width = picture.format.chroma_width(picture.width) if index else picture.width
                    height = picture.format.chroma_height(picture.height) if index else picture.height
                    planes.append(memory[:height, :width].copy())
                frames.append(planes)
        return frames

    return read


@pytest.fixture
def make_film(tmp_path: Path) -> Callable[..., Path]:
    """Write a film: ``make_film("a.mp4", frames, pix_fmt="yuv420p", rate=Fraction(24))``."""

    def make(
        name: str,
        frames: Sequence[Planes],
        *,
        pix_fmt: str = "yuv420p",
        codec: str = "libx264",
        rate: Fraction = Fraction(25),
        stamps: Sequence[int] | None = None,
        time_base: Fraction | None = None,
        options: dict[str, str] | None = None,
        matrix: int = 2,
        full_range: bool = False,
        aspect: Fraction = Fraction(1),
        turn: tuple[int, bool, bool] | None = None,
        sound: float = 0.0,
        sound_codec: str = "aac",
        prepare: Callable[[Any], None] | None = None,
    ) -> Path:
        path = tmp_path / name
        first = _picture(frames[0], pix_fmt)
        usual = {"qp": "0", "preset": "ultrafast"} if codec == "libx264" else {}
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate, options=usual if options is None else options)
            stream.width, stream.height, stream.pix_fmt = first.width, first.height, pix_fmt
            context = stream.codec_context
            context.time_base = stream.time_base = time_base or 1 / rate
            context.colorspace, context.color_range = matrix, 2 if full_range else 1
            context.sample_aspect_ratio = aspect
            if turn is not None:
                stream.set_display_rotation(*turn)
            voice = container.add_stream(sound_codec, rate=48000) if sound else None
            if prepare is not None:
                prepare(container)
            for place, planes in enumerate(frames):
                picture = _picture(planes, pix_fmt)
                picture.pts = place if stamps is None else stamps[place]
                picture.time_base = context.time_base
                picture.colorspace, picture.color_range = matrix, 2 if full_range else 1
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
            if voice is not None:
                _speak(container, voice, sound)
        return path

    return make


def _speak(container: Any, voice: Any, seconds: float) -> None:
    noise = np.random.default_rng(5)
    kind = voice.codec_context.format.name
    for start in range(0, int(seconds * 48000), 960):
        samples = noise.uniform(-0.3, 0.3, (1, 1920)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(samples, format="flt", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
        for converted in av.AudioResampler(kind, "stereo", 48000).resample(sound):
            container.mux(voice.encode(converted))
    container.mux(voice.encode(None))


@pytest.fixture
def drifting() -> Callable[..., list[list[np.ndarray]]]:
    """Make frames of Y, U, V whose colours stay inside RGB and whose every frame differs."""

    def make(
        count: int, height: int = 48, width: int = 64, *, chroma: tuple[int, int] = (2, 2), bits: int = 8
    ) -> list[list[np.ndarray]]:
        noise = np.random.default_rng(7)
        scale, dtype = 2 ** (bits - 8), np.uint8 if bits == 8 else np.uint16
        small = (-(-height // chroma[0]), -(-width // chroma[1]))
        frames: list[list[np.ndarray]] = []
        for number in range(count):
            luma = noise.integers(90 * scale, 150 * scale, (height, width)).astype(dtype)
            luma[:, (3 * number) % width] = (100 + number) * scale
            frames.append(
                [luma, *(noise.integers(110 * scale, 146 * scale, small).astype(dtype) for _ in range(2))]
            )
        return frames

    return make


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, fake_tensorrt: Callable[..., None]) -> Callable[..., ModuleType]:
    """Make this a machine with a GPU and TensorRT, or with something wrong; returns its TensorRT."""
    usual = Gpu("NVIDIA H200", "9.0", "580.65.06")

    def become(gpu: Gpu = usual, version: str = "10.16.1.11", wrong: str = "") -> ModuleType:
        fake_tensorrt(version, wrong)
        monkeypatch.setattr("reel.engine.backends.tensorrt.find_gpu", lambda: gpu)
        import tensorrt  # pyright: ignore

        return tensorrt

    return become
