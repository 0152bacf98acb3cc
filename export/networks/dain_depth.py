"""The paper's DAIN: flow and depth together decide what is where between two frames.

Bao et al., "Depth-Aware Video Frame Interpolation", CVPR 2019; ``networks/DAIN_slowmotion.py`` of the
authors (commit 7c727ac), from Paddle's own operators and for any time between the frames.
"""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ..recipe import Traced
from .dain import FLOW_UNIT, LEVELS, DainRecipe, FlowBothWays
from .depth_projection import project
from .depth_rectifier import KERNEL, FourierRectify, Rectifier, Rectify
from .kernel_warp import as_picture, taps, warp
from .megadepth import Deep, Depth, MegaDepth, Shallow, named_depth_weights
from .pwc import FlowEstimator, PyramidFeatures


class ContextBlock(nn.Layer):
    """A residual block of 64 channels whose first convolution is dilated."""

    def __init__(self, dilation):
        super().__init__()
        self.conv1 = nn.Conv2D(64, 64, 3, 1, dilation, dilation, bias_attr=False)
        self.conv2 = nn.Conv2D(64, 64, 3, 1, 1, bias_attr=False)

    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.conv1(x))) + x)


class ContextFeatures(nn.Layer):
    """Three maps of one frame at its own size: [N, 3, H, W] -> three of [N, 64, H, W]."""

    def __init__(self):
        super().__init__()
        self.block1 = nn.Conv2D(3, 64, 7, 1, 3, bias_attr=False)
        self.block2 = ContextBlock(4)
        self.block3 = ContextBlock(8)

    def forward(self, x):
        first = F.relu(self.block1(x))
        second = self.block2(first)
        return first, second, self.block3(second)


class Context(nn.Layer):
    """A frame [1, 3, H, W] and its log depth [1, 1, H, W] -> both and its features, [H, W, 196].

    Channels last: the frame, the features, the log depth.
    """

    def __init__(self, features):
        super().__init__()
        self.features = features

    def forward(self, frame, depth):
        context = paddle.concat([frame, *self.features(frame), depth], axis=1)
        return context.squeeze(0).transpose([1, 2, 0])


class Features(nn.Layer):
    """What belongs to one frame.

    Frame [1, 3, H, W], RGB in [0, 1], H and W multiples of 64 -> the context [H, W, 196] (see ``Context``);
    the log depth [1, 1, H, W]; flow features at H/4 to H/64, five maps.
    """

    def __init__(self, depth, context, pyramid):
        super().__init__()
        self.depth, self.context, self.pyramid = depth, Context(context), pyramid

    def forward(self, frame):
        log_depth = self.depth(frame)
        return self.context(frame, log_depth), log_depth, *self.pyramid(frame)


class Kernels(nn.Layer):
    """Frames a and b [1, 3, H, W] -> the warping kernels of each of them, [1, 16, H, W] twice."""

    DOWN = ((0, 6, 16), (2, 16, 32), (5, 32, 64), (8, 64, 128), (11, 128, 256), (14, 256, 512))
    UP = ((20, 512, 256), (23, 256, 128), (26, 128, 64), (29, 64, 32), (32, 32, 16))

    def __init__(self):
        super().__init__()
        # The names are the places of the convolutions in the authors' list of layers.
        for place, channels, width in (*self.DOWN, (17, 512, 512), *self.UP):
            self.add_sublayer(f"_filter.{place}", nn.Conv2D(channels, width, 3, 1, 1))
        for head in (1, 2):
            for place in (0, 2):
                self.add_sublayer(f"_filter{head}.{place}", nn.Conv2D(16, KERNEL, 3, 1, 1))

    def forward(self, a, b):
        layers = self._sub_layers
        x = paddle.concat([a, b], axis=1)
        skips = []
        for place, _, _ in self.DOWN:
            x = F.relu(layers[f"_filter.{place}"](x))
            if place > 0:  # the skip leaves before the pooling
                skips.append(x)
                x = F.max_pool2d(x, 2, 2)
        x = F.relu(layers["_filter.17"](x))
        for place, _, _ in self.UP:
            x = enlarge(x, 2) + skips.pop()
            x = F.relu(layers[f"_filter.{place}"](x))
        return tuple(layers[f"_filter{head}.2"](F.relu(layers[f"_filter{head}.0"](x))) for head in (1, 2))


