"""A small EDVR of reel's own: a window of five frames, aligned, weighed, fused and rebuilt, narrow.

EDVR's alignment, deformable convolutions that learn where to read, wants more pictures and more hours than a
small network is worth: in trials it had learned nothing of the motion, and looked at the middle frame alone.
Here the motion is measured instead (Lucas and Kanade, from coarse to fine, a twentieth of a pixel off on
average), and what a neighbour tells of the places between the middle frame's own pixels is read where it
lies, not averaged from what is around (after Wronski et al., who do so for still pictures). A few layers say
how far to trust it, as EDVR's temporal attention does. Then, as in EDVR, fusion, residual blocks, and pixel
shuffles added to a bicubic enlargement, which training may change. All but the last layers work at half the
frame's size. ``training/starter_edvr.py`` is the same in PyTorch.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn

from ..recipe import Traced
from .bases import WindowRecipe
from .colour import colourful
from .lucas_kanade import (
    Pixels,
    blurred,
    brightness,
    constant,
    extent_of,
    flattened,
    gradient,
    places_in,
    read_at,
    smooth,
    still_apart,
)
from .pwc import leaky

WINDOW = 5
NEIGHBOURS = tuple(i for i in range(WINDOW) if i != WINDOW // 2)
WIDE, NARROW = 64, 32
BACK_BLOCKS = 7
LEVELS = (1, 2, 3)
CORRECTIONS = {3: 3, 2: 3, 1: 2}  # of the motion, at each level
TEXTURE = 2  # pixels to each side
DOUBT = 0.04  # difference of brightness at which a neighbour counts for half
CORNERS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
ADDED = 17  # channels of what a neighbour adds


def doubled(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def motion(own, reference):
    """Return where the reference's pixels are in another frame, [N, 2, H, W], by Lucas and Kanade.

    Both are the frames' maps of brightness, from coarse to fine.
    """
    flow = None
    for index, level in enumerate(reversed(LEVELS)):
        moved, still = own[index], reference[index]
        places, at_rest = places_in(still), gradient(still)
        flow = paddle.zeros_like(places) if flow is None else 2.0 * doubled(flow)
        for _ in range(CORRECTIONS[level]):
            seen = read_at(moved, places + flow)
            flow = smooth(flow + still_apart(still, seen, (gradient(seen) + at_rest) / 2.0))
    return flow


def told(neighbour, frame, around, flow):
    """Return what a neighbour's pixels tell of the places between the frame's own pixels.

    At four places in each pixel: how far the neighbour's nearest pixel is from what the frame itself lets
    expect where that pixel lies, [1, 12, H, W], each of three colours at four places; and how near it lies,
    in [0, 1], [1, 4, H, W]. Both are multiplied already. Third, how unlike both are, [1, 1, H, W].
    ``around`` is what ``Around`` makes of the frame.
    """
    places, pixels, middle = places_in(frame), Pixels(neighbour), extent_of(frame) / 2.0
    all_news, all_near = [], []
    for corner, (x, y) in enumerate(CORNERS):
        wanted = places + constant([x, y], 1, 2, 1, 1) + flow
        # Where two pixels are as near, either may be taken: it counts for nothing there.
        nearest = paddle.round(wanted)
        inside = (paddle.abs(nearest - middle) <= middle).cast("float32")
        twice = 2.0 * (wanted - nearest)
        shares = (F.relu(twice), 1.0 - paddle.abs(twice), F.relu(-twice))
        expected = 0.0
        for down in range(3):
            for across in range(3):
                place = 4 * (corner // 2 + down) + corner % 2 + across
                share = shares[down][:, 1:] * shares[across][:, :1]
                expected = expected + share * around[:, 3 * place : 3 * place + 3]
        near = inside[:, :1] * inside[:, 1:] * shares[1][:, :1] * shares[1][:, 1:]
        all_news.append(near * (pixels.nearest(nearest) - expected))
        all_near.append(near)
    apart = paddle.abs(pixels.between(places + flow) - frame).mean(axis=1, keepdim=True)
    size = paddle.shape(frame)
    news = paddle.stack(all_news, axis=2).reshape([1, -1, size[2], size[3]])
    return news, paddle.concat(all_near, axis=1), blurred(apart, TEXTURE)


def _cubic_kernels():
    """Return the filters that double three colours by Keys' cubic (a = -0.5), 48 of 3 x 5 x 5.

    They read the four places in and around each pixel, down and across, three colours each. All but one of
    the three planes of a filter are zero: ONNX Runtime has no faster way.
    """

    def weight(distance):
        if distance <= 1:
            return 1.5 * distance**3 - 2.5 * distance**2 + 1
        return -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2 if distance < 2 else 0.0

    rows = [[weight(abs(at - place)) for at in range(-2, 3)] for place in (-0.75, -0.25, 0.25, 0.75)]
    filters = [[[v * h for h in across] for v in down] for down in rows for across in rows]
    zeros = [[0.0] * 5] * 5
    return [[one if c == colour else zeros for c in range(3)] for one in filters for colour in range(3)]


_CUBIC = _cubic_kernels()


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
    """What is known of one frame: [1, 3, H, W] -> [1, 5, H, W], [1, 1, H/2, W/2], [1, 1, H/4, W/4].

    First its colours, its brightness without what changes slowly (flicker is no motion) and how much there
    is to see around each pixel; then that brightness in smaller sizes.
    """

    def forward(self, frame):
        bright = brightness(frame)
        smaller = [bright, F.avg_pool2d(bright, 2), F.avg_pool2d(bright, 4)]
        flat, *coarse = [flattened(level) for level in smaller]
        texture = blurred(paddle.abs(gradient(bright)).mean(axis=1, keepdim=True), TEXTURE)
        return paddle.concat([frame, flat, texture], axis=1), *coarse


class Around(nn.Layer):
    """The middle frame's first level [1, 5, H, W] -> its colours in and around each pixel, [1, 48, H, W]."""

    def forward(self, level):
        frame = F.pad(level[:, :3], [2] * 4, mode="replicate")
        return F.conv2d(frame, constant(_CUBIC, 48, 3, 5, 5))


