"""The operators of the paper's DAIN in the cases that break implementations, against plain loops."""

# ruff: noqa: E402, the imports below need Paddle and follow the check for it
from __future__ import annotations

import numpy as np
import pytest

paddle = pytest.importorskip("paddle", reason="needs PaddlePaddle, the reference")
from reel.export.networks.dain_depth import Warp, whole
from reel.export.networks.depth_projection import project
from reel.export.networks.pwc import correlation

HEIGHT, WIDTH = 16, 24


def splat_by_loops(flow, nearness):
    """Return the weighted sum [3, H, W] of -x, -y and 1 at the four pixels around each arrival."""
    height, width = nearness.shape
    total = np.zeros((3, height, width))
    for y in range(height):
        for x in range(width):
            to_x, to_y = np.float32(x) + flow[0, y, x], np.float32(y) + flow[1, y, x]
            if not (0 <= to_x <= width - 1 and 0 <= to_y <= height - 1):
                continue
            for row in (int(to_y), min(int(to_y) + 1, height - 1)):
                for column in (int(to_x), min(int(to_x) + 1, width - 1)):
                    total[:, row, column] += nearness[y, x] * np.array([-flow[0, y, x], -flow[1, y, x], 1.0])
    return total


def project_by_loops(flow, nearness):
    """Return the projected flow [2, H, W] and its weight [H, W]."""
    *total, count = splat_by_loops(flow, nearness)
    mean = np.where(count > 0, np.array(total) / np.where(count > 0, count, 1), 0.0)
    filled = mean.copy()
    for y, x in zip(*np.nonzero(count == 0), strict=True):
        seen = []
        for positions in (
            [(y, left) for left in range(x - 1, -1, -1)],
            [(y, right) for right in range(x + 1, count.shape[1])],
            [(up, x) for up in range(y - 1, -1, -1)],
            [(down, x) for down in range(y + 1, count.shape[0])],
        ):
            first = next((place for place in positions if count[place] > 0), None)
            seen += [] if first is None else [mean[:, first[0], first[1]]]
        if seen:
            filled[:, y, x] = np.mean(seen, axis=0)
    return filled, count


def warp_by_loops(image, flow, kernel):
    """Return the image [C, H, W] read through kernels [16, H, W] where the flow [2, H, W] points."""
    _, height, width = image.shape
    out = image.astype(np.float64)
    for y in range(height):
        for x in range(width):
            fx, fy = flow[:, y, x]
            at_x, at_y = np.float32(x) + fx, np.float32(y) + fy
            inside = 0 <= at_x <= width - 1 and 0 <= at_y <= height - 1
            if not (inside and abs(fx) < width / 2 and abs(fy) < height / 2):
                continue
            right, low = at_x - int(at_x), at_y - int(at_y)
            out[:, y, x] = 0
            for j in range(4):
                for i in range(4):
                    row = min(max(int(at_y) + j - 1, 0), height - 1)
                    column = min(max(int(at_x) + i - 1, 0), width - 1)
                    share = (right if i > 1 else 1 - right) * (low if j > 1 else 1 - low)
                    out[:, y, x] += image[:, row, column] * kernel[4 * j + i, y, x] * share
    return out


