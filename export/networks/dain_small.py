"""A small interpolator of reel's own: DAIN's flow pyramid, backward warp and rectifier, narrow.

As in PaddleGAN's DAIN (``dain.py``) flows both ways are estimated once for a pair of frames, from coarse to
fine by a cost volume, and a frame at any time is read out of both frames and rectified. Unlike there, the
flows are first brought to the time between (Super SloMo's approximation, corrected by a few layers), and how
far each frame is to be trusted is estimated; then what is still apart is measured at full size, and the
frames are read by a cubic, which keeps textures sharp. ``training/starter_dain.py`` is the same in PyTorch.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn

from ..recipe import Traced
from .colour import colourful
from .dain import DainRecipe
from .lucas_kanade import (
    Pixels,
    blurred,
    brightness,
    flattened,
    gradient,
    places_in,
    read_at,
    smooth,
    still_apart,
)
from .pwc import correlation, leaky

CHANNELS = {1: 16, 2: 32, 3: 48, 4: 64, 5: 64}
LEVELS = (2, 3, 4, 5)  # that the flow is estimated at
REACH = 3  # displacements of -3..3 in both directions, 49 in all
DISPLACEMENTS = (2 * REACH + 1) ** 2
FLOW_WIDTHS, MEET_WIDTHS = (64, 48, 32), (64, 64, 48)
FINE, COARSE = 16, 32
MEASURED = ((16, 3), (8, 3), (4, 3), (2, 3), (1, 1))  # sizes, and corrections of the motion at each
DECIDED = 7  # pixels to each side by which one of two motions is preferred
CLEARLY = 0.003  # difference of brightness
SHIFT_UNIT = 16.0  # pixels, as the rectifier is told of motion


def sample(image, flow):
    """Return ``image`` [N, C, H, W] read at each pixel's place plus ``flow`` [N, 2, H, W] in pixels.

    Bilinear; beyond the edges the outermost pixels go on.
    """
    return read_at(image, places_in(image) + flow)


def enlarged(x, factor):
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class Features(nn.Layer):
    """Features of frames at levels 2 to 5: [N, 3, H, W] -> four maps, H/4 down to H/32."""

    def __init__(self):
        super().__init__()
        channels = 3
        for level, width in CHANNELS.items():
            self.add_sublayer(f"conv{level}a", nn.Conv2D(channels, width, 3, 2, 1))
            self.add_sublayer(f"conv{level}b", nn.Conv2D(width, width, 3, 1, 1))
            channels = width

    def forward(self, x):
        maps, x = [], 4.0 * x - 2.0
        for level in CHANNELS:
            x = leaky(self._sub_layers[f"conv{level}a"](x))
            x = leaky(self._sub_layers[f"conv{level}b"](x))
            maps.append(x)
        return maps[LEVELS[0] - 1 :]


class Flow(nn.Layer):
    """Features of frames a and b, four maps each -> flow a to b and b to a, [1, 2, H/4, W/4] each.

    In pixels of that level.
    """

    def __init__(self):
        super().__init__()
        for level in reversed(LEVELS):
            channels = DISPLACEMENTS + CHANNELS[level] + 2
            for index, width in enumerate(FLOW_WIDTHS):
                self.add_sublayer(f"conv{level}_{index}", nn.Conv2D(channels, width, 3, 1, 1))
                channels = width
            self.add_sublayer(f"flow{level}", nn.Conv2D(channels, 2, 3, 1, 1))

    def forward(self, a, b):
        flow = None
        for level in reversed(LEVELS):
            ours, theirs = a[level - LEVELS[0]], b[level - LEVELS[0]]
            mine, other = paddle.concat([ours, theirs], axis=0), paddle.concat([theirs, ours], axis=0)
            if flow is None:  # also, one row or column alone could not be sampled between its corners
                flow = paddle.zeros_like(mine[:, 0:2])
            else:
                flow = 2.0 * enlarged(flow, 2)
                other = sample(other, flow)
            x = paddle.concat([leaky(correlation(mine, other, REACH)), mine, flow], axis=1)
            for index in range(len(FLOW_WIDTHS)):
                x = leaky(self._sub_layers[f"conv{level}_{index}"](x))
            flow = flow + self._sub_layers[f"flow{level}"](x)
        return flow[0:1], flow[1:2]


def corrected(a, b, to_a, to_b, t):
    """Return the motions to both frames, [1, 2, H, W], corrected by how far what they lead to is apart.

    The network that found them saw a fourth of the size; half a pixel more or less decides whether a texture
    is sharp. ``a`` and ``b`` are brightness, flattened.
    """
    step = smooth(step_apart(sample(a, to_a), sample(b, to_b)))
    return to_a - t * step, to_b + (1.0 - t) * step


def measured(a, b, t):
    """Return the motions to both frames by measure alone: exact for slow ones, and whole ones as of a pan.

    ``a`` and ``b`` are brightness.
    """
    apart = None
    for size, corrections in MEASURED:
        mine, other = flattened(shrunk(a, size)), flattened(shrunk(b, size))
        apart = paddle.concat([mine, mine], axis=1) * 0.0 if apart is None else 2.0 * enlarged(apart, 2)
        for _ in range(corrections):
            step = step_apart(sample(mine, -t * apart), sample(other, (1.0 - t) * apart))
            apart = smooth(apart + step)
    return -t * apart, (1.0 - t) * apart


def step_apart(still, moved):
    return still_apart(still, moved, (gradient(moved) + gradient(still)) / 2.0)


def shrunk(x, size):
    return F.avg_pool2d(x, size) if size > 1 else x


def unlike(a, b, to_a, to_b):
    """Return how unlike both frames are where two motions lead to, [1, 1, H, W]."""
    places = places_in(a)
    apart = Pixels(a).between(places + to_a) - Pixels(b).between(places + to_b)
    return blurred(paddle.abs(apart).mean(axis=1, keepdim=True), DECIDED)


class Warp(nn.Layer):
    """Frames a and b, level 2 of each, their flows and a time [1] -> all that is known of that time.

    [1, 14, H, W]: the frame as it seems to be, either frame as it moved, where each pixel is in either (in
    units of 16 pixels), and how far the first one is to be trusted.
    """

    def __init__(self):
        super().__init__()
        channels = 2 * CHANNELS[2] + 5
        for index, width in enumerate(MEET_WIDTHS):
            self.add_sublayer(f"conv{index}", nn.Conv2D(channels, width, 3, 1, 1))
            channels = width
        self.head = nn.Conv2D(channels, 5, 3, 1, 1)

    def forward(self, a, b, a_level2, b_level2, flow_ab, flow_ba, t):
        t = t.reshape([1, 1, 1, 1])
        to_a = t * (t * flow_ba - (1.0 - t) * flow_ab)
        to_b = (1.0 - t) * ((1.0 - t) * flow_ab - t * flow_ba)
        seen = [
            sample(a_level2, to_a),
            sample(b_level2, to_b),
            to_a,
            to_b,
            paddle.ones_like(to_a[:, 0:1]) * t,
        ]
        x = paddle.concat(seen, axis=1)
        for index in range(len(MEET_WIDTHS)):
            x = leaky(self._sub_layers[f"conv{index}"](x))
        x = self.head(x)
        to_a, to_b = 4.0 * enlarged(to_a + x[:, 0:2], 4), 4.0 * enlarged(to_b + x[:, 2:4], 4)
        to_a, to_b = self.finer(a, b, to_a, to_b, t)
        places = places_in(a)
        moved_a, moved_b = Pixels(a).sharply(places + to_a), Pixels(b).sharply(places + to_b)
        # Without any sign to the contrary, the nearer frame counts for more.
        share = F.sigmoid(enlarged(x[:, 4:5], 4) + paddle.log((1.0 - t) / t))
        blend = share * moved_a + (1.0 - share) * moved_b
        return paddle.concat([blend, moved_a, moved_b, to_a / SHIFT_UNIT, to_b / SHIFT_UNIT, share], axis=1)

    @staticmethod
    def finer(a, b, to_a, to_b, t):
        """Return the better of the motions found and those measured, at each place, and corrected."""
        bright_a, bright_b = brightness(a), brightness(b)
        flat_a, flat_b = flattened(bright_a), flattened(bright_b)
        to_a, to_b = corrected(flat_a, flat_b, to_a, to_b, t)
        by_a, by_b = measured(bright_a, bright_b, t)
        better = F.sigmoid((unlike(a, b, to_a, to_b) - unlike(a, b, by_a, by_b)) / CLEARLY)
        to_a, to_b = better * by_a + (1.0 - better) * to_a, better * by_b + (1.0 - better) * to_b
        return corrected(flat_a, flat_b, to_a, to_b, t)


class ResidualBlock(nn.Layer):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2D(channels, channels, 3, 1, 1)
        self.conv2 = nn.Conv2D(channels, channels, 3, 1, 1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


class Rectify(nn.Layer):
    """What is known of a time, [1, 14, H, W] as Warp gives it -> the frame at that time [1, 3, H, W]."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Conv2D(14, FINE, 3, 1, 1)
        self.down = nn.Conv2D(FINE, COARSE, 4, 2, 1)
        self.block1 = ResidualBlock(COARSE)
        self.block2 = ResidualBlock(COARSE)
        self.block3 = ResidualBlock(COARSE)
        self.up = nn.Conv2D(COARSE, 4 * FINE, 3, 1, 1)
        self.fine = nn.Conv2D(FINE, FINE, 3, 1, 1)
        self.leave = nn.Conv2D(FINE, 4, 3, 1, 1)

    def forward(self, moved):
        fine = leaky(self.enter(moved))
        coarse = self.block3(self.block2(self.block1(leaky(self.down(fine)))))
        fine = leaky(fine + F.pixel_shuffle(self.up(coarse), 2))
        out = self.leave(leaky(self.fine(fine)))
        moved_a, moved_b, share = moved[:, 3:6], moved[:, 6:9], moved[:, 13:14]
        share = F.sigmoid(paddle.log((share + 1e-4) / (1.0001 - share)) + out[:, 3:4])
        grey = (out[:, 0:1] + out[:, 1:2] + out[:, 2:3]) / 3.0
        colour = paddle.maximum(colourful(moved_a), colourful(moved_b))  # what is grey stays grey
        return share * moved_a + (1.0 - share) * moved_b + grey + colour * (out[:, 0:3] - grey)


