"""A small EDVR of reel's own: EDVR's parts, narrow, at half the size of the frame.

Of EDVR (``edvr.py``) it keeps the pyramid of features, the alignment by deformable convolutions from coarse
to fine and the residual blocks. It leaves out what costs most at this width: every part but the last works
at half the frame's size, a deformable convolution has one tap for each of its groups, the middle frame is
not aligned with itself, there is no cascaded alignment and no attention. It enlarges by a bicubic filter,
which training may change, to which the network adds what is missing. ``training/starter_edvr.py`` is the
same in PyTorch.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle.vision.ops import DeformConv2D

from ..recipe import Traced
from .bases import WindowRecipe
from .pwc import leaky

WINDOW = 5
NEIGHBOURS = tuple(i for i in range(WINDOW) if i != WINDOW // 2)
CHANNELS, WIDE = 32, 64
FRONT_BLOCKS, BACK_BLOCKS = 3, 5
GROUPS = 8
LEVELS = (1, 2, 3)


def doubled(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class ResidualBlock(nn.Layer):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2D(channels, channels, 3, 1, 1)
        self.conv2 = nn.Conv2D(channels, channels, 3, 1, 1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


def blocks(count, channels):
    return nn.Sequential(*((f"block{index}", ResidualBlock(channels)) for index in range(count)))


class Pyramid(nn.Layer):
    """Features of one frame: [N, 3, H, W] -> [N, 32, H/2, W/2], [.., H/4, ..], [.., H/8, ..]."""

    def __init__(self):
        super().__init__()
        self.conv_first = nn.Conv2D(3, CHANNELS, 6, 2, 2)
        self.feature_extractor = blocks(FRONT_BLOCKS, CHANNELS)
        for level in LEVELS[1:]:
            self.add_sublayer(f"fea_L{level}_conv1", nn.Conv2D(CHANNELS, CHANNELS, 3, 2, 1))
            self.add_sublayer(f"fea_L{level}_conv2", nn.Conv2D(CHANNELS, CHANNELS, 3, 1, 1))

    def forward(self, frame):
        layers = self._sub_layers
        maps = [self.feature_extractor(leaky(self.conv_first(4.0 * frame - 2.0)))]
        for level in LEVELS[1:]:
            x = leaky(layers[f"fea_L{level}_conv1"](maps[-1]))
            maps.append(leaky(layers[f"fea_L{level}_conv2"](x)))
        return tuple(maps)


class DeformableConv(nn.Layer):
    """A modulated deformable convolution of one tap, each group of channels read from a place of its own."""

    def __init__(self):
        super().__init__()
        self.conv_offset_mask = nn.Conv2D(CHANNELS, GROUPS * 3, 3, 1, 1)
        self.dcn = DeformConv2D(CHANNELS, CHANNELS, 1, deformable_groups=GROUPS)

    def forward(self, features, about):
        """Return the features read elsewhere, and the offsets, pixels of their own level."""
        out = self.conv_offset_mask(about)
        offset, mask = out[:, : GROUPS * 2], F.sigmoid(out[:, GROUPS * 2 :])
        return self.dcn(features, offset, mask), offset


class Align(nn.Layer):
    """A frame's pyramid and the middle frame's -> the frame's features where the middle frame has them.

    Three maps each. Returns [N, 32, H/2, W/2], and [1]: how far, in pixels of the frame, the deformable
    convolutions look beyond their own place.
    """

    def __init__(self):
        super().__init__()
        for level in reversed(LEVELS):
            name = f"PCD_Align_L{level}"
            self.add_sublayer(f"{name}_offset_conv1", nn.Conv2D(2 * CHANNELS, CHANNELS, 3, 1, 1))
            width = CHANNELS if level == LEVELS[-1] else 2 * CHANNELS
            self.add_sublayer(f"{name}_offset_conv2", nn.Conv2D(width, CHANNELS, 3, 1, 1))
            self.add_sublayer(f"{name}_dcn", DeformableConv())
            if level < LEVELS[-1]:
                self.add_sublayer(f"{name}_fea_conv", nn.Conv2D(2 * CHANNELS, CHANNELS, 3, 1, 1))

    def forward(self, neighbour, reference):
        aligned, offsets = self.aligned(neighbour, reference)
        reach = paddle.zeros([1])
        for level, offset in offsets.items():
            reach = paddle.maximum(reach, paddle.abs(offset).max().reshape([1]) * float(2**level))
        return aligned, reach

    def aligned(self, neighbour, reference):
        """Return the features, and the offsets of each level."""
        offset = aligned = None
        offsets = {}
        for level in reversed(LEVELS):
            part = {name: self._sub_layers.get(f"PCD_Align_L{level}_{name}") for name in PARTS}
            own = neighbour[level - 1]
            x = leaky(part["offset_conv1"](paddle.concat([own, reference[level - 1]], axis=1)))
            if level < LEVELS[-1]:
                x = paddle.concat([x, doubled(offset) * 2], axis=1)
            offset = leaky(part["offset_conv2"](x))
            read, offsets[level] = part["dcn"](own, offset)
            if level < LEVELS[-1]:
                read = part["fea_conv"](paddle.concat([read, doubled(aligned)], axis=1))
            aligned = leaky(read)
        return aligned, offsets


PARTS = ("offset_conv1", "offset_conv2", "dcn", "fea_conv")


class Fusion(nn.Layer):
    """A window's features, five of [N, 32, H/2, W/2] -> [N, 64, H/2, W/2]."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(WINDOW * CHANNELS, WIDE, 3, 1, 1)

    def forward(self, aligned):
        return leaky(self.conv(paddle.concat(aligned, axis=1)))


