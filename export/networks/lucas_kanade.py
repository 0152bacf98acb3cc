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


def read_at(image, places):
    """Return ``image`` [N, C, H, W] at ``places`` [N, 2, h, w] in pixels, the outermost ones beyond."""
    grid = (2.0 * places / extent_of(image) - 1.0).transpose([0, 2, 3, 1])
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)


class Pixels:
    """A picture [1, C, H, W] whose pixels are picked one by one.

    Each pixel is one row, copied at once: ONNX Runtime does so ten times as fast as it samples a grid of
    three colours.
    """

    def __init__(self, image):
        size = paddle.shape(image)
        self._channels, self._width = image.shape[1], size[3].cast("int32")
        self._extent = extent_of(image)
        self._rows = image.reshape([self._channels, -1]).transpose([1, 0])

    def nearest(self, places):
        """Return the pixels at ``places`` [1, 2, h, w], whole numbers, the outermost ones beyond."""
        size = paddle.shape(places)
        inside = paddle.minimum(F.relu(places), self._extent).cast("int32")
        index = (inside[:, 1] * self._width + inside[:, 0]).reshape([-1])
        picked = paddle.gather(self._rows, index, axis=0).transpose([1, 0])
        return picked.reshape([1, self._channels, size[2], size[3]])

    def between(self, places):
        """Return the picture at ``places`` [1, 2, h, w], bilinear."""
        whole = paddle.floor(places)
        after = places - whole
        return self._read(whole, (0.0, 1.0), (1.0 - after, after))

    def sharply(self, places):
        """Return the picture at ``places`` [1, 2, h, w], by Keys' cubic, which Paddle has no other way to."""
        whole = paddle.floor(places)
        after = places - whole
        before = 1.0 - after
        shares = (_outer(1.0 + after), _inner(after), _inner(before), _outer(1.0 + before))
        return self._read(whole, (-1.0, 0.0, 1.0, 2.0), shares)

    def _read(self, whole, steps, shares):
        found = None
        for down, of_y in zip(steps, shares):  # noqa: B905 (Paddle's tracing knows no ``strict``)
            for across, of_x in zip(steps, shares):  # noqa: B905
                share = of_x[:, :1] * of_y[:, 1:]
                part = share * self.nearest(whole + constant([across, down], 1, 2, 1, 1))
                found = part if found is None else found + part
        return found


def _inner(distance):
    return ((CUBIC + 2.0) * distance - (CUBIC + 3.0)) * distance * distance + 1.0


def _outer(distance):
    return ((CUBIC * distance - 5.0 * CUBIC) * distance + 8.0 * CUBIC) * distance - 4.0 * CUBIC
