"""The small networks of reel's own: what was trained in PyTorch is what Paddle runs and reel exports."""

from pathlib import Path

import numpy as np
import pytest
from reel.models.dain_small import DAIN_S
from reel.models.edvr_small import EDVR_S, EDVR_S_FILM

EXAMPLES = Path(__file__).parent / "starters"


def given(reference):
    """Inputs as a recipe takes them; pictures are kept in 8 bits."""
    return {
        name: (reference[name] / np.float32(255) if reference[name].dtype == np.uint8 else reference[name])
        for name in reference.files
        if name != "expected"
    }


@pytest.mark.parametrize("network", [EDVR_S, DAIN_S], ids=lambda network: network.name)
def test_paddle_makes_of_the_same_weights_what_pytorch_made(network, measured):
    pytest.importorskip("paddle", reason="needs PaddlePaddle")
    from reel.export.networks import recipe_for
    from reel.export.rehearsal import rehearsal_weights

    reference = np.load(EXAMPLES / f"{network.name}-seeded.npz")
    recipe = recipe_for(network.name)
    recipe.load(rehearsal_weights(network, recipe.layout()))
    found = recipe.paddle_output(given(reference))
    row = measured(f"{network.name}, PyTorch", "seeded", reference["expected"], found, "L2 1e-5")
    assert row.relative_l2 <= network.tolerance.relative_l2


@pytest.mark.parametrize("network", [EDVR_S, EDVR_S_FILM, DAIN_S], ids=lambda network: network.name)
def test_a_small_network_has_the_weights_that_its_facts_state(network):
    pytest.importorskip("paddle", reason="needs PaddlePaddle")
    from reel.export.networks import recipe_for

    layout = recipe_for(network.name).layout()
    assert sum(int(np.prod(shape)) for shape in layout.values()) == network.parameters
    assert 2 * network.parameters < 3e6  # bytes, as halves
