"""PaddleGAN's DAIN: flow, backward warp and a rectification network, no depth.

PaddleGAN ships it as a frozen program only; its definition is in PaddleGAN's history,
``applications/DAIN/networks/dain_slowmotion.py`` (commit e41aff1), rewritten here from its arithmetic.
"""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn

from ..recipe import Traced
from .bases import PairRecipe
from .pwc import FEATURES, FlowEstimator, PyramidFeatures, sample

LEVELS = tuple(f"level{level}" for level in FEATURES if level > 1)
FLOW_UNIT = 20.0  # the flow network works in twentieths of a pixel


class ResidualBlock(nn.Layer):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2D(channels, channels, 3, 1, 1, bias_attr=False)
        self.conv2 = nn.Conv2D(channels, channels, 3, 1, 1, bias_attr=False)

    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.conv1(x))) + x)


class Rectifier(nn.Layer):
    """Correction of the blended frame: [N, 13, H, W] -> [N, 3, H, W]."""

    def __init__(self, channels=13):
        super().__init__()
        self.block1 = nn.Conv2D(channels, 64, 7, 1, 3)
        self.block2 = ResidualBlock(64)
        self.block3 = ResidualBlock(64)
        self.block4 = ResidualBlock(64)
        self.block5 = nn.Conv2D(64, 3, 3, 1, 1)

    def forward(self, x):
        x = F.relu(self.block1(x))
        return self.block5(self.block4(self.block3(self.block2(x))))


class FlowBothWays(nn.Layer):
    """Features of frames a and b, five maps each -> flow a to b and b to a, [1, 2, H/4, W/4] each."""

    def __init__(self, estimator):
        super().__init__()
        self.estimator = estimator

    def forward(self, a, b):
        first = [paddle.concat([a[i], b[i]], axis=0) for i in range(len(a))]
        second = [paddle.concat([b[i], a[i]], axis=0) for i in range(len(a))]
        flow = self.estimator(first, second)
        return flow[0:1], flow[1:2]


class Warp(nn.Layer):
    """Frames a and b [1, 3, H, W], their flows and a time [1] in (0, 1) -> all that is known of that time.

    [1, 13, H, W]: the mean of both frames as they moved, each of them, and how each moved, pixels.
    """

    def forward(self, a, b, flow_ab, flow_ba, t):
        t = t.reshape([1, 1, 1, 1])
        offset_a, offset_b = enlarge(FLOW_UNIT * flow_ab * t), enlarge(FLOW_UNIT * flow_ba * (1.0 - t))
        warped_a, warped_b = sample(a, offset_a), sample(b, offset_b)
        blend = (warped_a + warped_b) / 2.0
        return paddle.concat([blend, warped_a, warped_b, offset_a, offset_b], axis=1)


class Rectify(nn.Layer):
    """What is known of a time, [1, 13, H, W] as Warp gives it -> the frame at that time [1, 3, H, W]."""

    def __init__(self, rectifier):
        super().__init__()
        self.rectifier = rectifier

    def forward(self, moved):
        return moved[:, 0:3] + self.rectifier(moved)


def enlarge(flow):
    return F.interpolate(flow, scale_factor=4, mode="bilinear", align_corners=True)


class Dain(nn.Layer):
    """The whole network, under the parameter names of its authors.

    ``forward(a, b, t)``: two frames [1, 3, H, W] in [0, 1] and a time [1] -> [1, 3, H, W], not clipped.
    """

    def __init__(self):
        super().__init__()
        self.features = PyramidFeatures()
        self.estimator = FlowEstimator(mask_threshold=0.9990)
        self.rectifier = Rectifier()
        self.flow = FlowBothWays(self.estimator)
        self.warp = Warp()
        self.rectify = Rectify(self.rectifier)

    def forward(self, a, b, t):
        flow_ab, flow_ba = self.flow(self.features(a), self.features(b))
        return self.rectify(self.warp(a, b, flow_ab, flow_ba, t))

    def named_weights(self):
        """Return every parameter under the name it has in a weight file, in construction order."""
        flow = [*self.features.named_parameters(), *self.estimator.named_parameters()]
        return {f"flownets.{name}": p for name, p in flow} | {
            f"rectifyNet.{name}": p for name, p in self.rectifier.named_parameters()
        }


class DainRecipe(PairRecipe):
    """How reel exports PaddleGAN's DAIN (see ``export.recipe.Recipe``)."""

    network = Dain
    levels = LEVELS

    def maps(self, side):
        """Return the names of a frame's feature maps."""
        return tuple(f"{side}_{level}" for level in self.levels)

    def traced(self):
        a, b = self.maps("a"), self.maps("b")
        return {
            "features": Traced(self.net.features, ("frame",)),
            "flow": Traced(self.net.flow, (a, b)),
            "warp": Traced(self.net.warp, ("a", "b", "flow_ab", "flow_ba", "t")),
            "rectify": Traced(self.net.rectify, ("moved",)),
        }

    def compose(self, run, example):
        inputs = {}
        for side in "ab":
            inputs |= dict(zip(self.maps(side), run("features", frame=example[side]), strict=True))
        flow_ab, flow_ba = run("flow", **inputs)
        (moved,) = run("warp", **example, **inputs, flow_ab=flow_ab, flow_ba=flow_ba)
        return run("rectify", moved=moved)[0]
