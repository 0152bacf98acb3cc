"""The network of ``edvr-s`` and ``edvr-s-film`` in PyTorch, to train it.

The same arithmetic and parameter names as ``export/networks/edvr_small.py``, which is what is exported.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

WINDOW = 5
NEIGHBOURS = [i for i in range(WINDOW) if i != WINDOW // 2]


def leaky(x):
    return F.leaky_relu(x, 0.1)


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


def blocks(count, channels):
    chain = nn.Sequential()
    for index in range(count):
        chain.add_module(f"block{index}", ResidualBlock(channels))
    return chain


class DeformableConv(nn.Module):
    """A modulated deformable convolution of one tap, each group of channels read from a place of its own.

    Returns the result, and the mean of how far off the places are, [N, 2, H, W], x and y.
    """

    def __init__(self, channels, groups):
        super().__init__()
        self.groups = groups
        self.conv_offset_mask = nn.Conv2d(channels, groups * 3, 3, 1, 1)
        self.dcn = nn.Conv2d(channels, channels, 1)

    def forward(self, features, about):
        count, channels, height, width = features.shape
        groups = self.groups
        out = self.conv_offset_mask(about)
        offset = out[:, : groups * 2].reshape(count * groups, 2, height, width)
        mask = torch.sigmoid(out[:, groups * 2 :]).reshape(count * groups, 1, height, width)
        y = torch.arange(float(height)).reshape(1, height, 1) + offset[:, 0]
        x = torch.arange(float(width)).reshape(1, 1, width) + offset[:, 1]
        grid = torch.stack([x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], dim=-1)
        own = features.reshape(count * groups, channels // groups, height, width)
        read = F.grid_sample(own, grid, mode="bilinear", padding_mode="zeros", align_corners=True) * mask
        shift = offset.reshape(count, groups, 2, height, width).mean(dim=1).flip(1)
        return self.dcn(read.reshape(count, channels, height, width)), shift


class Alignment(nn.Module):
    """EDVR's pyramid of deformable convolutions, without its last, cascaded one."""

    def __init__(self, channels, groups):
        super().__init__()
        for level in (3, 2, 1):
            name = f"PCD_Align_L{level}"
            self.add_module(f"{name}_offset_conv1", nn.Conv2d(2 * channels, channels, 3, 1, 1))
            wide = channels if level == 3 else 2 * channels
            self.add_module(f"{name}_offset_conv2", nn.Conv2d(wide, channels, 3, 1, 1))
            self.add_module(f"{name}_dcn", DeformableConv(channels, groups))
            if level < 3:
                self.add_module(f"{name}_fea_conv", nn.Conv2d(2 * channels, channels, 3, 1, 1))

    def forward(self, own, reference):
        offset = aligned = None
        shifts = {}
        for level in (3, 2, 1):
            part = lambda name, level=level: self.get_submodule(f"PCD_Align_L{level}_{name}")  # noqa: E731
            mine, other = own[level - 1], reference[level - 1]
            x = leaky(part("offset_conv1")(torch.cat([mine, other], dim=1)))
            if level < 3:
                x = torch.cat([x, doubled(offset) * 2], dim=1)
            offset = leaky(part("offset_conv2")(x))
            read, shifts[level] = part("dcn")(mine, offset)
            if level < 3:
                read = part("fea_conv")(torch.cat([read, doubled(aligned)], dim=1))
            aligned = leaky(read)
        return aligned, shifts