class Motion(nn.Layer):
    """Log depths [1, 1, H, W] and flows [1, 2, H/4, W/4] of both frames, and a time [1] in (0, 1).

    -> from each pixel at that time to where it is in a and in b, [1, 2, H, W] each, pixels.
    """

    def flow_at(self, flow_ab, flow_ba, t):
        """Return flows [2, 2, H, W] from a and from b to the time t, pixels."""
        return enlarge(paddle.concat([FLOW_UNIT * flow_ab * t, FLOW_UNIT * flow_ba * (1.0 - t)], axis=0), 4)

    def projected(self, depth_a, depth_b, flow_ab, flow_ba, t):
        """Return the motion [2, 2, H, W] from the time t to a and to b, pixels, and its weight."""
        nearness = 1e-6 + paddle.exp(-paddle.concat([depth_a, depth_b], axis=0))
        return project(self.flow_at(flow_ab, flow_ba, t), nearness)

    def forward(self, depth_a, depth_b, flow_ab, flow_ba, t):
        motion, _ = self.projected(depth_a, depth_b, flow_ab, flow_ba, t.reshape([1, 1, 1, 1]))
        return motion[0:1], motion[1:2]


class Warp(nn.Layer):
    """A part of one frame's context [h, w, 196] and the motion to it [1, 2, H, W] -> [1, 196, H, W].

    The motion and the kernel [1, 16, H, W] are those of a tile, or of the whole frame; H*W is a multiple
    of 32. ``place`` [6] says where this is: width and height of the frame, column and row of the tile,
    column and row of the context. A pixel whose motion points outside the context given gets what is of no
    use.
    """

    def forward(self, context, motion, kernel, place):
        place = place.cast("int64")
        frame, tile = place[0:2], place[2:4]
        size = paddle.shape(context)
        source = paddle.concat([place[4:6], paddle.stack([size[1], size[0]]).cast("int64")])
        return as_picture(warp(context, *taps(motion, kernel, frame, tile, source)), motion)


class Synthesis(nn.Layer):
    """What belongs to one time [1] in (0, 1) between frames a and b -> the frame [1, 3, H, W], not clipped.

    Contexts [H, W, 196], log depths [1, 1, H, W], flows [1, 2, H/4, W/4] (twentieths of a pixel, from the
    one frame to the other) and kernels [1, 16, H, W] of both frames.
    """

    def __init__(self, rectifier):
        super().__init__()
        self.motion, self.warp, self.rectify = Motion(), Warp(), Rectify(rectifier)

    def forward(self, context_a, context_b, depth_a, depth_b, flow_ab, flow_ba, kernel_a, kernel_b, t):
        motion_a, motion_b = self.motion(depth_a, depth_b, flow_ab, flow_ba, t)
        place = whole(motion_a)
        warped_a = self.warp(context_a, motion_a, kernel_a, place)
        warped_b = self.warp(context_b, motion_b, kernel_b, place)
        return self.rectify(warped_a, warped_b, motion_a, motion_b, kernel_a, kernel_b, t)


def whole(picture):
    """Return the place (see ``Warp``) of a whole frame of the size of [1, _, H, W]."""
    height, width = picture.shape[2:]
    return paddle.to_tensor([width, height, 0, 0, 0, 0], "float32")


