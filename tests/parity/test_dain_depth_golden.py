"""The paper's DAIN in Paddle against outputs of the authors' own network, whole and in parts."""

# ruff: noqa: E402, the imports below need Paddle and follow the check for it
from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest

paddle = pytest.importorskip("paddle", reason="needs PaddlePaddle, the reference")
from reel.export.networks.dain_depth import UNUSED_WEIGHTS, DainDepth, Warp, whole
from reel.export.networks.depth_projection import fill_holes, project
from reel.export.networks.pwc import correlation

# A place within this many pixels of a whole one may round either way: the flow carries an error of float32
# (against the goldens mean 1.7e-6, maximum 1.2e-5), the place another of half its last digit (7.6e-6 beyond
# 128 pixels), and both the projection and the kernels jump there. In the golden of 192x256 at t = 0.5 one
# place is 73.9999957, which the authors' run rounded to 74 and Paddle and ONNX Runtime to 73.99999.
MARGIN = 3e-5
REACH = 12  # pixels around such a place that the rectifier spreads the difference to, and two of flow


@pytest.fixture(scope="module")
def folder(golden):
    return golden / "dain_depth"


@pytest.fixture(scope="module")
def network(folder):
    rule = importlib.util.spec_from_file_location("weights_rule", folder / "weights_rule.py")
    module = importlib.util.module_from_spec(rule)
    rule.loader.exec_module(module)
    net = DainDepth()
    for name, parameter in net.named_weights().items():
        parameter.set_value(paddle.to_tensor(module.fill(name, parameter.shape)))
    return net


def tensors(*arrays):
    return [paddle.to_tensor(np.asarray(array, np.float32)) for array in arrays]


def pair_of(network, archive):
    """Return everything that synthesis needs of a golden's two frames, except the time."""
    a, b = tensors(*(archive["input_u8"].astype(np.float32) / np.float32(255)))
    with paddle.no_grad():
        context_a, depth_a, *maps_a = network.features(a)
        context_b, depth_b, *maps_b = network.features(b)
        flows, kernels = network.flow(maps_a, maps_b), network.kernels(a, b)
    return context_a, context_b, depth_a, depth_b, *flows, *kernels


def undecided(motion, flow):
    """Mark the pixels [H, W] that a place near a whole pixel may have changed."""
    height, width = motion.shape[2:]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)))
    marks = np.zeros((height, width), bool)
    for field in (motion, flow):
        place = grid + field.astype(np.float64)
        near = (np.abs(place - np.round(place)) < MARGIN).any(1)
        where = place if field is flow else np.broadcast_to(grid, place.shape)
        for x, y in np.round(where.transpose(0, 2, 3, 1)[near]).astype(int):
            marks[max(y - REACH, 0) : y + REACH + 1, max(x - REACH, 0) : x + REACH + 1] = True
    return marks


def test_every_weight_of_the_authors_file_has_its_place(network, folder):
    listed = json.loads((folder / "manifest.json").read_text())
    wanted = {
        key: tuple(shape) for key, shape, _ in listed["keys"] if not key.endswith("num_batches_tracked")
    }
    have = {name: tuple(parameter.shape) for name, parameter in network.named_weights().items()}
    assert have | UNUSED_WEIGHTS == wanted
    assert set(have).isdisjoint(UNUSED_WEIGHTS)
    trained = [np.prod(shape) for name, shape in wanted.items() if "running" not in name]
    assert sum(trained) == listed["params_total"]


def test_the_correlation_is_the_authors(folder):
    archive = np.load(folder / "op_correlation.npz")
    found = correlation(*tensors(archive["a"], archive["b"]), reach=4).numpy()
    np.testing.assert_allclose(found, archive["out"], rtol=0, atol=1e-6)


