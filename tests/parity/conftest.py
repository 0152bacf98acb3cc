"""Networks exported once for all parity tests, PaddleGAN's own beside them, and a table of the figures."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
from reel.models.deoldify import MEAN, STD
from reel.models.manifest import network_named
from reel.models.spec import Kind, Network
from reel.models.store import Store


@dataclass(frozen=True)
class Row:
    """How far two arrays are apart."""

    maximum: float
    mean: float
    relative_l2: float


@pytest.fixture
def measured(put_in_table) -> Callable[..., Row]:
    """Compare two arrays, put the figures into the table, and return them."""

    def measure(what: str, size: str, expected: np.ndarray, found: np.ndarray, tolerance: str) -> Row:
        assert found.shape == expected.shape
        assert np.isfinite(found).all()
        difference = np.abs(found.astype(np.float64) - expected)
        relative = float(np.linalg.norm(difference) / np.linalg.norm(expected.astype(np.float64)))
        row = Row(float(difference.max()), float(difference.mean()), relative)
        figures = {head: f"{value:.1e}" for head, value in asdict(row).items()}
        put_in_table("parity with Paddle", {"what": what, "size": size, **figures, "tolerance": tolerance})
        return row

    return measure


@pytest.fixture(scope="session")
def golden(shared) -> Path:
    """The folder of reference outputs; tests that need it are skipped without it."""
    return shared("golden")


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Store:
    """A store for the session; ``REEL_TEST_STORE`` names one to keep, for quicker runs while developing."""
    kept = os.environ.get("REEL_TEST_STORE")
    return Store(Path(kept) if kept else tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def loaded(store):
    """Export a network on rehearsal weights and load it on the CPU, each once."""
    pytest.importorskip("paddle", reason="needs PaddlePaddle, the reference")
    from reel.engine.backends.cpu import CpuBackend
    from reel.engine.networks.backend import LoadedNetwork
    from reel.export import exporter

    networks: dict[str, LoadedNetwork] = {}
    with ExitStack() as stack:

        def load(name: str) -> LoadedNetwork:
            if name not in networks:
                network = network_named(name)
                artifact = exporter.export(network, exporter.rehearsal(), store).artifact
                networks[name] = stack.enter_context(LoadedNetwork(network, artifact, CpuBackend()))
            return networks[name]

        yield load


@pytest.fixture(scope="session")
def shown() -> Callable[[Network, tuple[int, int]], np.ndarray]:
    """What to compare networks on at a size (height, width): pictures with smooth parts, edges and grain.

    A window [1, 5, 3, H, W] in [0, 1], or a grey picture [1, 3, H, W] as the colourisers take it.
    """

    def picture(height: int, width: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:height, 0:width]
        waves = [np.sin(x / a + y / b + c) for a, b, c in rng.uniform(3, 20, (3, 3))]
        scene = 0.5 + 0.15 * np.stack(waves) + 0.2 * ((x // 7 + y // 5) % 2)
        return np.clip(scene + rng.normal(0, 0.03, scene.shape), 0, 1).astype(np.float32)[None]

    def inputs(network: Network, size: tuple[int, int]) -> np.ndarray:
        if network.kind is Kind.UPSCALE:
            return np.stack([picture(*size, seed) for seed in range(5)], axis=1)
        grey = np.repeat(picture(*size, 1).mean(axis=1, keepdims=True), 3, axis=1)
        return ((grey - np.reshape(MEAN, (1, 3, 1, 1))) / np.reshape(STD, (1, 3, 1, 1))).astype(np.float32)

    return inputs


def _paddlegan_network(network: Network):
    """Build ppgan's own network, unmodified, without reel's recipe for it."""
    from reel.export.ppgan import ppgan_module

    if network.kind is Kind.UPSCALE:
        sizes = {"edvr": {"nf": 128, "back_RBs": 40}, "edvr-m": {"nf": 64, "back_RBs": 10}}
        return ppgan_module("ppgan.models.generators.edvr").EDVRNet(**sizes[network.name])
    variant = {"deoldify": "stable", "deoldify-artistic": "artistic"}[network.name]
    return ppgan_module("ppgan.models.generators.deoldify").build_model(variant)


def _own_network(network: Network):
    """Build a network of reel's own, as it is defined and trained, in one piece."""
    from reel.export.networks import recipe_for
    from reel.export.rehearsal import rehearsal_weights

    recipe = recipe_for(network.name)
    recipe.load(rehearsal_weights(network, recipe.layout()))
    return recipe.net


@pytest.fixture(scope="session")
def paddlegan():
    """Give ppgan's own network with the weights that reel exported, and the file they came from."""
    paddle = pytest.importorskip("paddle", reason="needs PaddlePaddle, the reference")
    from reel.export.rehearsal import rehearsal_weights

    last: dict[str, object] = {}  # one at a time: the largest holds a gigabyte

    def build(name: str):
        if name not in last:
            last.clear()
            network = network_named(name)
            if network.shipped:
                last[name] = _own_network(network)
                return last[name]
            net = _paddlegan_network(network)
            layout = {key: tuple(value.shape) for key, value in net.state_dict().items()}
            net.set_state_dict(rehearsal_weights(network, layout))
            net.eval()
            last[name] = net
        return last[name]

    known: dict[tuple[str, bytes], np.ndarray] = {}

    def run(name: str, inputs: np.ndarray) -> np.ndarray:
        if (name, inputs.tobytes()) not in known:
            with paddle.no_grad():
                known[name, inputs.tobytes()] = build(name)(paddle.to_tensor(inputs)).numpy()
        return known[name, inputs.tobytes()]

    return run


@pytest.fixture(scope="session")
def weight_file(tmp_path_factory):
    """Save rehearsal weights of a network as PaddleGAN publishes its own: a pickled state dict."""
    paddle = pytest.importorskip("paddle", reason="needs PaddlePaddle, the reference")
    from reel.export.rehearsal import rehearsal_weights

    def save(name: str) -> Path:
        network = network_named(name)
        net = _paddlegan_network(network)
        layout = {key: tuple(value.shape) for key, value in net.state_dict().items()}
        weights = {key: paddle.to_tensor(array) for key, array in rehearsal_weights(network, layout).items()}
        path = tmp_path_factory.mktemp("weights") / network.weights[0].filename
        paddle.save({network.weights_key: weights} if network.weights_key else weights, str(path))
        return path

    return save


@pytest.fixture
def predictor_module(monkeypatch):
    """Import one of ppgan's predictors, with ffmpeg left out: frames are PNG files already."""
    for needed in ("cv2", "PIL", "imageio", "tqdm"):
        pytest.importorskip(needed, reason="needs what PaddleGAN's predictors import")
    from reel.export.ppgan import ppgan_module

    def load(name: str) -> types.ModuleType:
        edvr = ppgan_module("ppgan.models.generators.edvr")
        sys.modules["ppgan.models.generators"].EDVRNet = edvr.EDVRNet
        module = ppgan_module(f"ppgan.apps.{name}")
        monkeypatch.setattr(module, "frames2video", lambda *arguments: None)
        return module

    return load