def doubled(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class StarterEdvr(nn.Module):
    """[N, 5, 3, H, W] in [0, 1] -> the middle frame [N, 3, 4H, 4W], not clipped; multiples of 8."""

    def __init__(self, channels=32, wide=64, front=3, back=5, groups=8):
        super().__init__()
        self.conv_first = nn.Conv2d(3, channels, 6, 2, 2)
        self.feature_extractor = blocks(front, channels)
        self.fea_L2_conv1 = nn.Conv2d(channels, channels, 3, 2, 1)
        self.fea_L2_conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.fea_L3_conv1 = nn.Conv2d(channels, channels, 3, 2, 1)
        self.fea_L3_conv2 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.PCDModule = Alignment(channels, groups)
        self.fusion = nn.Conv2d(WINDOW * channels, wide, 3, 1, 1)
        self.reconstructor = blocks(back, wide)
        self.upconv1 = nn.Conv2d(wide, 4 * channels, 3, 1, 1)
        self.conv_last = nn.Conv2d(channels, 48, 3, 1, 1)
        self.base = nn.Conv2d(3, 48, 5, groups=3, bias=False)
        begin(self)
        self.fusion.weight.data.unflatten(1, (WINDOW, channels))[:, NEIGHBOURS] *= 0.1
        self.fusion.weight.data *= WINDOW**0.5
        self.base.weight.data = cubic_kernels().repeat(3, 1, 1, 1)

    def pyramid(self, frame):
        level1 = self.feature_extractor(leaky(self.conv_first(4 * frame - 2)))
        level2 = leaky(self.fea_L2_conv2(leaky(self.fea_L2_conv1(level1))))
        level3 = leaky(self.fea_L3_conv2(leaky(self.fea_L3_conv1(level2))))
        return level1, level2, level3

    def forward(self, window):
        return self.forward_and_shifts(window)[0]

    def forward_and_shifts(self, window, *, alone=False):
        """Return the result, and how far the alignment moves each neighbour, by level: [4 N, 2, h, w].

        With ``alone`` the result is made of the middle frame alone, and the alignment learns from features
        that it does not change: at first neighbours are but noise, from which a network learns to look away
        for good.
        """
        count = window.shape[0]
        centre = window[:, WINDOW // 2]
        frames = torch.cat([window[:, i] for i in range(WINDOW)])
        levels = [level.split(count) for level in self.pyramid(frames)]
        middle = levels[0][WINDOW // 2]
        if alone:
            levels = [[part.detach() for part in level] for level in levels]
        own = [torch.cat([level[i] for i in NEIGHBOURS]) for level in levels]
        reference = [level[WINDOW // 2].repeat(len(NEIGHBOURS), 1, 1, 1) for level in levels]
        found, shifts = self.PCDModule(own, reference)
        aligned = [torch.zeros_like(part) if alone else part for part in found.split(count)]
        aligned.insert(WINDOW // 2, middle)
        rebuilt = self.reconstructor(leaky(self.fusion(torch.cat(aligned, dim=1))))
        x = leaky(F.pixel_shuffle(self.upconv1(rebuilt), 2))
        x = self.conv_last(x) + self.base(F.pad(centre, [2, 2, 2, 2], mode="replicate"))
        return F.pixel_shuffle(x, 4), shifts


# Of the first weights, against what would keep the size of signals: a block begins as almost nothing, an
# alignment as none, the whole as bicubic enlargement.
SMALLER = (
    (".conv2.", 0.1),
    ("conv_offset_mask.", 0.0),
    ("conv_last.", 0.02),
)


def begin(net):
    """Set the first weights, so that signals keep their size from layer to layer."""
    for name, parameter in net.named_parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
        else:
            nn.init.kaiming_normal_(parameter, a=0.1, nonlinearity="leaky_relu")
            parameter.data *= next((part for key, part in SMALLER if key in name), 1.0)


def cubic_kernels():
    """Return the 16 filters [16, 1, 5, 5] that enlarge four times by Keys' cubic (a = -0.5)."""
    rows = []
    for phase in range(4):
        place = (phase + 0.5) / 4 - 0.5
        distance = (torch.arange(-2.0, 3) - place).abs()
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        rows.append(torch.where(distance <= 1, near, torch.where(distance < 2, far, 0 * distance)))
    return torch.stack([torch.outer(v, h) for v in rows for h in rows])[:, None]