class Align(nn.Layer):
    """A neighbour's pyramid and the middle frame's -> what the neighbour adds, as far as it is to be trusted.

    The middle frame's pyramid has what ``Around`` makes of it as its last.

    Returns [1, 17, H, W], and [1]: the fastest motion, in pixels of the frame.
    """

    def __init__(self):
        super().__init__()
        self.gate1 = nn.Conv2D(ADDED + 4, 16, 6, 2, 2)
        self.gate2 = nn.Conv2D(16, 4, 3, 1, 1)

    def forward(self, neighbour, reference):
        added, flow = self.added(neighbour, reference)
        return added, paddle.abs(flow).max().reshape([1])

    def added(self, neighbour, reference):
        """Return what the neighbour adds, and the motion."""
        levels, around = reference[:3], reference[3]
        flow = motion(*([*reversed(of[1:]), of[0][:, 3:4]] for of in (neighbour, levels)))
        frame, texture = reference[0][:, :3], reference[0][:, 4:]
        news, near, unlike = told(neighbour[0][:, :3], frame, around, flow)
        known = paddle.concat([8.0 * news, near, 10.0 * unlike], axis=1)
        x = paddle.concat([known, 10.0 * texture, 4.0 * frame - 2.0], axis=1)
        trust = F.sigmoid(2.0 + F.pixel_shuffle(self.gate2(leaky(self.gate1(x))), 2))
        likeness = 1.0 + (unlike / DOUBT) * (unlike / DOUBT)
        return known * trust / likeness, flow


