"""Motion measured to parts of a pixel, and pictures read there, from Paddle's own operators.

Lucas and Kanade, "An Iterative Image Registration Technique", IJCAI 1981: a closed form, where a network of
few weights would have to learn it.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F

from .pwc import base_grid

AROUND, SMOOTH, FLAT = 4, 2, 7  # pixels to each side
FIRM = 1e-3  # squared gradient below which little is known of the motion
CUBIC = -0.75  # of Keys' cubic, as ONNX and PyTorch read pictures by it


def constant(values, *shape):
    return paddle.to_tensor(values, dtype="float32").reshape(shape)


def blurred(x, radius):
    """Return the mean of the square around each pixel; beyond the edges the outermost pixels go on."""
    size = 2 * radius + 1
    x = F.pad(x, [radius] * 4, mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(x, (size, 1), 1), (1, size), 1)


def brightness(frame):
    return (frame * constant([0.299, 0.587, 0.114], 1, 3, 1, 1)).sum(axis=1, keepdim=True)


def flattened(bright):
    """Return brightness without what changes slowly from place to place: flicker is no motion."""
    return bright - blurred(bright, FLAT)


def gradient(x):
    """Return the slopes of [N, 1, H, W] by x and by y, [N, 2, H, W]."""
    p = F.pad(x, [1] * 4, mode="replicate")
    by_x = p[:, :, 1:-1, 2:] - p[:, :, 1:-1, :-2]
    by_y = p[:, :, 2:, 1:-1] - p[:, :, :-2, 1:-1]
    return paddle.concat([by_x, by_y], axis=1) / 2.0


def still_apart(still, moved, slope):
    """Return by how much ``moved`` is to be read further on to look like ``still``, [N, 2, H, W] in pixels.

    Up to one pixel at a time. ``slope`` is how the brightness changes from place to place, in both.
    """
    products = [slope * slope, slope[:, :1] * slope[:, 1:], slope * (moved - still)]
    around = blurred(paddle.concat(products, axis=1), AROUND)
    xx, yy, xy, x_off, y_off = (around[:, i : i + 1] for i in range(5))
    xx, yy = xx + FIRM, yy + FIRM
    step = paddle.concat([xy * y_off - yy * x_off, xy * x_off - xx * y_off], axis=1)
    return paddle.clip(step / (xx * yy - xy * xy), -1.0, 1.0)


def smooth(flow):
    return blurred(flow, SMOOTH)


def places_in(image):
    """Return the place of each pixel, [1, 2, H, W], x and y."""
    size = paddle.shape(image)
    return base_grid(size[2], size[3])


def extent_of(image):
    """Return the place of the last pixel, [1, 2, 1, 1], x and y."""
    size = paddle.shape(image)
    return paddle.stack([size[3] - 1, size[2] - 1]).cast("float32").reshape([1, 2, 1, 1])


def read_at(image, places, mode="bilinear"):
    """Return ``image`` [N, C, H, W] at ``places`` [N, 2, h, w] in pixels, the outermost ones beyond."""
    grid = (2.0 * places / extent_of(image) - 1.0).transpose([0, 2, 3, 1])
    return F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=True)


def read_sharply(image, places):
    """Return ``image`` [1, C, H, W] at ``places`` [1, 2, h, w], by Keys' cubic.

    Paddle reads by no cubic. Of its four pixels in a row the middle ones, which both count for more than
    nothing, are read as one, between them: nine bilinear readings in place of sixteen.
    """
    whole = paddle.floor(places)
    after = places - whole
    before = 1.0 - after
    first, last = _outer(1.0 + after), _outer(1.0 + before)
    second, third = _inner(after), _inner(before)
    both = second + third
    at = (whole - 1.0, whole + third / both, whole + 2.0)
    weights = (first, both, last)
    rows = [paddle.concat([x[:, :1], y[:, 1:]], axis=1) for y in at for x in at]
    shares = [x[:, :1] * y[:, 1:] for y in weights for x in weights]
    size, target = paddle.shape(image), paddle.shape(places)
    read = read_at(image, paddle.concat(rows, axis=2)).reshape([1, size[1], 9, target[2], target[3]])
    return (read * paddle.concat(shares, axis=1).unsqueeze(1)).sum(axis=2)


def _inner(distance):
    return ((CUBIC + 2.0) * distance - (CUBIC + 3.0)) * distance * distance + 1.0


def _outer(distance):
    return ((CUBIC * distance - 5.0 * CUBIC) * distance + 8.0 * CUBIC) * distance - 4.0 * CUBIC
