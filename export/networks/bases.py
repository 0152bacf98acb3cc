"""What the recipes of several networks have in common (see ``export.recipe.Recipe``)."""

from __future__ import annotations

import numpy as np
import paddle

from .examples import moving_pictures


class LayerRecipe:
    """A recipe whose original is one layer, called with ``inputs`` in their order.

    Args:
        net: The layer, whole.
    """

    inputs: tuple[str, ...]

    def __init__(self, net):
        self.net = net
        self.net.eval()

    def weights(self):
        """Return the parameters under the names they have in a weight file, in construction order."""
        return self.net.state_dict()

    def layout(self):
        return {name: tuple(parameter.shape) for name, parameter in self.weights().items()}

    def load(self, weights):
        for name, parameter in self.weights().items():
            parameter.set_value(weights[name])

    def paddle_output(self, example):
        with paddle.no_grad():
            return self.net(*(paddle.to_tensor(example[name]) for name in self.inputs)).numpy()


class PairRecipe(LayerRecipe):
    """A recipe of a ``network`` called with two frames [1, 3, H, W] and a time [1]."""

    inputs = ("a", "b", "t")
    network: type

    def __init__(self):
        super().__init__(self.network())

    def weights(self):
        return self.net.named_weights()

    def example(self, height, width):
        a, b = moving_pictures(2, height, width)
        return {"a": a, "b": b, "t": np.array([0.3], np.float32)}


class WindowRecipe(LayerRecipe):
    """A recipe of a network called with five frames [1, 5, 3, H, W]."""

    inputs = ("window",)

    def example(self, height, width):
        return {"window": np.stack(moving_pictures(5, height, width), axis=1)}
