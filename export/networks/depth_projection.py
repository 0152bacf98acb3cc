"""Depth-aware flow projection: the motion at an instant between two frames, from the flow of one of them.

Bao et al., "Depth-Aware Video Frame Interpolation", CVPR 2019, section 3.2; with the borders and the hole
filling of the authors' ``my_package/DepthFlowProjection`` (commit 7c727ac).
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F

from .pwc import base_grid

LONGEST_SIDE = 8192  # pixels that a hole may be wide or high
MISSING = -1.0


def project(flow, nearness):
    """Return the projected flow [N, 2, H, W] and its weight [N, 1, H, W], 0 where nothing arrived.

    Args:
        flow: [N, 2, H, W], x first, pixels from the frame to the instant.
        nearness: [N, 1, H, W], inverse depth, positive: of two pixels that arrive at one place, the
            nearer counts more.
    """
    total = splat(paddle.concat([flow * (-nearness), nearness], axis=1), flow)
    count = total[:, 2:3]
    filled = (count > 0.0).cast("float32")
    mean = total[:, 0:2] / (count + (1.0 - filled))
    return fill_holes(mean, filled), count


def splat(values, flow):
    """Return ``values`` [N, C, H, W] added up at the four pixels around where ``flow`` takes each of them.

    What leaves the frame is dropped. All four pixels receive the whole value, and at the last column or
    row, where the right or lower neighbour is missing, the pixel itself receives it twice.
    """
    size = paddle.shape(values)
    height, width = size[2], size[3]
    place = base_grid(height, width) + flow
    last = paddle.stack([width - 1, height - 1]).cast("float32").reshape([1, 2, 1, 1])
    inside = ((place >= 0.0) & (place <= last)).cast("float32")
    inside = inside[:, 0:1] * inside[:, 1:2]
    corner = (paddle.floor(place) * inside).cast("int64")
    pixel = corner[:, 1:2] * width.cast("int64") + corner[:, 0:1]
    planes = values.shape[0] * values.shape[1]
    plane = paddle.arange(0, planes, dtype="int64").reshape([values.shape[0], -1, 1, 1])
    index = (pixel + plane * (height * width).cast("int64")).reshape([-1])
    # Scattered flat, to the corner alone, and spread afterwards: a quarter of the scattering.
    flat = (values * inside).reshape([-1])
    total = paddle.put_along_axis(paddle.zeros_like(flat), index, flat, 0, reduce="add")
    total = total.reshape(paddle.shape(values))
    grid = base_grid(height, width)
    for axis, at_end in ((3, grid[:, 0:1] == last[:, 0:1]), (2, grid[:, 1:2] == last[:, 1:2])):
        total = total + shift(total, axis, 1, 0.0) + total * at_end.cast("float32")
    return total


def shift(x, axis, step, fill):
    """Return ``x`` [N, C, H, W] moved by ``step`` along axis 2 or 3, with ``fill`` where nothing came."""
    pads = [0, 0, 0, 0]  # left, right, top, bottom
    pads[(0 if axis == 3 else 2) + (0 if step > 0 else 1)] = abs(step)
    kept = slice(None, -step) if step > 0 else slice(-step, None)
    padded = F.pad(x, pads, value=fill)
    return padded[:, :, :, kept] if axis == 3 else padded[:, :, kept]


def nearest_before(position, axis, direction):
    """Return for each pixel the largest ``position`` at or before it along the axis.

    ``direction`` 1 looks to the left or up, -1 to the right or down. Steps double, so a frame of up to
    LONGEST_SIDE pixels takes thirteen.
    """
    step = 1
    while step < LONGEST_SIDE:
        position = paddle.maximum(position, shift(position, axis, direction * step, MISSING))
        step *= 2
    return position


def fill_holes(flow, filled):
    """Return ``flow`` [N, 2, H, W] with its holes filled: mean of the nearest values in four directions.

    ``filled`` [N, 1, H, W] is 1 where there is a value, else 0. A direction without one is left out; a
    hole that sees none at all stays 0.
    """
    size = paddle.shape(flow)
    height, width = size[2], size[3]
    frames = flow.shape[0]
    grid = base_grid(height, width)
    rows = flow.transpose([0, 2, 3, 1]).reshape([-1, 2])
    frame = paddle.arange(0, frames, dtype="int64").reshape([-1, 1, 1, 1]) * (height * width).cast("int64")
    total = paddle.zeros_like(rows)
    found = paddle.zeros_like(rows[:, 0:1])
    for axis, along, end in ((3, 0, width), (2, 1, height)):
        own = grid[:, along : along + 1]
        for direction in (1, -1):
            # Looking forward, positions count down from the end, so that the nearest is the largest again.
            position = own if direction == 1 else (end - 1).cast("float32") - own
            seen = nearest_before(position * filled + MISSING * (1.0 - filled), axis, direction)
            exists = (seen >= 0.0).cast("float32")
            at = seen if direction == 1 else (end - 1).cast("float32") - seen
            at = (at * exists).cast("int64")
            here = grid[:, 1 - along : 2 - along].cast("int64")
            x, y = (at, here) if axis == 3 else (here, at)
            index = (y * width.cast("int64") + x + frame).reshape([-1])
            exists = exists.reshape([-1, 1])
            total = total + paddle.gather(rows, index, axis=0) * exists
            found = found + exists
    mean = total / paddle.clip(found, min=1.0)
    mean = mean.reshape(paddle.stack([size[0], height, width, size[1]])).transpose([0, 3, 1, 2])
    return flow * filled + mean * (1.0 - filled)
