"""Whole stages against PaddleGAN's own, unmodified predictors, in 8 bits."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from reel.cli.run import main as run_main
from reel.engine.pixels.frame import Frame
from reel.engine.pixels.parity import Parity, from_bytes, to_bytes
from reel.engine.stages.cadence import Cadence
from reel.engine.stages.colourise import Colourise
from reel.engine.stages.interpolate import Interpolate
from reel.engine.stages.upscale import Upscale

RENDER_FACTOR = 9  # 144 pixels: odd sides in the network, and seconds instead of minutes


def scene(height, width, count):
    """Frames [H, W, 3] uint8 of a textured scene that drifts, in colour."""
    rng = np.random.default_rng(5)
    texture = rng.uniform(0, 255, (height // 4 + 8, width // 4 + 8, 3))
    large = texture.repeat(4, axis=0).repeat(4, axis=1)
    kernel = np.ones(5) / 5
    for axis in (0, 1):
        large = np.apply_along_axis(lambda line: np.convolve(line, kernel, "same"), axis, large)
    return [large[i : i + height, 2 * i : 2 * i + width].round().astype(np.uint8) for i in range(count)]


def frames_of(pictures):
    for index, picture in enumerate(pictures):
        pixels = from_bytes(picture.transpose(2, 0, 1)[None])
        yield Frame(np.ascontiguousarray(pixels), Fraction(index), Fraction(1), cut=index == 0)


def pictures_of(frames):
    return [to_bytes(frame.pixels)[0].transpose(1, 2, 0) for frame in frames]


def deoldify_predictor(module, weights, tmp_path, *, artistic):
    return module.DeOldifyPredictor(
        str(tmp_path / "predictor"), str(weights), artistic=artistic, render_factor=RENDER_FACTOR
    )


@pytest.fixture(scope="module")
def artistic_weights(weight_file):
    return weight_file("deoldify-artistic")


@pytest.mark.parametrize("size", [(120, 160), (161, 121)])
def test_deoldify_equals_paddlegans_predictor_level_by_level(
    size, loaded, artistic_weights, predictor_module, tmp_path, measured
):
    module = predictor_module("deoldify_predictor")
    predictor = deoldify_predictor(module, artistic_weights, tmp_path, artistic=True)
    (picture,) = scene(*size, 1)
    expected = np.asarray(predictor.run_image(picture))
    stage = Colourise(loaded("deoldify-artistic"), render_factor=RENDER_FACTOR, parity=Parity.PPGAN)
    (found,) = pictures_of(stage(frames_of([picture])))
    row = measured("deoldify-artistic, 8-bit predictor", f"{size[1]}x{size[0]}", expected, found, "1 level")
    assert row.maximum <= 1
    assert (expected != found).mean() < 1e-3
    assert np.abs(expected.astype(int) - picture).max() > 20, "the reference changed nothing"


def test_the_correct_result_is_the_predictors_but_for_its_swapped_channels(
    loaded, artistic_weights, predictor_module, tmp_path, monkeypatch, measured
):
    module = predictor_module("deoldify_predictor")
    monkeypatch.setattr(module.cv2, "COLOR_BGR2YUV", module.cv2.COLOR_RGB2YUV)
    monkeypatch.setattr(module.cv2, "COLOR_YUV2BGR", module.cv2.COLOR_YUV2RGB)
    predictor = deoldify_predictor(module, artistic_weights, tmp_path, artistic=True)
    (picture,) = scene(120, 160, 1)
    expected = np.asarray(predictor.run_image(picture))
    stage = Colourise(loaded("deoldify-artistic"), render_factor=RENDER_FACTOR)
    (found,) = pictures_of(stage(frames_of([picture])))
    # The predictor truncates and rounds to 8 bits five times on the way.
    row = measured("deoldify-artistic, correct", "160x120", expected, found, "3 levels")
    assert row.maximum <= 3
    assert row.mean <= 1


class _Capture:
    def get(self, what):
        return 25.0


def dain_predictor(module, network, output, **options):
    """PaddleGAN's predictor with our Paddle network in place of its program, which needs a GPU to run."""

    class WithoutProgram(module.DAINPredictor):
        def build_inference_model(self):
            pass

        def base_forward(self, inputs):
            a, b = inputs[0], inputs[1]
            steps = int(1 / self.time_step) - 1
            return [np.stack([network(a, b, (i + 1) * self.time_step) for i in range(steps)])]

    return WithoutProgram(str(output), weight_path="unused", **options)


@pytest.fixture(scope="session")
def dain_in_paddle():
    paddle = pytest.importorskip("paddle", reason="needs PaddlePaddle, the reference")
    from reel.export.networks import recipe_for
    from reel.export.rehearsal import rehearsal_weights
    from reel.models.dain import DAIN

    recipe = recipe_for("dain")
    recipe.load(rehearsal_weights(DAIN, recipe.layout()))
    assert paddle.in_dynamic_mode()
    return lambda a, b, t: recipe.paddle_output({"a": a, "b": b, "t": np.array([t], np.float32)})


