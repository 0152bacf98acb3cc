"""What has colour, so that what is grey can stay grey."""

from __future__ import annotations

import paddle


def colourful(picture):
    """Return 0 where a picture [N, 3, H, W] is grey, 1 where it has colour, however little, [N, 1, H, W]."""
    red, green, blue = picture[:, :1], picture[:, 1:2], picture[:, 2:]
    most = paddle.maximum(paddle.maximum(red, green), blue)
    least = paddle.minimum(paddle.minimum(red, green), blue)
    return paddle.clip(255.0 * (most - least), 0.0, 1.0)