def enlarge(x, factor):
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class DainDepth(nn.Layer):
    """The whole network, under the parameter names of its authors.

    ``forward(a, b, t)``: two frames [1, 3, H, W], RGB in [0, 1], H and W multiples of 64, and a time [1] ->
    [1, 3, H, W], not clipped.
    """

    def __init__(self):
        super().__init__()
        self.features = Features(MegaDepth(), ContextFeatures(), PyramidFeatures())
        self.flow = FlowBothWays(FlowEstimator(mask_threshold=0.9999))
        self.kernels = Kernels()
        self.synthesis = Synthesis(Rectifier())
        self.eval()  # the depth network's normalisation uses its running statistics

    def forward(self, a, b, t):
        context_a, depth_a, *maps_a = self.features(a)
        context_b, depth_b, *maps_b = self.features(b)
        flow_ab, flow_ba = self.flow(maps_a, maps_b)
        kernel_a, kernel_b = self.kernels(a, b)
        return self.synthesis(context_a, context_b, depth_a, depth_b, flow_ab, flow_ba, kernel_a, kernel_b, t)

    def named_weights(self):
        """Return every parameter and running statistic under the name it has in the authors' file."""
        flow = [*self.features.pyramid.named_parameters(), *self.flow.estimator.named_parameters()]
        rectifier = self.synthesis.rectify.rectifier
        return (
            {f"initScaleNets{name}": p for name, p in self.kernels.named_parameters()}
            | {f"ctxNet.{in_list(name)}": p for name, p in self.features.context.features.named_parameters()}
            | {f"rectifyNet.{in_list(name)}": p for name, p in rectifier.named_parameters()}
            | {f"flownets.{activated(name)}": p for name, p in flow}
            | {f"depthNet.{name}": p for name, p in named_depth_weights(self.features.depth).items()}
        )


def in_list(name):
    """Return the authors' name of a block's parameter; single convolutions lie in lists of layers there."""
    block, rest = name.split(".", 1)
    return name if rest.startswith("conv") else f"{block}.0.{rest}"


def activated(name):
    """Return the authors' name of a flow parameter; convolutions with an activation lie in lists there."""
    layer, kind = name.rsplit(".", 1)
    return f"{layer}.0.{kind}" if layer.startswith(("conv", "dc_conv")) and layer != "dc_conv7" else name


# What the authors' file holds and the flow network never runs, beside the counters of training steps.
UNUSED_WEIGHTS = {"flownets.deconv2.weight": (2, 2, 4, 4), "flownets.deconv2.bias": (2,)}


class DainDepthRecipe(DainRecipe):
    """How reel exports the paper's DAIN: as PaddleGAN's, but for what the graphs are."""

    network = DainDepth

    def traced(self):
        a, b = (tuple(f"{side}_{level}" for level in LEVELS) for side in "ab")
        both = ("a_warped", "b_warped", "a_motion", "b_motion", "a_kernel", "b_kernel")
        features, synthesis = self.net.features, self.net.synthesis
        return {
            "features": Traced(features.pyramid, ("frame",)),
            "shallow": Traced(Shallow(features.depth), ("frame",)),
            "deep": Traced(Deep(features.depth), ("half",)),
            "depth": Traced(Depth(features.depth), ("frame", "below")),
            "context": Traced(features.context, ("frame", "depth")),
            "flow": Traced(self.net.flow, (a, b)),
            "kernels": Traced(self.net.kernels, ("a", "b")),
            "motion": Traced(synthesis.motion, ("a_depth", "b_depth", "flow_ab", "flow_ba", "t")),
            "warp": Traced(synthesis.warp, ("context", "motion", "kernel", "place")),
            "rectify": Traced(FourierRectify(synthesis.rectify.rectifier), (*both, "t")),
        }

    def compose(self, run, example):
        seen = [self._seen(run, example[side]) for side in "ab"]
        depths, flows, kernels = {}, {}, run("kernels", a=example["a"], b=example["b"])
        for side, (depth, _, maps) in zip("ab", seen, strict=True):
            depths[f"{side}_depth"] = depth
            flows |= {f"{side}_{level}": value for level, value in zip(LEVELS, maps, strict=True)}
        flow_ab, flow_ba = run("flow", **flows)
        motions = run("motion", **depths, flow_ab=flow_ab, flow_ba=flow_ba, t=example["t"])
        place = np.array([*example["a"].shape[:1:-1], 0, 0, 0, 0], np.float32)
        known = {"t": example["t"]}
        for side, (_, context, _), motion, kernel in zip("ab", seen, motions, kernels, strict=True):
            (warped,) = run("warp", context=context, motion=motion, kernel=kernel, place=place)
            known |= {f"{side}_warped": warped, f"{side}_motion": motion, f"{side}_kernel": kernel}
        return run("rectify", **known)[0]

    @staticmethod
    def _seen(run, frame):
        """Return a frame's depth, context and flow features."""
        (half,) = run("shallow", frame=frame)
        (below,) = run("deep", half=half)
        (depth,) = run("depth", frame=frame, below=below)
        return depth, run("context", frame=frame, depth=depth)[0], run("features", frame=frame)