def test_the_projection_is_the_authors(folder):
    archive = np.load(folder / "op_depthflowproj.npz")
    found, count = project(*tensors(archive["flow"], archive["depth_inv"]))
    np.testing.assert_allclose(count.numpy(), archive["count"], rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(found.numpy(), archive["out"], rtol=0, atol=1e-5)


def test_the_holes_are_filled_as_the_authors_fill_them(folder):
    archive = np.load(folder / "op_depthflowproj.npz")
    filled = (archive["count"] > 0).astype(np.float32)
    found = fill_holes(*tensors(archive["out_nofill"], filled)).numpy()
    np.testing.assert_allclose(found, archive["out"], rtol=0, atol=1e-6)


def test_the_kernel_warp_is_the_authors(folder):
    archive = np.load(folder / "op_filterinterp.npz")
    for frame in range(len(archive["image"])):
        image, flow, kernel = tensors(*(archive[n][frame : frame + 1] for n in ("image", "flow", "filt")))
        found = Warp()(image.squeeze(0).transpose([1, 2, 0]), flow, kernel, whole(flow)).numpy()
        np.testing.assert_allclose(found, archive["out"][frame : frame + 1], rtol=0, atol=1e-5)


def test_what_lies_between_the_parts_is_the_authors(network, folder):
    first = np.load(folder / "inter_128x128_t050_a.npz")
    second = np.load(folder / "inter_128x128_t050_b.npz")
    pair = pair_of(network, first)
    context_a, context_b, depth_a, depth_b, flow_ab, flow_ba, kernel_a, kernel_b = pair
    with paddle.no_grad():
        motion, count = network.synthesis.motion.projected(*pair[2:6], paddle.to_tensor([0.5]))
        place = whole(motion)
        warped = network.synthesis.warp(context_a, motion[0:1], kernel_a, place).numpy()
        other = network.synthesis.warp(context_b, motion[1:2], kernel_b, place).numpy()
    wanted = {
        "log_depth": (np.concatenate([depth_a, depth_b]), first["log_depth"], 5e-5),
        "flow_ab": (flow_ab, first["pwc_01"], 1e-5),
        "flow_ba": (flow_ba, first["pwc_10"], 1e-5),
        "kernel_a": (kernel_a, second["filter_0"], 2e-4),  # kept as float16
        "kernel_b": (kernel_b, second["filter_1"], 2e-4),
        "motion": (motion, np.concatenate([first["proj_0"], first["proj_1"]]), 1e-4),
        "count": (count, np.concatenate([first["count_0"], first["count_1"]]), 1e-4),
        "frame_a": (warped[:, :3], second["ref0"], 2e-4),
        "frame_b": (other[:, :3], second["ref2"], 2e-4),
        "context": (warped[:, [0, 1, 2, 195]], second["ctx0_first3_last1"], 2e-4),
    }
    for name, (found, expected, tolerance) in wanted.items():
        np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=tolerance, err_msg=name)


# Over the whole frame: 128x128 measured 2.0e-6 and 1.5e-7. 192x256 has one place that rounds the other way
# (see MARGIN) and around it 5.1e-2, for a mean of 2.4e-6.
@pytest.mark.parametrize(
    ("size", "largest", "mean"),
    [("128x128", 2e-4, 2e-6), pytest.param("192x256", 0.1, 4e-6, marks=pytest.mark.heavy)],
)
def test_the_frame_between_is_the_authors_at_three_times(network, folder, measured, size, largest, mean):
    archive = np.load(folder / f"e2e_{size}.npz")
    pair = pair_of(network, archive)
    for percent in (25, 50, 75):
        t = paddle.to_tensor([percent / 100])
        with paddle.no_grad():
            found = network.synthesis(*pair, t).numpy()
            motion, _ = network.synthesis.motion.projected(*pair[2:6], t)
            flow = network.synthesis.motion.flow_at(*pair[4:6], t)
        expected = archive[f"out_t{percent:03d}"]
        decided = ~undecided(motion.numpy(), flow.numpy())
        assert decided.mean() > 0.5
        difference = np.abs(found.astype(np.float64) - expected)[:, :, decided]
        assert difference.max() <= 2e-4
        assert difference.mean() <= 2e-6
        assert np.quantile(difference, 0.999) <= 2e-5
        what = f"dain-depth, authors' network, t = {percent / 100}"
        row = measured(what, size, expected, found, f"max {largest:.0e}, mean {mean:.0e}")
        assert row.maximum <= largest
        assert row.mean <= mean
