"""Every network's exported graphs against PaddleGAN's own, unmodified network: same weights, same input."""

import numpy as np
import pytest
from reel.engine.stages.edvr import Edvr
from reel.models.deoldify import MEAN, STD
from reel.models.manifest import NETWORKS
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


def picture(height, width, seed):
    """A scene [1, 3, H, W] in [0, 1] with smooth parts, edges and grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / a + y / b + c) for a, b, c in rng.uniform(3, 20, (3, 3))]
    scene = 0.5 + 0.15 * np.stack(waves) + 0.2 * ((x // 7 + y // 5) % 2)
    return np.clip(scene + rng.normal(0, 0.03, scene.shape), 0, 1).astype(np.float32)[None]


def colouriser_input(height, width):
    grey = np.repeat(picture(height, width, 1).mean(axis=1, keepdims=True), 3, axis=1)
    return ((grey - np.reshape(MEAN, (1, 3, 1, 1))) / np.reshape(STD, (1, 3, 1, 1))).astype(np.float32)


def enlarged(network, window):
    """Run EDVR's graphs on a window [1, 5, 3, H, W]."""
    frames = [window[:, i] for i in range(5)]
    upscaler = Edvr(network)
    return upscaler.enlarged(frames[2], [upscaler.pyramid(frame) for frame in frames])


@pytest.mark.parametrize(("network", "size"), CASES)
def test_a_network_equals_paddlegans_own(network, size, loaded, paddlegan, measured):
    if network.kind is Kind.UPSCALE:
        inputs = np.stack([picture(*size, seed) for seed in range(5)], axis=1)
        found = enlarged(loaded(network.name), inputs)
    else:
        inputs = colouriser_input(*size)
        (found,) = loaded(network.name).run("colour", picture=inputs)
    row = measured(network.name, f"{size[1]}x{size[0]}", paddlegan(network.name, inputs), found, "L2 1e-5")
    assert row.relative_l2 <= network.tolerance.relative_l2


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["deoldify-artistic", "deoldify"])
def test_deoldify_equals_paddlegans_own_at_its_default_render_factor(name, loaded, paddlegan, measured):
    inputs = colouriser_input(512, 512)
    (found,) = loaded(name).run("colour", picture=inputs)
    row = measured(name, "512x512", paddlegan(name, inputs), found, "L2 1e-5")
    assert row.relative_l2 <= 1e-5


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_an_export_is_compared_with_paddle_before_it_is_stored(network, loaded):
    card = loaded(network.name).artifact.card
    assert [(figures.height, figures.width) for figures in card.parity] == list(network.check_sizes)
    assert all(0 < figures.relative_l2 <= network.tolerance.relative_l2 for figures in card.parity)
    assert card.rehearsal
