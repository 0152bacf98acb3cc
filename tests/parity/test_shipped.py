"""The exports that come with reel are what Paddle makes of the weights that come with it."""

from pathlib import Path

import pytest
from reel import models
from reel.models import store as stores
from reel.models.manifest import NETWORKS
from reel.models.store import Store

SHIPPED = [network for network in NETWORKS if network.shipped]


@pytest.mark.parametrize("size", [(64, 96), (96, 32)], ids=str)
@pytest.mark.parametrize("network", SHIPPED, ids=lambda network: network.name)
def test_a_network_that_comes_with_reel_gives_what_paddle_gives(network, size, measured):
    pytest.importorskip("paddle", reason="needs PaddlePaddle, the reference")
    from reel.export.check import graphs_in
    from reel.export.networks import recipe_for
    from reel.export.worker import weights_for

    recipe = recipe_for(network.name)
    recipe.load(weights_for(network, recipe, Path(models.__file__).parent / f"{network.name}.npz"))
    (artifact,) = Store(stores.SHIPPED).artifacts(network)
    example = recipe.example(*size)
    found = recipe.compose(graphs_in(artifact.folder), example)
    what = f"{network.name}, as it comes with reel"
    row = measured(what, f"{size[1]}x{size[0]}", recipe.paddle_output(example), found, "L2 1e-5")
    assert row.relative_l2 <= network.tolerance.relative_l2
