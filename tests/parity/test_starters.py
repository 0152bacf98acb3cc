"""The small networks of reel's own: what was trained in PyTorch is what Paddle runs and reel exports."""

from pathlib import Path

import numpy as np
import pytest
from reel import models
from reel.engine.stages.dain import Dain
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
def test_paddle_makes_of_the_trained_weights_what_pytorch_made(network, measured):
    pytest.importorskip("paddle", reason="needs PaddlePaddle")
    from reel.export.networks import recipe_for
    from reel.export.worker import weights_for

    reference = np.load(EXAMPLES / f"{network.name}.npz")
    recipe = recipe_for(network.name)
    recipe.load(weights_for(network, recipe, Path(models.__file__).parent / f"{network.name}.npz"))
    found = recipe.paddle_output(given(reference))
    row = measured(f"{network.name}, PyTorch", "trained", reference["expected"], found, "L2 1e-5")
    assert row.relative_l2 <= network.tolerance.relative_l2


@pytest.mark.parametrize("network", [EDVR_S, EDVR_S_FILM, DAIN_S], ids=lambda network: network.name)
def test_a_small_network_has_the_weights_that_its_facts_state(network):
    pytest.importorskip("paddle", reason="needs PaddlePaddle")
    from reel.export.networks import recipe_for

    layout = recipe_for(network.name).layout()
    assert sum(int(np.prod(shape)) for shape in layout.values()) == network.parameters
    assert 2 * network.parameters < 3e6  # bytes, as halves


@pytest.mark.parametrize("size", [(96, 160), (32, 64)], ids=str)
def test_the_engine_makes_of_dain_s_what_paddle_makes_of_it(size, loaded, measured):
    pytest.importorskip("paddle", reason="needs PaddlePaddle")
    from reel.export.networks import recipe_for
    from reel.export.rehearsal import rehearsal_weights

    recipe = recipe_for("dain-s")
    recipe.load(rehearsal_weights(DAIN_S, recipe.layout()))
    example, network = recipe.example(*size), Dain(loaded("dain-s"))
    pair = network.pair(network.alone(example["a"]), network.alone(example["b"]))
    found = network.between(pair, float(example["t"][0]))
    row = measured("dain-s", f"{size[1]}x{size[0]}", recipe.paddle_output(example), found, "L2 1e-5")
    assert row.relative_l2 <= DAIN_S.tolerance.relative_l2
