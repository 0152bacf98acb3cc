"""A whole restoration in a process of its own: ``chain_worker.py CONTENDER FILM RENDER_FACTOR STORE OUTPUT``.

``script`` runs PaddleGAN's own, unmodified predictors one after the other as its ``video-enhance.py`` does:
each takes a film apart into PNG files, writes its results as PNG files, and encodes those to the film that
the next one takes. Three things stand in for what is not there: PyAV for the ffmpeg command, with the same
encoder and quality; reel's definition of DAIN in Paddle for PaddleGAN's program, which needs a GPU; and
seeded weights for the trained ones.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from reel.engine.backends.cpu import CpuBackend
from reel.engine.runs import pipeline
from reel.engine.runs.settings import Settings
from reel.models.store import Store
from serving import Run, serve

ORDER = ("dain", "deoldify-artistic", "edvr")


def read(film: str | Path) -> list[np.ndarray]:
    """Return the frames of a film, [H, W, 3] uint8."""
    with av.open(str(film)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def write(film: str | Path, frames: list[np.ndarray], rate: int) -> None:
    """Write a film as PaddleGAN's ``frames2video`` has ffmpeg do it."""
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def video2frames(video: str, folder: str) -> str:
    """Take a film apart into PNG files, as the function of ``ppgan.utils.video`` does with ffmpeg."""
    from PIL import Image

    target = Path(folder) / Path(video).name.split(".")[0]
    target.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(read(video)):
        Image.fromarray(picture).save(target / f"{index:08d}.png")
    return str(target)


def frames2video(pattern: str, video: str, rate: str) -> None:
    """Make a film of PNG files, as the function of ``ppgan.utils.video`` does with ffmpeg."""
    from PIL import Image

    files = sorted(Path(pattern).parent.glob("*.png"))
    write(video, [np.asarray(Image.open(file).convert("RGB")) for file in files], int(rate))


def predictors(folder: Path, render_factor: int) -> list[Any]:
    """Build PaddleGAN's predictors, with seeded weights from files as it publishes them."""
    from contenders import built
    from reel.export.ppgan import ppgan_module

    edvr = ppgan_module("ppgan.models.generators.edvr")
    sys.modules["ppgan.models.generators"].EDVRNet = edvr.EDVRNet  # what its __init__ would do
    modules = {name: ppgan_module(f"ppgan.apps.{name}_predictor") for name in ("dain", "deoldify", "edvr")}
    for module in modules.values():
        module.video2frames, module.frames2video = video2frames, frames2video
    dain = built("dain")

    class WithoutProgram(modules["dain"].DAINPredictor):
        def build_inference_model(self) -> None:
            pass

        def base_forward(self, inputs: np.ndarray) -> list[np.ndarray]:
            example = {"a": inputs[0], "b": inputs[1], "t": np.array([0.5], np.float32)}
            return [dain.paddle_output(example)[None]]

    artistic, edvr_file = weight_file("deoldify-artistic", folder), weight_file("edvr", folder)
    output = str(folder / "output")
    return [
        WithoutProgram(output, weight_path="unused", time_step=0.5),
        modules["deoldify"].DeOldifyPredictor(output, artistic, artistic=True, render_factor=render_factor),
        modules["edvr"].EDVRPredictor(output, edvr_file),
    ]


def weight_file(name: str, folder: Path) -> str:
    """Save seeded weights of a network as PaddleGAN publishes its own, and return the path."""
    import paddle
    from reel.export.networks import recipe_for
    from reel.export.rehearsal import rehearsal_weights
    from reel.models.manifest import network_named

    network = network_named(name)
    weights = rehearsal_weights(network, recipe_for(name).layout())
    state = {key: paddle.to_tensor(array) for key, array in weights.items()}
    path = folder / network.weights[0].filename
    paddle.save({network.weights_key: state} if network.weights_key else state, str(path))
    return str(path)


def script(film: Path, render_factor: int, store: Path) -> Run:
    """PaddleGAN's predictors, loaded; a run is what ``video-enhance.py`` does once they are."""
    import paddle

    made = predictors(Path(tempfile.mkdtemp()), render_factor)

    def run() -> np.ndarray:
        video = str(film)
        with contextlib.redirect_stdout(sys.stderr), paddle.no_grad():
            for predictor in made:
                with tempfile.TemporaryDirectory() as folder:  # what is there would be read again
                    predictor.output = str(Path(folder) / "stage")
                    predictor.output_path = predictor.output
                    _, result = predictor.run(video)
                    kept = Path(tempfile.mkdtemp()) / "film.mp4"
                    kept.write_bytes(Path(result).read_bytes())
                    video = str(kept)
        return np.stack(read(video))

    return run


def command(*extra: str) -> Callable[[Path, int, Path], Run]:
    """The whole command ``reel-run``, from the start of its process to its end."""

    def load(film: Path, render_factor: int, store: Path) -> Run:
        output = Path(tempfile.mkdtemp()) / "film.mp4"
        words = [sys.executable, "-m", "reel.cli.run", str(film), "-o", str(output), "--overwrite"]
        words += ["--store", str(store), "--order", *ORDER, "--render-factor", str(render_factor), *extra]

        def run() -> np.ndarray:
            subprocess.run(words, check=True, stdout=sys.stderr)
            return np.stack(read(output))

        return run

    return load


class Loaded:
    """What ``reel-run`` does once its networks are loaded, as of PaddleGAN only that is counted."""

    def __init__(self, film: Path, render_factor: int, store: Path) -> None:
        self._film, self._render_factor, self._store = film, render_factor, Store(store)
        self.not_counted = 0.0

    def __call__(self) -> np.ndarray:
        settings = Settings(order=ORDER, render_factor=self._render_factor, cuts=False, overwrite=True)
        output = Path(tempfile.mkdtemp()) / "film.mp4"
        began = time.perf_counter()

        def progress(count: int, total: int | None) -> None:
            if count == 0:  # told when the networks are there
                self.not_counted = time.perf_counter() - began

        plan = pipeline.plan(self._film, output, settings, self._store)
        pipeline.run(plan, settings, CpuBackend(), progress=progress)
        return np.stack(read(output))


CONTENDERS = {
    "script": script,
    "reel": command("--cuts", "off"),
    "reel-ppgan": command("--parity", "ppgan"),
    "reel-loaded": Loaded,
}


def main() -> None:
    contender, film, render_factor, store, target = sys.argv[1:]
    warnings.simplefilter("ignore")  # Paddle's and ppgan's, about themselves
    load = CONTENDERS[contender]
    serve(lambda: load(Path(film), int(render_factor), Path(store)), Path(target))


if __name__ == "__main__":
    main()