class SmallDain(nn.Layer):
    """The whole network.

    ``forward(a, b, t)``: two frames [1, 3, H, W] in [0, 1] and a time [1] -> [1, 3, H, W], not clipped; H
    and W multiples of 32.
    """

    def __init__(self):
        super().__init__()
        self.features = Features()
        self.flow = Flow()
        self.warp = Warp()
        self.rectify = Rectify()

    def forward(self, a, b, t):
        seen_a, seen_b = self.features(a), self.features(b)
        flow_ab, flow_ba = self.flow(seen_a, seen_b)
        return self.rectify(self.warp(a, b, seen_a[0], seen_b[0], flow_ab, flow_ba, t))

    def named_weights(self):
        """Return every parameter under the name that it has in a weight file."""
        parts = {"features": self.features, "flow": self.flow, "meet": self.warp, "rectifier": self.rectify}
        return {f"{part}.{name}": p for part, layer in parts.items() for name, p in layer.named_parameters()}


class SmallDainRecipe(DainRecipe):
    """How reel exports its small interpolator (see ``export.recipe.Recipe``)."""

    network = SmallDain
    levels = tuple(f"level{level}" for level in LEVELS)

    def traced(self):
        maps = (self.maps("a")[0], self.maps("b")[0])
        warp = Traced(self.net.warp, ("a", "b", *maps, "flow_ab", "flow_ba", "t"))
        return super().traced() | {"warp": warp}
