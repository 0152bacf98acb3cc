"""Every network's exported graphs against PaddleGAN's own, unmodified network: same weights, same input."""

import pytest
from reel.engine.stages.edvr import Edvr
from reel.models.manifest import NETWORKS, network_named
from reel.models.spec import Kind

# (height, width): small and large, square and not; 144 and 112 make DeOldify's decoder crop.
SIZES = {
    Kind.UPSCALE: [(32, 48), (40, 24)],
    Kind.COLOURISE: [(128, 128), (112, 144)],
}

CASES = [
    pytest.param(network, size, id=f"{network.name}-{size[1]}x{size[0]}")
    for network in NETWORKS
    if network.kind is not Kind.INTERPOLATE  # PaddleGAN runs no definition of one; see the golden tests
    for size in SIZES[network.kind]
]


def enlarged(network, window):
    """Run EDVR's graphs on a window [1, 5, 3, H, W]."""
    frames = [window[:, i] for i in range(5)]
    upscaler = Edvr(network)
    return upscaler.enlarged(frames[2], [upscaler.pyramid(frame) for frame in frames])


@pytest.mark.parametrize(("network", "size"), CASES)
def test_a_network_equals_paddlegans_own(network, size, loaded, paddlegan, shown, measured):
    inputs = shown(network, size)
    if network.kind is Kind.UPSCALE:
        found = enlarged(loaded(network.name), inputs)
    else:
        (found,) = loaded(network.name).run("colour", picture=inputs)
    row = measured(network.name, f"{size[1]}x{size[0]}", paddlegan(network.name, inputs), found, "L2 1e-5")
    assert row.relative_l2 <= network.tolerance.relative_l2


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["deoldify-artistic", "deoldify"])
def test_deoldify_equals_paddlegans_own_at_its_default_render_factor(
    name, loaded, paddlegan, shown, measured
):
    inputs = shown(network_named(name), (512, 512))
    (found,) = loaded(name).run("colour", picture=inputs)
    row = measured(name, "512x512", paddlegan(name, inputs), found, "L2 1e-5")
    assert row.relative_l2 <= 1e-5


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_an_export_is_compared_with_paddle_before_it_is_stored(network, loaded):
    card = loaded(network.name).artifact.card
    assert [(figures.height, figures.width) for figures in card.parity] == list(network.check_sizes)
    assert all(0 < figures.relative_l2 <= network.tolerance.relative_l2 for figures in card.parity)
    assert card.rehearsal
