"""DeOldify as PaddleGAN defines it, in a form that can be traced.

The layers and weights are ppgan's own (``ppgan/models/generators/deoldify.py``, 2.1.0). Its forward
keeps intermediate results in hooks and normalises weights as it runs; here the normalisation is folded
into the weights and the skips are plain variables. The result is equal to the original.
"""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from ...models.deoldify import MEAN, STD
from ..ppgan import ppgan_module
from ..recipe import Traced
from .bases import LayerRecipe
from .examples import moving_pictures


class Colouriser(nn.Layer):
    """A grey picture -> the same in colour, [N, 3, S, S] both, normalised with ImageNet's mean and std.

    S is a multiple of 16. The layers of ``net`` (ppgan's Deoldify) are taken over and folded, so that
    ``net`` itself is of no use afterwards.
    """

    def __init__(self, net):
        super().__init__()
        fold_normalised_weights(net)
        layers = list(net.layers)
        self.encoder = nn.LayerList(list(layers[0].children()))
        self.middle = nn.Sequential(*layers[1:4])
        self.decoder = nn.LayerList(layers[4:8])
        self.enlarge, self.refine, self.to_colour, self.bound = layers[8], layers[10], layers[11], layers[12]

    def forward(self, picture):
        x, skips = picture, []
        for index, layer in enumerate(self.encoder):
            x = layer(x)
            if index in (2, 4, 5, 6):  # the last map of each size
                skips.append(x)
        x = self.middle(x)
        for index, block in enumerate(self.decoder):
            x = unet_block(block, x, skips[-1 - index])
        x = paddle.concat([self.enlarge(x), picture], axis=1)
        first, second = self.refine.layers[0], self.refine.layers[1]
        return self.bound(self.to_colour(x + second(first(x))))


def unet_block(block, x, skip):
    """Run one decoder block of ppgan, given its skip instead of reading it from a hook."""
    up = block.shuf(x)
    # The original resizes up to the size of skip, to the nearest. It is at most one pixel larger, and
    # nearest from n+1 to n takes the first n.
    size = paddle.shape(skip)
    up = up[:, :, : size[2], : size[3]]
    x = F.relu(paddle.concat([up, block.bn(skip)], axis=1))
    convs = [block.conv1, block.conv2] if hasattr(block, "conv1") else [block.conv]
    for conv in convs:
        for layer in conv:
            x = self_attention(layer, x) if type(layer).__name__ == "SelfAttention" else layer(x)
    return x


def self_attention(layer, x):
    """Run ppgan's SelfAttention with a shape that may be symbolic."""
    flat = x.flatten(2)
    query, key, value = layer.query(flat), layer.key(flat), layer.value(flat)
    weight = F.softmax(paddle.bmm(query.transpose([0, 2, 1]), key), axis=1)
    return (layer.gamma * paddle.bmm(value, weight) + flat).reshape(paddle.shape(x))


def fold_normalised_weights(net):
    """Replace spectral and weight normalisation by the weights they yield in evaluation."""
    for parent in net.sublayers(include_self=True):
        for name, child in list(parent.named_children()):
            if type(child).__name__ == "Spectralnorm":
                with paddle.no_grad():
                    weight = child.spectral_norm(child.weight_orig)
                conv = child.layer
                for place in (conv._parameters, conv._buffers, conv.__dict__):
                    place.pop("weight", None)  # what a forward of the original leaves behind
                conv.add_parameter("weight", conv.create_parameter(weight.shape))
                conv.weight.set_value(weight)
                setattr(parent, name, conv)
            elif "weight_g" in child._parameters:
                nn.utils.remove_weight_norm(child)


def original(artistic):
    """Return ppgan's own, unmodified network: [N, 3, S, S] -> [N, 3, S, S]."""
    module = ppgan_module("ppgan.models.generators.deoldify")
    return module.build_model("artistic" if artistic else "stable")


class DeoldifyRecipe(LayerRecipe):
    """How reel exports DeOldify (see ``export.recipe.Recipe``)."""

    inputs = ("picture",)

    def __init__(self, artistic):
        super().__init__(original(artistic))

    def example(self, height, width):
        grey = moving_pictures(1, height, width)[0].mean(axis=1, keepdims=True)
        mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (MEAN, STD))
        return {"picture": (grey - mean) / std}

    def traced(self):
        return {"colour": Traced(Colouriser(self.net), ("picture",))}

    def compose(self, run, example):
        return run("colour", **example)[0]
