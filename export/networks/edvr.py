"""EDVR as PaddleGAN defines it, cut into a pyramid per frame, and per window into four parts.

The layers and weights are ppgan's own (``ppgan/models/generators/edvr.py``, 2.1.0); only the order of the
work differs: a frame's pyramid is computed once for the five windows that it appears in. The result is
exactly equal to the original. Each of the four parts needs another share of memory for a pixel and looks
another distance around it, so that a frame too large for the memory is cut into other tiles for each.
"""

from __future__ import annotations

import paddle
from paddle import nn

from ..ppgan import ppgan_module
from ..recipe import Traced
from .bases import WindowRecipe

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


class Align(nn.Layer):
    """A frame's pyramid and the middle frame's -> the frame's features where the middle frame has them.

    ``neighbour`` and ``reference`` are three maps each. Returns [1, nf, H, W], and [1]: how far, in pixels
    of the frame, the deformable convolutions look beyond their own place. Nothing but the weights bounds
    that, so who cuts a frame into tiles has to ask.
    """

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, neighbour, reference):
        pcd, layers, act = self.net.PCDModule, self.net.PCDModule._sub_layers, self.net.Leaky_relu
        aligned = offset = None
        reach = paddle.zeros([1])
        for level in (3, 2, 1):
            part = {name: layers.get(f"PCD_Align_L{level}_{name}") for name in PCD_PARTS}
            own, unit = neighbour[level - 1], float(2 ** (level - 1))
            x = act(part["offset_conv1"](paddle.concat([own, reference[level - 1]], axis=1)))
            if level < 3:
                x = act(part["offset_conv2"](paddle.concat([x, pcd.upsample(offset) * 2], axis=1)))
                x = part["offset_conv3"](x)
            else:
                x = part["offset_conv2"](x)
            offset = act(x)
            read, far = deformed(part["dcn"], own, offset)
            reach = paddle.maximum(reach, unit * far)
            if level < 3:
                read = part["fea_conv"](paddle.concat([read, pcd.upsample(aligned)], axis=1))
            aligned = act(read) if level > 1 else read
        offset = act(pcd.PCD_Align_cas_offset_conv1(paddle.concat([aligned, reference[0]], axis=1)))
        offset = act(pcd.PCD_Align_cas_offset_conv2(offset))
        aligned, far = deformed(pcd.PCD_Align_cascade_dcn, aligned, offset)
        return act(aligned), reach + far


PCD_PARTS = ("offset_conv1", "offset_conv2", "offset_conv3", "dcn", "fea_conv")


def deformed(pack, features, offset_features):
    """Run ppgan's DCNPack, and return the largest of its offsets, [1], as well."""
    out = pack.conv_offset_mask(offset_features)
    offset, mask = out[:, : 2 * pack.split_channels], out[:, 2 * pack.split_channels :]
    return pack.dcn(features, offset, pack.sigmoid(mask)), paddle.abs(offset).max().reshape([1])


class Fusion(nn.Layer):
    """Temporal and spatial attention over a window's aligned features, [1, nf, H, W] each -> the same."""

    def __init__(self, net):
        super().__init__()
        self.tsa = net.TSAModule

    def forward(self, aligned):
        tsa = self.tsa
        reference = tsa.tAtt_2(aligned[WINDOW // 2])
        aligned = paddle.concat(aligned, axis=0)
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


class Enlarge(nn.Layer):
    """The middle frame [1, 3, H, W] and its rebuilt features -> it in four times the size, not clipped."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, centre, rebuilt):
        net = self.net
        x = net.Leaky_relu(net.pixel_shuffle(net.upconv1(rebuilt)))
        x = net.Leaky_relu(net.pixel_shuffle(net.upconv2(x)))
        x = net.conv_last(net.Leaky_relu(net.HRconv(x)))
        return x + net.upsample(centre)


def pooled(tsa, x):
    return paddle.concat([tsa.max_pool(x), tsa.avg_pool(x)], axis=1)


def original(channels, blocks):
    """Return ppgan's own, unmodified network: [N, 5, 3, H, W] -> [N, 3, 4H, 4W]."""
    return ppgan_module("ppgan.models.generators.edvr").EDVRNet(nf=channels, back_RBs=blocks)


class EdvrRecipe(WindowRecipe):
    """How reel exports EDVR (see ``export.recipe.Recipe``).

    Args:
        channels: 128 for L, 64 for M.
        blocks: Residual blocks of the reconstruction: 40 for L, 10 for M.
    """

    def __init__(self, channels, blocks):
        super().__init__(original(channels, blocks))

    def traced(self):
        mine, other = (tuple(f"{side}{level}" for level in (1, 2, 3)) for side in ("level", "reference"))
        aligned = tuple(f"aligned_{i}" for i in range(WINDOW))
        return {
            "pyramid": Traced(Pyramid(self.net), ("frame",)),
            "align": Traced(Align(self.net), (mine, other)),
            "fusion": Traced(Fusion(self.net), (aligned,)),
            "rebuild": Traced(self.net.reconstructor, ("fused",)),
            "enlarge": Traced(Enlarge(self.net), ("centre", "rebuilt")),
        }

    def compose(self, run, example):
        frames = [example["window"][:, i] for i in range(WINDOW)]
        pyramids = [run("pyramid", frame=frame) for frame in frames]
        reference = {f"reference{level}": pyramids[WINDOW // 2][level - 1] for level in (1, 2, 3)}
        aligned = {}
        for i, pyramid in enumerate(pyramids):
            own = {f"level{level}": value for level, value in enumerate(pyramid, start=1)}
            aligned[f"aligned_{i}"] = run("align", **own, **reference)[0]
        (fused,) = run("fusion", **aligned)
        (rebuilt,) = run("rebuild", fused=fused)
        return run("enlarge", centre=frames[WINDOW // 2], rebuilt=rebuilt)[0]
