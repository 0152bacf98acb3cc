"""MegaDepth, the depth network inside the paper's DAIN, from Paddle's own operators.

Li and Snavely, "MegaDepth: Learning Single-View Depth Prediction from Internet Photos", CVPR 2018: an
hourglass of inception modules (Chen et al., "Single-Image Depth Perception in the Wild", NIPS 2016).
The authors' file was converted from Lua Torch, so a parameter's name is the path of indices through nested
containers; the nesting below reproduces those paths.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn


class Concat(nn.Sequential):
    """Every child sees the same input; their outputs are joined along the channels."""

    def forward(self, x):
        return paddle.concat([branch(x) for branch in self._sub_layers.values()], axis=1)


class Sum(nn.Sequential):
    """Every child sees the same input; their outputs are added."""

    def forward(self, x):
        first, second = self._sub_layers.values()
        return first(x) + second(x)


class Double(nn.Layer):
    """Every pixel becomes a square of two by two."""

    def forward(self, x):
        return F.interpolate(x, scale_factor=2, mode="nearest")


def normalised(channels, width, size):
    """Return convolution, normalisation without gain or offset, and activation."""
    norm = nn.BatchNorm2D(width, weight_attr=False, bias_attr=False)
    return nn.Conv2D(channels, width, size, 1, size // 2), norm, nn.ReLU()


def inception(channels, plain, inner, outer, sizes):
    """Return four branches: 1x1 to ``plain``, and three of 1x1 to ``inner`` then a square to ``outer``."""
    branches = [nn.Sequential(*normalised(channels, plain, 1))]
    for size in sizes:
        first, second = normalised(channels, inner, 1), normalised(inner, outer, size)
        branches.append(nn.Sequential(*first, *second))
    return Concat(*branches)


NEAR, FAR = (3, 5, 7), (3, 7, 11)  # squares of the two kinds of inception module


def eighth():
    """Return the hourglass from 1/8 of the frame's size down to 1/16 and back, 256 channels."""
    skip = nn.Sequential(*(inception(256, 64, 32, 64, NEAR) for _ in range(2)))
    deep = [inception(256, 64, 32, 64, NEAR) for _ in range(3)]
    return nn.Sequential(Sum(skip, nn.Sequential(nn.AvgPool2D(2, 2), *deep, Double())))


def quarter():
    """Return the hourglass from 1/4 of the frame's size down, 256 channels."""
    skip = nn.Sequential(inception(256, 64, 32, 64, NEAR), inception(256, 64, 64, 64, FAR))
    deep = nn.Sequential(
        nn.AvgPool2D(2, 2),
        inception(256, 64, 32, 64, NEAR),
        inception(256, 64, 32, 64, NEAR),
        eighth(),
        inception(256, 64, 32, 64, NEAR),
        inception(256, 64, 64, 64, FAR),
        Double(),
    )
    return nn.Sequential(Sum(skip, deep))


def half():
    """Return the hourglass from 1/2 of the frame's size down, 128 channels in and out."""
    deep = nn.Sequential(
        nn.MaxPool2D(2, 2),
        inception(128, 32, 32, 32, NEAR),
        inception(128, 64, 32, 64, NEAR),
        quarter(),
        inception(256, 64, 32, 64, NEAR),
        inception(256, 32, 32, 32, NEAR),
        Double(),
    )
    skip = nn.Sequential(inception(128, 32, 32, 32, NEAR), inception(128, 32, 64, 32, FAR))
    return nn.Sequential(Sum(deep, skip))


def whole():
    """Return the hourglass from the frame's size down, 128 channels to 64."""
    deep = nn.Sequential(
        nn.MaxPool2D(2, 2),
        inception(128, 32, 32, 32, NEAR),
        inception(128, 32, 32, 32, NEAR),
        half(),
        inception(128, 32, 64, 32, NEAR),
        inception(128, 16, 32, 16, FAR),
        Double(),
    )
    skip = nn.Sequential(inception(128, 16, 64, 16, FAR))
    return nn.Sequential(Sum(deep, skip))


class MegaDepth(nn.Sequential):
    """Logarithm of the depth of each pixel, up to one factor per frame: [N, 3, H, W] -> [N, 1, H, W].

    The frame is RGB in [0, 1]; H and W are multiples of 16.
    """

    def __init__(self):
        super().__init__(
            nn.Conv2D(3, 128, 7, 1, 3),
            nn.BatchNorm2D(128),
            nn.ReLU(),
            whole(),
            nn.Conv2D(64, 1, 3, 1, 1),
        )


class Shallow(nn.Layer):
    """The first layers, [1, 3, H, W] -> [1, 128, H/2, W/2]: what the hourglass takes further down."""

    def __init__(self, depth):
        super().__init__()
        self.depth = depth

    def forward(self, frame):
        entry, pool = entry_of(self.depth), parts_of(self.depth)[0][0]
        return pool(entry(frame))


class Deep(nn.Layer):
    """All that runs at half of the frame's size and below, [1, 128, H/2, W/2] -> [1, 64, H/2, W/2]."""

    def __init__(self, depth):
        super().__init__()
        self.depth = depth

    def forward(self, half):
        for layer in parts_of(self.depth)[0][1:-1]:
            half = layer(half)
        return half


class Depth(nn.Layer):
    """A frame [1, 3, H, W] and what ``Deep`` gave of it -> the logarithm of its depth [1, 1, H, W].

    The first layer runs again: kept from ``Shallow`` it would be the largest thing of all, 128 maps.
    """

    def __init__(self, depth):
        super().__init__()
        self.depth = depth

    def forward(self, frame, below):
        deep, skip = parts_of(self.depth)
        own = entry_of(self.depth)(frame)
        for layer in skip:
            own = layer(own)
        return self.depth[4](deep[-1](below) + own)


def entry_of(depth):
    return lambda frame: depth[2](depth[1](depth[0](frame)))


def parts_of(depth):
    """Return the layers of the outermost hourglass: those that go down and up again, and those beside."""
    deep, skip = depth[3][0]._sub_layers.values()
    return list(deep), list(skip)


STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}


def named_depth_weights(depth):
    """Return the network's parameters and running statistics under the names of the authors' file."""
    named = {}
    for path, layer in depth.named_sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            named |= {f"{path}.{name}": getattr(layer, held) for held, name in STATISTICS.items()}
        # Paddle gives a normalisation without gain and offset frozen ones and zeros of its own.
        if isinstance(layer, nn.Conv2D) or path == "1":
            named |= {f"{path}.weight": layer.weight, f"{path}.bias": layer.bias}
    return named