class Enlarge(nn.Layer):
    """The middle frame [N, 3, H, W] and its rebuilt features -> it in four times the size, not clipped."""

    def __init__(self):
        super().__init__()
        self.upconv1 = nn.Conv2D(WIDE, 4 * CHANNELS, 3, 1, 1)
        self.conv_last = nn.Conv2D(CHANNELS, 48, 3, 1, 1)
        self.base = nn.Conv2D(3, 48, 5, groups=3, bias_attr=False)

    def forward(self, centre, rebuilt):
        x = self.conv_last(leaky(F.pixel_shuffle(self.upconv1(rebuilt), 2)))
        return F.pixel_shuffle(x + self.base(F.pad(centre, [2, 2, 2, 2], mode="replicate")), 4)


class SmallEdvr(nn.Layer):
    """The whole network: [N, 5, 3, H, W] in [0, 1] -> [N, 3, 4H, 4W]; H and W multiples of 8."""

    def __init__(self):
        super().__init__()
        self.pyramid = Pyramid()
        self.align = Align()
        self.fusion = Fusion()
        self.reconstructor = blocks(BACK_BLOCKS, WIDE)
        self.enlarge = Enlarge()

    def forward(self, window):
        pyramids = [self.pyramid(window[:, i]) for i in range(WINDOW)]
        reference = pyramids[WINDOW // 2]
        aligned = [self.align.aligned(pyramids[i], reference)[0] for i in NEIGHBOURS]
        aligned.insert(WINDOW // 2, reference[0])
        return self.enlarge(window[:, WINDOW // 2], self.reconstructor(self.fusion(aligned)))

    def named_weights(self):
        """Return every parameter under the name that it has in a weight file, EDVR's where it has one."""
        parts = {
            "": self.pyramid,
            "PCDModule.": self.align,
            "fusion.": self.fusion.conv,
            "reconstructor.": self.reconstructor,
        }
        named = {
            f"{prefix}{name}": p for prefix, part in parts.items() for name, p in part.named_parameters()
        }
        return named | dict(self.enlarge.named_parameters())


class SmallEdvrRecipe(WindowRecipe):
    """How reel exports its small EDVR (see ``export.recipe.Recipe``)."""

    def __init__(self):
        super().__init__(SmallEdvr())

    def weights(self):
        return self.net.named_weights()

    def traced(self):
        own, reference = (tuple(f"{side}{level}" for level in LEVELS) for side in ("level", "reference"))
        aligned = tuple("reference1" if i == WINDOW // 2 else f"aligned_{i}" for i in range(WINDOW))
        return {
            "pyramid": Traced(self.net.pyramid, ("frame",)),
            "align": Traced(self.net.align, (own, reference), deformable_groups=GROUPS),
            "fusion": Traced(self.net.fusion, (aligned,)),
            "rebuild": Traced(self.net.reconstructor, ("fused",)),
            "enlarge": Traced(self.net.enlarge, ("centre", "rebuilt")),
        }

    def compose(self, run, example):
        frames = [example["window"][:, i] for i in range(WINDOW)]
        pyramids = [run("pyramid", frame=frame) for frame in frames]
        reference = {f"reference{level}": pyramids[WINDOW // 2][level - 1] for level in LEVELS}
        aligned = {}
        for i in NEIGHBOURS:
            own = {f"level{level}": value for level, value in zip(LEVELS, pyramids[i], strict=True)}
            aligned[f"aligned_{i}"] = run("align", **own, **reference)[0]
        (fused,) = run("fusion", **aligned, reference1=reference["reference1"])
        (rebuilt,) = run("rebuild", fused=fused)
        return run("enlarge", centre=frames[WINDOW // 2], rebuilt=rebuilt)[0]
