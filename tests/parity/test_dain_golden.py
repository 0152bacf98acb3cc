"""PaddleGAN's DAIN against reference outputs of the network that its program was saved from."""

import json
import re
import zlib

import numpy as np
import pytest
from reel.cli.export import main as export_main
from reel.cli.run import main as run_main
from reel.engine.backends.cpu import CpuBackend
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.stages.dain import Dain
from reel.models.dain import DAIN
from reel.models.store import Store

SIZES = ["128x128", "192x256"]
TIMES = [25, 50, 75]


def golden_weights(manifest):
    """Draw the weights that the reference outputs were computed with, by the rule that they state."""

    def drawn(name, shape):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        if len(shape) == 1:
            return (0.02 * rng.standard_normal(shape)).astype(np.float32)
        gain = next(gain for pattern, gain in manifest["gains"] if re.search(pattern, name))
        transposed = re.search(r"\.(deconv|upfeat)\d\.weight$", name)
        fan = shape[0] * 4 if transposed else np.prod(shape[1:])
        return (rng.standard_normal(shape) * (gain / np.sqrt(fan))).astype(np.float32)

    return {name: drawn(name, shape) for name, shape in manifest["keys"]}


@pytest.fixture(scope="module")
def folder(golden):
    return golden / "dain_ppgan"


@pytest.fixture(scope="module")
def golden_store(folder, tmp_path_factory):
    """A store with DAIN exported from the reference weights by the command, as a user would."""
    pytest.importorskip("paddle", reason="needs PaddlePaddle to export")
    place = tmp_path_factory.mktemp("golden")
    manifest = json.loads((folder / "ppgan_dain_manifest.json").read_text())
    np.savez(place / "weights.npz", **golden_weights(manifest))
    code = export_main(["dain", "--weights", str(place / "weights.npz"), "--store", str(place / "store")])
    assert code == 0
    return place / "store"


@pytest.fixture(scope="module")
def dain(golden_store):
    with LoadedNetwork(DAIN, Store(golden_store).find(DAIN), CpuBackend()) as network:
        yield network


@pytest.mark.parametrize("size", SIZES)
def test_the_graphs_give_the_reference_outputs_at_three_times(size, folder, dain, measured):
    reference = np.load(folder / f"ppgan_dain_{size}.npz")
    a, b = reference["input_u8"].astype(np.float32) / 255
    network = Dain(dain)
    pair = network.pair(network.alone(a), network.alone(b))
    np.testing.assert_allclose(pair["flow_ab"], reference["flow_01"], atol=1e-5)
    np.testing.assert_allclose(pair["flow_ba"], reference["flow_10"], atol=1e-5)
    for percent in TIMES:
        found = network.between(pair, percent / 100)
        what = f"dain, reference t=.{percent}"
        row = measured(what, size, reference[f"out_t0{percent}"], found, "max 2e-4, mean 2e-6")
        assert row.maximum <= 2e-4
        assert row.mean <= 2e-6


@pytest.mark.parametrize("size", SIZES)
def test_the_command_gives_the_reference_frames_between_two_pictures(
    size, folder, golden_store, tmp_path, write_pictures, read_pictures
):
    reference = np.load(folder / f"ppgan_dain_{size}.npz")
    write_pictures(tmp_path / "in", [frame[0].transpose(1, 2, 0) for frame in reference["input_u8"]])
    options = ["--order", "dain", "--times", "4", "--store", str(golden_store)]
    assert run_main([str(tmp_path / "in"), "-o", f"{tmp_path}/out/", *options]) == 0
    found = read_pictures(tmp_path / "out")
    assert len(found) == 8  # four for each of the two: the last one is held for its own duration
    np.testing.assert_array_equal(found[0], reference["input_u8"][0, 0].transpose(1, 2, 0))
    for index, percent in enumerate(TIMES, start=1):
        exact = np.clip(reference[f"out_t0{percent}"][0].transpose(1, 2, 0), 0, 1) * 255
        off = np.abs(found[index] - exact)
        assert off.max() <= 0.5 + 0.05, "a level is rounded to its nearest"
