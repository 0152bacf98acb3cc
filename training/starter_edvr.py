"""The network of ``edvr-s`` and ``edvr-s-film`` in PyTorch, to train it.

The same arithmetic and parameter names as ``export/networks/edvr_small.py``, which is what is exported.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lucas_kanade import (
    blurred,
    brightness,
    flattened,
    gradient,
    own_places,
    read_at,
    smooth,
    still_apart,
)
from torch import nn

WINDOW = 5
NEIGHBOURS = [i for i in range(WINDOW) if i != WINDOW // 2]
LEVELS = ((4, 3), (2, 3), (1, 2))  # the frame is shrunk by so much, and the motion corrected so many times
TEXTURE = 2  # pixels to each side
DOUBT = 0.04  # difference of brightness at which a neighbour counts for half
CORNERS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))


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


def levels_of(frame):
    """Return a frame's brightness in the sizes that its motion is measured in, from coarse to fine."""
    bright = brightness(frame)
    return [flattened(bright if size == 1 else F.avg_pool2d(bright, size)) for size, _ in LEVELS]


def motion(own, reference):
    """Return where the pixels of the reference are in the other frame, [N, 2, H, W], by Lucas and Kanade."""
    flow = None
    for (_, corrections), moved, still in zip(LEVELS, own, reference, strict=True):
        flow = torch.zeros_like(still).repeat(1, 2, 1, 1) if flow is None else 2 * doubled(flow)
        at_rest, places = gradient(still), own_places(still)
        for _ in range(corrections):
            seen = read_at(moved, places + flow)
            flow = smooth(flow + still_apart(still, seen, (gradient(seen) + at_rest) / 2))
    return flow


def doubled(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def told(neighbour, frame, flow):
    """Return what a neighbour's pixels tell of the places between the frame's own pixels.

    At four places in each pixel: how far the neighbour's nearest pixel is from what the frame itself lets
    expect where that pixel lies, [N, 12, H, W], each of three colours at four places; and how near it lies,
    in [0, 1], [N, 4, H, W]. Both are multiplied already. Third, how unlike both are, [N, 1, H, W].
    """
    count, (height, width) = len(frame), frame.shape[2:]
    places = own_places(frame)
    between = torch.cat([places + torch.tensor(corner).reshape(1, 2, 1, 1) for corner in CORNERS], dim=2)
    wanted = between + flow.repeat(1, 1, len(CORNERS), 1)
    nearest = wanted.round()
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2]).reshape(1, 2, 1, 1)
    inside = ((nearest - middle).abs() <= middle).float().prod(dim=1).reshape(count, 1, 4, height, width)
    twice = 2 * (wanted - nearest).reshape(count, 2, 4, height, width)
    shares = (F.relu(twice), 1 - twice.abs(), F.relu(-twice))
    near = inside * shares[1][:, :1] * shares[1][:, 1:]
    around = enlarged_around(frame)
    expected = sum(
        shares[j][:, 1:] * shares[i][:, :1] * around[:, :, j : j + 2, i : i + 2].flatten(2, 3)
        for j in range(3)
        for i in range(3)
    )
    read = read_at(neighbour, nearest, "nearest").reshape(count, 3, 4, height, width)
    news = near * (read - expected)
    unlike = blurred((read_at(neighbour, places + flow) - frame).abs().mean(dim=1, keepdim=True), TEXTURE)
    return news.flatten(1, 2), near.flatten(1, 2), unlike


def enlarged_around(frame):
    """Return a bicubic doubling in and around each pixel, [N, 3, 4, 4, H, W], y outermost."""
    kernels = cubic_kernels((-0.75, -0.25, 0.25, 0.75)).repeat(3, 1, 1, 1)
    maps = F.conv2d(F.pad(frame, [2] * 4, mode="replicate"), kernels, groups=3)
    return maps.unflatten(1, (3, 4, 4))