class Fusion(nn.Layer):
    """What four neighbours add, [1, 17, H, W] each, and the middle frame's level -> [1, 64, H/2, W/2]."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2D(3 + ADDED, WIDE, 6, 2, 2)

    def forward(self, aligned):
        *neighbours, reference = aligned
        added = sum(neighbours[1:], neighbours[0])
        return leaky(self.conv(paddle.concat([4.0 * reference[:, :3] - 2.0, added], axis=1)))


class Enlarge(nn.Layer):
    """The middle frame [N, 3, H, W] and its rebuilt features -> it in four times the size, not clipped.

    What is grey stays grey.
    """

    def __init__(self):
        super().__init__()
        self.upconv1 = nn.Conv2D(WIDE, 4 * NARROW, 3, 1, 1)
        self.conv_last = nn.Conv2D(NARROW, 48, 3, 1, 1)
        self.base = nn.Conv2D(3, 48, 5, groups=3, bias_attr=False)

    def forward(self, centre, rebuilt):
        x = self.conv_last(leaky(F.pixel_shuffle(self.upconv1(rebuilt), 2)))
        x = x + self.base(F.pad(centre, [2, 2, 2, 2], mode="replicate"))
        # 16 places of each colour; colour reaches as far as the bicubic filter does.
        colour = F.max_pool2d(colourful(centre), 5, 1, 2)
        places = [x[:, 16 * i : 16 * i + 16] for i in range(3)]
        grey = (places[0] + places[1] + places[2]) / 3.0
        return F.pixel_shuffle(paddle.concat([grey + colour * (of - grey) for of in places], axis=1), 4)


class SmallEdvr(nn.Layer):
    """The whole network: [1, 5, 3, H, W] in [0, 1] -> [1, 3, 4H, 4W]; H and W multiples of 4."""

    def __init__(self):
        super().__init__()
        self.pyramid = Pyramid()
        self.around = Around()
        self.align = Align()
        self.fusion = Fusion()
        self.reconstructor = blocks(BACK_BLOCKS, WIDE)
        self.enlarge = Enlarge()

    def forward(self, window):
        pyramids = [self.pyramid(window[:, i]) for i in range(WINDOW)]
        reference = pyramids[WINDOW // 2]
        known = (*reference, self.around(reference[0]))
        aligned = [self.align.added(pyramids[i], known)[0] for i in NEIGHBOURS]
        fused = self.fusion([*aligned, reference[0]])
        return self.enlarge(window[:, WINDOW // 2], self.reconstructor(fused))

    def named_weights(self):
        """Return every parameter under the name that it has in a weight file."""
        parts = {"": self.align, "fusion.": self.fusion.conv, "reconstructor.": self.reconstructor}
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
        aligned = (*(f"aligned_{i}" for i in NEIGHBOURS), "reference1")
        return {
            "pyramid": Traced(self.net.pyramid, ("frame",)),
            "around": Traced(self.net.around, ("reference1",)),
            "align": Traced(self.net.align, (own, (*reference, "around"))),
            "fusion": Traced(self.net.fusion, (aligned,)),
            "rebuild": Traced(self.net.reconstructor, ("fused",)),
            "enlarge": Traced(self.net.enlarge, ("centre", "rebuilt")),
        }

    def compose(self, run, example):
        frames = [example["window"][:, i] for i in range(WINDOW)]
        pyramids = [run("pyramid", frame=frame) for frame in frames]
        reference = {f"reference{level}": pyramids[WINDOW // 2][level - 1] for level in LEVELS}
        (around,) = run("around", reference1=reference["reference1"])
        aligned = {}
        for i in NEIGHBOURS:
            own = {f"level{level}": value for level, value in zip(LEVELS, pyramids[i], strict=True)}
            aligned[f"aligned_{i}"] = run("align", **own, **reference, around=around)[0]
        (fused,) = run("fusion", **aligned, reference1=reference["reference1"])
        (rebuilt,) = run("rebuild", fused=fused)
        return run("enlarge", centre=frames[WINDOW // 2], rebuilt=rebuilt)[0]
