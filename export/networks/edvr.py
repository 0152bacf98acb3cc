"""EDVR as PaddleGAN defines it, cut into a pyramid per frame and a fusion per window.

The layers and weights are ppgan's own (``ppgan/models/generators/edvr.py``, 2.1.0); only the order of the
work differs: a frame's pyramid is computed once for the five windows that it appears in. The result is
exactly equal to the original.
"""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from ..ppgan import ppgan_module
from ..recipe import Traced
from .examples import moving_pictures

WINDOW = 5


class Pyramid(nn.Layer):
    """Features of one frame at three levels.

    [N, 3, H, W] -> [N, nf, H, W], [N, nf, H/2, W/2], [N, nf, H/4, W/4]; H and W multiples of 4.
    """

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, frame):
        net = self.net
        level1 = net.feature_extractor(net.Leaky_relu(net.conv_first(frame)))
        level2 = net.Leaky_relu(net.fea_L2_conv2(net.Leaky_relu(net.fea_L2_conv1(level1))))
        level3 = net.Leaky_relu(net.fea_L3_conv2(net.Leaky_relu(net.fea_L3_conv1(level2))))
        return level1, level2, level3


class Fusion(nn.Layer):
    """The middle frame and the pyramids of its window -> the middle frame, four times the size.

    ``centre`` is [1, 3, H, W]; each level is a list of that level's maps of the five frames in time
    order. Returns [1, 3, 4H, 4W], not clipped.
    """

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, centre, level1, level2, level3):
        net = self.net
        reference = [level[WINDOW // 2] for level in (level1, level2, level3)]
        # One neighbour after the other: as one batch of five they need 1.4 times the memory, and on a CPU
        # 1.15 times the time.
        aligned = []
        for i in range(WINDOW):
            aligned.append(net.PCDModule([level1[i], level2[i], level3[i]], reference))
        aligned = paddle.concat(aligned, axis=0)
        x = self.fuse(aligned)
        x = net.reconstructor(x)
        x = net.Leaky_relu(net.pixel_shuffle(net.upconv1(x)))
        x = net.Leaky_relu(net.pixel_shuffle(net.upconv2(x)))
        x = net.conv_last(net.Leaky_relu(net.HRconv(x)))
        return x + net.upsample(centre)

    def fuse(self, aligned):
        """Temporal and spatial attention over the aligned features [5, nf, H, W] -> [1, nf, H, W]."""
        tsa = self.net.TSAModule
        middle = WINDOW // 2
        reference = tsa.tAtt_2(aligned[middle : middle + 1])
        weight = tsa.sigmoid((tsa.tAtt_1(aligned) * reference).sum(axis=1, keepdim=True))
        weighted = aligned * weight
        stacked = paddle.concat([weighted[i : i + 1] for i in range(WINDOW)], axis=1)
        features = tsa.Leaky_relu(tsa.fea_fusion(stacked))
        attention = tsa.Leaky_relu(tsa.sAtt_1(stacked))
        attention = tsa.Leaky_relu(tsa.sAtt_2(pooled(tsa, attention)))
        deeper = tsa.Leaky_relu(tsa.sAtt_L1(attention))
        deeper = tsa.Leaky_relu(tsa.sAtt_L2(pooled(tsa, deeper)))
        deeper = tsa.upsample(tsa.Leaky_relu(tsa.sAtt_L3(deeper)))
        attention = tsa.Leaky_relu(tsa.sAtt_3(attention)) + deeper
        attention = tsa.Leaky_relu(tsa.sAtt_4(attention))
        attention = tsa.sAtt_5(tsa.upsample(attention))
        added = tsa.sAtt_add_2(tsa.Leaky_relu(tsa.sAtt_add_1(attention)))
        return features * tsa.sigmoid(attention) * 2 + added


def pooled(tsa, x):
    return paddle.concat([tsa.max_pool(x), tsa.avg_pool(x)], axis=1)


def original(channels, blocks):
    """Return ppgan's own, unmodified network: [N, 5, 3, H, W] -> [N, 3, 4H, 4W]."""
    return ppgan_module("ppgan.models.generators.edvr").EDVRNet(nf=channels, back_RBs=blocks)


class EdvrRecipe:
    """How reel exports EDVR (see ``export.recipe.Recipe``).

    Args:
        channels: 128 for L, 64 for M.
        blocks: Residual blocks of the reconstruction: 40 for L, 10 for M.
    """

    def __init__(self, channels, blocks):
        self.net = original(channels, blocks)
        self.net.eval()

    def layout(self):
        return {name: tuple(value.shape) for name, value in self.net.state_dict().items()}

    def load(self, weights):
        for name, value in self.net.state_dict().items():
            value.set_value(weights[name])

    def example(self, height, width):
        return {"window": np.stack(moving_pictures(WINDOW, height, width), axis=1)}

    def paddle_output(self, example):
        with paddle.no_grad():
            return self.net(paddle.to_tensor(example["window"])).numpy()

    def traced(self):
        levels = tuple(tuple(f"level{level}_{i}" for i in range(WINDOW)) for level in (1, 2, 3))
        return {
            "pyramid": Traced(Pyramid(self.net), ("frame",)),
            "fusion": Traced(Fusion(self.net), ("centre", *levels)),
        }

    def compose(self, run, example):
        frames = [example["window"][:, i] for i in range(WINDOW)]
        maps = {
            f"level{level}_{i}": value
            for i, frame in enumerate(frames)
            for level, value in enumerate(run("pyramid", frame=frame), start=1)
        }
        return run("fusion", centre=frames[WINDOW // 2], **maps)[0]