class StarterEdvr(nn.Module):
    """[N, 5, 3, H, W] in [0, 1] -> the middle frame [N, 3, 4H, 4W], not clipped; multiples of 4."""

    def __init__(self, wide=64, narrow=32, back=7):
        super().__init__()
        self.gate1 = nn.Conv2d(21, 16, 6, 2, 2)
        self.gate2 = nn.Conv2d(16, 4, 3, 1, 1)
        self.fusion = nn.Conv2d(20, wide, 6, 2, 2)
        self.reconstructor = blocks(back, wide)
        self.upconv1 = nn.Conv2d(wide, 4 * narrow, 3, 1, 1)
        self.conv_last = nn.Conv2d(narrow, 48, 3, 1, 1)
        self.base = nn.Conv2d(3, 48, 5, groups=3, bias=False)
        begin(self)
        self.base.weight.data = cubic_kernels((-0.375, -0.125, 0.125, 0.375)).repeat(3, 1, 1, 1)

    def aligned(self, neighbour, frame):
        """Return what a neighbour adds, as far as it is to be trusted: [N, 17, H, W]."""
        with torch.no_grad():
            flow = motion(levels_of(neighbour), levels_of(frame))
            news, near, unlike = told(neighbour, frame, flow)
            texture = blurred(gradient(brightness(frame)).abs().mean(dim=1, keepdim=True), TEXTURE)
        known = torch.cat([8 * news, near, 10 * unlike], dim=1)
        x = torch.cat([known, 10 * texture, 4 * frame - 2], dim=1)
        trust = torch.sigmoid(2 + F.pixel_shuffle(self.gate2(leaky(self.gate1(x))), 2))
        return known * trust / (1 + (unlike / DOUBT) ** 2)

    def forward(self, window):
        count = len(window)
        centre = window[:, WINDOW // 2]
        neighbours = torch.cat([window[:, i] for i in NEIGHBOURS])
        added = self.aligned(neighbours, centre.repeat(len(NEIGHBOURS), 1, 1, 1))
        added = added.unflatten(0, (len(NEIGHBOURS), count)).sum(dim=0)
        x = leaky(self.fusion(torch.cat([4 * centre - 2, added], dim=1)))
        x = leaky(F.pixel_shuffle(self.upconv1(self.reconstructor(x)), 2))
        x = self.conv_last(x) + self.base(F.pad(centre, [2] * 4, mode="replicate"))
        colour = F.max_pool2d(colourful(centre), 5, 1, 2)
        grey = x.unflatten(1, (3, 16)).mean(dim=1).repeat(1, 3, 1, 1)
        return F.pixel_shuffle(grey + colour * (x - grey), 4)


def colourful(picture):
    """Return 0 where a picture [N, 3, H, W] is grey, 1 where it has colour, however little, [N, 1, H, W]."""
    apart = picture.amax(dim=1, keepdim=True) - picture.amin(dim=1, keepdim=True)
    return (255 * apart).clamp(0, 1)


# Of the first weights, against what would keep the size of signals: a block begins as almost nothing, the
# whole as bicubic enlargement, and every neighbour is trusted.
SMALLER = ((".conv2.", 0.1), ("conv_last.", 0.02), ("gate2.", 0.1))


def begin(net):
    """Set the first weights, so that signals keep their size from layer to layer."""
    for name, parameter in net.named_parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
        else:
            nn.init.kaiming_normal_(parameter, a=0.1, nonlinearity="leaky_relu")
            parameter.data *= next((part for key, part in SMALLER if key in name), 1.0)


def cubic_kernels(places):
    """Return the filters [n * n, 1, 5, 5] that read n places in a pixel, y outermost, by Keys' cubic."""
    rows = []
    for place in places:
        distance = (torch.arange(-2.0, 3) - place).abs()
        near = 1.5 * distance**3 - 2.5 * distance**2 + 1
        far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        rows.append(torch.where(distance <= 1, near, torch.where(distance < 2, far, 0 * distance)))
    return torch.stack([torch.outer(v, h) for v in rows for h in rows])[:, None]
