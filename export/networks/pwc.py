"""PWC-Net, the optical flow network inside both DAINs, from Paddle's own operators.

Sun et al., "PWC-Net: CNNs for Optical Flow Using Pyramid, Warping, and Cost Volume", CVPR 2018; in the
form that PaddleGAN keeps in ``applications/DAIN/pwcnet/pwcnet.py`` (commit 7957090).
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn

REACH = 4  # displacements of -4..4 in both directions, 81 in all
FEATURES = {1: 16, 2: 32, 3: 64, 4: 96, 5: 128, 6: 196}
DENSE = (128, 128, 96, 64, 32)
# Flow at level n is a twentieth of pixels of the full frame; these bring it to pixels of that level.
LEVEL_SCALE = {5: 0.625, 4: 1.25, 3: 2.5, 2: 5.0}
CONTEXT = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))


def base_grid(height, width):
    """Return the pixel coordinates [1, 2, height, width], x first, for possibly symbolic sizes."""
    x = paddle.arange(0, width, dtype="float32").reshape([1, 1, 1, -1])
    y = paddle.arange(0, height, dtype="float32").reshape([1, 1, -1, 1])
    return paddle.concat([x + 0.0 * y, y + 0.0 * x], axis=1)


def sample(image, flow):
    """Return ``image`` [N, C, H, W] read at each pixel's place plus ``flow`` [N, 2, H, W] in pixels.

    Bilinear, zero outside, with the pixels at the corners of the grid (``align_corners``).
    """
    size = paddle.shape(image)
    height, width = size[2], size[3]
    place = base_grid(height, width) + flow
    extent = paddle.stack([width - 1, height - 1]).cast("float32").reshape([1, 2, 1, 1])
    grid = (2.0 * place / extent - 1.0).transpose([0, 2, 3, 1])
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=True)


def masked_sample(features, flow, threshold):
    """Return ``sample(features, flow)``, zero wherever less than ``threshold`` of it was inside."""
    inside = sample(paddle.ones_like(features[:, :1]), flow)
    return sample(features, flow) * (inside >= threshold).cast("float32")


def correlation(first, second, reach):
    """Return the mean product of two feature maps at displacements of up to ``reach`` in both directions.

    [N, (2 reach + 1)**2, H, W], y outermost.
    """
    padded = F.pad(second, [reach] * 4)
    # Counted from the far end, the slices need no shape arithmetic: a twentieth of the nodes in ONNX.
    slices = [slice(i, i - 2 * reach if i < 2 * reach else None) for i in range(2 * reach + 1)]
    return paddle.concat(
        [(first * padded[:, :, dy, dx]).mean(axis=1, keepdim=True) for dy in slices for dx in slices],
        axis=1,
    )


def leaky(x):
    return F.leaky_relu(x, negative_slope=0.1)


class PyramidFeatures(nn.Layer):
    """Features of one frame at levels 2 to 6: [N, 3, H, W] -> five maps, H/4 down to H/64."""

    def __init__(self):
        super().__init__()
        channels = 3
        for level, width in FEATURES.items():
            for name, stride in self.layers_of(level):
                self.add_sublayer(name, nn.Conv2D(channels, width, 3, stride, 1))
                channels = width

    @staticmethod
    def layers_of(level):
        """Return the level's layers in the order in which they run, with their strides."""
        # Level 6 alone runs "aa" before "a".
        first, second = ("aa", "a") if level == 6 else ("a", "aa")
        return ((f"conv{level}{first}", 2), (f"conv{level}{second}", 1), (f"conv{level}b", 1))

    def forward(self, x):
        maps = []
        for level in FEATURES:
            for name, _ in self.layers_of(level):
                x = leaky(self._sub_layers[name](x))
            maps.append(x)
        return maps[1:]


class FlowEstimator(nn.Layer):
    """Flow from the first frame to the second, from their pyramid features.

    Returns [N, 2, H/4, W/4] in twentieths of a pixel of the full frame.

    Args:
        mask_threshold: Share of a sample that must lie inside the frame for it to count.
    """

    def __init__(self, mask_threshold):
        super().__init__()
        self.mask_threshold = mask_threshold
        displacements = (2 * REACH + 1) ** 2
        for level in (6, 5, 4, 3, 2):
            channels = displacements if level == 6 else displacements + FEATURES[level] + 4
            for i, width in enumerate(DENSE):
                self.add_sublayer(f"conv{level}_{i}", nn.Conv2D(channels, width, 3, 1, 1))
                channels += width
            self.add_sublayer(f"predict_flow{level}", nn.Conv2D(channels, 2, 3, 1, 1))
            if level > 2:
                self.add_sublayer(f"deconv{level}", nn.Conv2DTranspose(2, 2, 4, 2, 1))
                self.add_sublayer(f"upfeat{level}", nn.Conv2DTranspose(channels, 2, 4, 2, 1))
        for i, (width, dilation) in enumerate(CONTEXT, start=1):
            self.add_sublayer(f"dc_conv{i}", nn.Conv2D(channels, width, 3, 1, dilation, dilation))
            channels = width
        self.add_sublayer("dc_conv7", nn.Conv2D(channels, 2, 3, 1, 1))

    def forward(self, first, second):
        layers = self._sub_layers
        x = flow = None
        for level in (6, 5, 4, 3, 2):
            mine, other = first[level - 2], second[level - 2]
            if level == 6:
                x = leaky(correlation(mine, other, REACH))
            else:
                up_flow = layers[f"deconv{level + 1}"](flow)
                up_features = layers[f"upfeat{level + 1}"](x)
                warped = masked_sample(other, up_flow * LEVEL_SCALE[level], self.mask_threshold)
                cost = leaky(correlation(mine, warped, REACH))
                x = paddle.concat([cost, mine, up_flow, up_features], axis=1)
            for i in range(len(DENSE)):
                x = paddle.concat([leaky(layers[f"conv{level}_{i}"](x)), x], axis=1)
            flow = layers[f"predict_flow{level}"](x)
        for i in range(1, 7):
            x = leaky(layers[f"dc_conv{i}"](x))
        return flow + layers["dc_conv7"](x)