def run_dain_predictor(module, network, tmp_path, pictures, time_step, monkeypatch, write_pictures):
    write_pictures(tmp_path / "dain-in" / "film", pictures, first=0, digits=8)

    def frames(video, out):
        (Path(out) / "film").symlink_to(tmp_path / "dain-in" / "film")
        return str(Path(out) / "film")

    monkeypatch.setattr(module, "video2frames", frames)
    monkeypatch.setattr(module.cv2, "VideoCapture", lambda path: _Capture())
    predictor = dain_predictor(module, network, tmp_path / "dain-out", time_step=time_step)
    pattern, _ = predictor.run("film.mp4")
    return Path(pattern).parent


# 128 wide and 100 high: one side is a multiple of 128, where PaddleGAN pads all the same
@pytest.mark.parametrize("time_step", [0.5, 0.25])
def test_dain_equals_paddlegans_predictor_level_by_level(
    time_step,
    loaded,
    dain_in_paddle,
    predictor_module,
    tmp_path,
    monkeypatch,
    write_pictures,
    read_pictures,
    measured,
):
    pictures = scene(100, 128, 3 if time_step == 0.5 else 2)
    module = predictor_module("dain_predictor")
    folder = run_dain_predictor(
        module, dain_in_paddle, tmp_path, pictures, time_step, monkeypatch, write_pictures
    )
    expected = np.stack(read_pictures(folder))
    stage = Interpolate(loaded("dain"), Cadence(factor=Fraction(round(1 / time_step))), parity=Parity.PPGAN)
    found = np.stack(pictures_of(stage(frames_of(pictures))))
    row = measured(f"dain, 8-bit predictor, step {time_step}", "128x100", expected, found, "1 level")
    assert row.maximum <= 1
    assert (expected != found).mean() < 1e-3


def run_edvr_predictor(module, weights, tmp_path, pictures, monkeypatch, write_pictures):
    write_pictures(tmp_path / "edvr-in", pictures, first=0, digits=8)
    monkeypatch.setattr(module, "video2frames", lambda video, out: str(tmp_path / "edvr-in"))
    monkeypatch.setattr(module.cv2, "VideoCapture", lambda path: _Capture())
    loader = module.DataLoader
    monkeypatch.setattr(
        module, "DataLoader", lambda data, batch_size, num_workers: loader(data, batch_size=batch_size)
    )
    predictor = module.EDVRPredictor(str(tmp_path / "edvr-out"), str(weights))
    pattern, _ = predictor.run("film.mp4")
    return Path(pattern).parent


@pytest.fixture(scope="module")
def edvr_weights(weight_file):
    return weight_file("edvr")


def test_edvr_equals_paddlegans_predictor_level_by_level(
    loaded, edvr_weights, predictor_module, tmp_path, monkeypatch, write_pictures, read_pictures, measured
):
    pictures = scene(24, 32, 6)  # six frames: both border rules, and a window in the middle
    module = predictor_module("edvr_predictor")
    folder = run_edvr_predictor(module, edvr_weights, tmp_path, pictures, monkeypatch, write_pictures)
    expected = np.stack(read_pictures(folder))
    found = np.stack(pictures_of(Upscale(loaded("edvr"), parity=Parity.PPGAN)(frames_of(pictures))))
    row = measured("edvr, 8-bit predictor, 6 frames", "32x24", expected, found, "1 level")
    assert row.maximum <= 1
    assert (expected != found).mean() < 1e-3


def test_the_whole_command_equals_the_predictors_chained_by_hand(
    loaded,
    store,
    dain_in_paddle,
    artistic_weights,
    edvr_weights,
    predictor_module,
    tmp_path,
    monkeypatch,
    write_pictures,
    read_pictures,
    measured,
):
    pictures = scene(24, 32, 3)
    for name in ("dain", "deoldify-artistic", "edvr"):
        loaded(name)

    dain = predictor_module("dain_predictor")
    folder = run_dain_predictor(dain, dain_in_paddle, tmp_path, pictures, 0.5, monkeypatch, write_pictures)
    deoldify = deoldify_predictor(
        predictor_module("deoldify_predictor"), artistic_weights, tmp_path, artistic=True
    )
    coloured = [np.asarray(deoldify.run_image(str(path))) for path in sorted(folder.iterdir())]
    edvr = predictor_module("edvr_predictor")
    expected = np.stack(
        read_pictures(run_edvr_predictor(edvr, edvr_weights, tmp_path, coloured, monkeypatch, write_pictures))
    )

    write_pictures(tmp_path / "film", pictures)
    code = run_main(
        [
            "--input",
            str(tmp_path / "film"),
            "--output",
            f"{tmp_path}/restored/",
            *["--process_order", "DAIN", "DeOldify", "EDVR", "--artistic", "--parity", "ppgan"],
            *["--time_step", "0.5", "--render_factor", str(RENDER_FACTOR), "--store", str(store.folder)],
        ]
    )
    assert code == 0
    found = np.stack(read_pictures(tmp_path / "restored"))
    row = measured("reel-run --parity ppgan, whole chain", "32x24", expected, found, "99.9% in 1 level")
    assert (np.abs(expected.astype(int) - found) <= 1).mean() >= 0.999
    assert row.maximum <= 2