def flows():
    """Return flows [2, H, W] by the name of what is hard about each."""
    rng = np.random.default_rng(3)
    still = np.zeros((2, HEIGHT, WIDTH), np.float32)
    wild = rng.normal(0, 6, still.shape).astype(np.float32)
    meeting = still.copy()
    meeting[0] = np.where(np.arange(WIDTH) < WIDTH // 2, 3.4, -3.4)
    apart = still.copy()
    apart[0] = np.where(np.arange(WIDTH) < WIDTH // 2, -8.25, 8.25)
    rows_empty = still.copy()
    rows_empty[1] = np.where(np.arange(HEIGHT) < HEIGHT // 2, -6.5, 6.5)[:, None]
    one_left = still + 1000
    one_left[:, 5, 7] = 0.5
    return {
        "no motion and no hole": still,
        "occlusion, two motions that meet": meeting,
        "disocclusion, two motions that part": apart,
        "a hole as wide as the frame": rows_empty,
        "motion out of the frame": still + np.array([9.5, -5.25], np.float32)[:, None, None],
        "motion by whole pixels": still + np.array([3, -2], np.float32)[:, None, None],
        "everything moving out": still + 1000,
        "everything but one pixel moving out": one_left,
        "the last column and row, exactly": still + np.array([0.0, 1.0], np.float32)[:, None, None],
        "half the frame and more": np.where(wild > 0, WIDTH / 2, -HEIGHT / 2).astype(np.float32),
        "wild": wild,
    }


@pytest.mark.parametrize("case", flows())
def test_projection_equals_the_loops(case):
    rng = np.random.default_rng(4)
    both = np.stack([flows()[case], flows()["wild"]])
    nearness = rng.uniform(0.05, 2.0, (2, 1, HEIGHT, WIDTH)).astype(np.float32)
    found, count = (x.numpy() for x in project(paddle.to_tensor(both), paddle.to_tensor(nearness)))
    for frame in range(2):
        flow, weight = project_by_loops(both[frame], nearness[frame, 0])
        np.testing.assert_allclose(found[frame], flow, rtol=0, atol=2e-5)
        np.testing.assert_allclose(count[frame, 0], weight, rtol=1e-5, atol=1e-5)


def test_the_nearer_of_two_that_meet_decides():
    flow = np.zeros((1, 2, HEIGHT, WIDTH), np.float32)
    flow[0, 0, 8, 4], flow[0, 0, 8, 10] = 3.0, -3.0
    nearness = np.full((1, 1, HEIGHT, WIDTH), 1e-4, np.float32)
    nearness[0, 0, 8, 4] = 1.0
    found, _ = project(paddle.to_tensor(flow), paddle.to_tensor(nearness))
    assert found.numpy()[0, 0, 8, 7] == pytest.approx(-3.0, abs=5e-3)


def warped(image, flow, kernel):
    """Return the image [C, H, W] as the network reads it through kernels where the flow points."""
    return Warp()(paddle.to_tensor(image.transpose(1, 2, 0).copy()), flow, kernel, whole(flow)).numpy()[0]


@pytest.mark.parametrize("case", flows())
def test_kernel_warp_equals_the_loops(case):
    rng = np.random.default_rng(5)
    image = rng.normal(0, 1, (3, HEIGHT, WIDTH)).astype(np.float32)
    kernel = rng.normal(0, 1, (16, HEIGHT, WIDTH)).astype(np.float32)
    flow = flows()[case]
    found = warped(image, paddle.to_tensor(flow[None]), paddle.to_tensor(kernel[None]))
    np.testing.assert_allclose(found, warp_by_loops(image, flow, kernel), rtol=0, atol=2e-5)


def test_kernel_warp_returns_the_source_itself_where_the_flow_leaves():
    rng = np.random.default_rng(6)
    image = rng.normal(0, 1, (3, HEIGHT, WIDTH)).astype(np.float32)
    kernel = rng.normal(0, 9, (1, 16, HEIGHT, WIDTH)).astype(np.float32)
    away = paddle.full([1, 2, HEIGHT, WIDTH], 1000.0)
    np.testing.assert_array_equal(warped(image, away, paddle.to_tensor(kernel)), image)


def test_correlation_equals_the_loops():
    rng = np.random.default_rng(7)
    first, second = rng.normal(0, 1, (2, 5, 9, 11)).astype(np.float32)
    wide = np.pad(second, ((0, 0), (4, 4), (4, 4)))
    expected = [(first * wide[:, y : y + 9, x : x + 11]).mean(0) for y in range(9) for x in range(9)]
    found = correlation(paddle.to_tensor(first[None]), paddle.to_tensor(second[None]), reach=4).numpy()[0]
    np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-6)
