"""The paper's DAIN through both commands against outputs of the authors' own network."""

import importlib.util

import numpy as np
import pytest
from reel.cli.export import main as export_main
from reel.cli.run import main as run_main

SIZES = ["128x128", "192x256"]
TIMES = [25, 50, 75]


@pytest.fixture(scope="module")
def folder(golden):
    return golden / "dain_depth"


@pytest.fixture(scope="module")
def golden_store(folder, tmp_path_factory):
    """A store with the network exported from the reference weights, all of the authors' names among them."""
    pytest.importorskip("paddle", reason="needs PaddlePaddle to export")
    from reel.export.networks import recipe_for
    from reel.export.networks.dain_depth import UNUSED_WEIGHTS

    rule = importlib.util.spec_from_file_location("weights_rule", folder / "weights_rule.py")
    module = importlib.util.module_from_spec(rule)
    rule.loader.exec_module(module)
    layout = recipe_for("dain-depth").layout() | UNUSED_WEIGHTS
    place = tmp_path_factory.mktemp("golden")
    np.savez(place / "best.npz", **{name: module.fill(name, shape) for name, shape in layout.items()})
    store = place / "store"
    assert export_main(["dain-depth", "--weights", str(place / "best.npz"), "--store", str(store)]) == 0
    return store


@pytest.mark.heavy
@pytest.mark.parametrize("size", SIZES)
def test_the_command_gives_the_authors_frames_between_two_pictures(
    size, folder, golden_store, tmp_path, write_pictures, read_pictures, measured
):
    reference = np.load(folder / f"e2e_{size}.npz")
    pictures = reference["input_u8"].reshape(2, 3, *reference["input_u8"].shape[-2:])
    write_pictures(tmp_path / "in", list(pictures.transpose(0, 2, 3, 1)))
    options = ["--order", "dain-depth", "--times", "4", "--store", str(golden_store)]
    assert run_main([str(tmp_path / "in"), "-o", f"{tmp_path}/out/", *options]) == 0
    found = read_pictures(tmp_path / "out")
    for index, percent in enumerate(TIMES, start=1):
        expected = reference[f"out_t0{percent}"].reshape(3, *pictures.shape[-2:]).transpose(1, 2, 0)
        exact = np.clip(expected, 0, 1).astype(np.float64) * 255
        what = f"dain-depth, reel-run, t=.{percent}, levels"
        row = measured(what, size, np.rint(exact), found[index].astype(np.float64), "99.9% in 1 level")
        off = np.abs(found[index] - exact)
        # One place in 50,000 rounds to another pixel than in the authors' run, and leaves a spot.
        assert (off <= 0.55).mean() >= 0.999
        assert row.mean <= 0.01
