"""The last network of the paper's DAIN: it corrects the blended frame."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn

from .dain import ResidualBlock
from .fourier import FourierConvolution

CONTEXT = 3 + 3 * 64 + 1  # the frame, three maps of features, the logarithm of its depth
KERNEL = 16
RECTIFIED = 3 + 3 + 3 + 2 + 2 + 2 * KERNEL + 2 * CONTEXT


class Rectifier(nn.Layer):
    """Correction of the blended frame from everything known about it, 437 channels -> [1, 3, H, W].

    Its input would be the largest tensor of all and is never built: the first convolution is the sum of
    those of its parts.
    """

    # Where each part lies among the channels: the context of a, that of b, and all else.
    PARTS = (
        slice(RECTIFIED - 2 * CONTEXT, RECTIFIED - CONTEXT),
        slice(RECTIFIED - CONTEXT, RECTIFIED),
        slice(0, RECTIFIED - 2 * CONTEXT),
    )

    def __init__(self):
        super().__init__()
        self.block1 = nn.Conv2D(RECTIFIED, 128, 7, 1, 3)
        self.block2 = ResidualBlock(128)
        self.block3 = ResidualBlock(128)
        self.block4 = ResidualBlock(128)
        self.block5 = nn.Conv2D(128, 3, 3, 1, 1)

    def weight_of(self, part):
        """Return the weights of the first convolution for a part of its input."""
        return self.block1.weight[:, part]

    def forward(self, parts):
        """Return the correction from the sum of all parts."""
        x = F.relu(parts + self.block1.bias.reshape([1, -1, 1, 1]))
        return self.block5(self.block4(self.block3(self.block2(x))))


class Rectify(nn.Layer):
    """Both frames' warped contexts, motion and kernels, and a time [1] in (0, 1) -> the frame at that time.

    [1, 196, H, W], [1, 2, H, W] and [1, 16, H, W] for each of both -> [1, 3, H, W], not clipped.
    """

    def __init__(self, rectifier):
        super().__init__()
        self.rectifier = rectifier

    def forward(self, warped_a, warped_b, motion_a, motion_b, kernel_a, kernel_b, t):
        t = t.reshape([1, 1, 1, 1])
        frame_a, frame_b = warped_a[:, 0:3], warped_b[:, 0:3]  # the context begins with the frame itself
        blend = frame_a * (1.0 - t) + frame_b * t
        rest = paddle.concat([blend, frame_a, frame_b, motion_a, motion_b, kernel_a, kernel_b], axis=1)
        return blend + self.rectifier(self.first(warped_a, warped_b, rest))

    def first(self, *inputs):
        """Return the first convolution of the rectifier of its three parts, without its offset."""
        parts = zip(inputs, Rectifier.PARTS, strict=True)
        return sum(F.conv2d(value, self.rectifier.weight_of(part), padding=3) for value, part in parts)


class FourierRectify(Rectify):
    """The same with the first convolution, half of the network's multiplications, as products of spectra."""

    def __init__(self, rectifier):
        super().__init__(rectifier)
        weights = [rectifier.weight_of(part).numpy() for part in Rectifier.PARTS]
        self.convolution = FourierConvolution(weights)

    def first(self, *inputs):
        return self.convolution(*inputs)
