"""Reading the ncnn port's files of DAIN."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export.hashes import git_blob
from reel.export.ncnn_weights import GRAPHS, arrays_from_ncnn, arrays_of_graph, layers_of
from reel.models.dain_depth import DAIN_DEPTH
from reel.models.spec import WeightFolder

PARAM = """7767517
5 6
Input                    input     0 1 input
Split                    split     1 2 input one two
Convolution              Conv_0    1 1 one a 0=3 1=3 4=1 5=1 6=54 9=2 -23310=1,1.000000e-01
Deconvolution            Conv_1    1 1 a b 0=5 1=1 5=0 6=15
Concat                   Concat    2 1 b two c
"""
SHAPES = {"x.weight": (3, 2, 3, 3), "x.bias": (3,), "y.weight": (3, 5, 1, 1)}


def written(folder: Path, data: bytes, *, name: str = "ctxnet", param: str = PARAM) -> tuple[Path, Path]:
    (folder / f"{name}.param").write_text(param)
    (folder / f"{name}.bin").write_bytes(data)
    return folder / f"{name}.param", folder / f"{name}.bin"


def sample() -> tuple[bytes, dict[str, np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(2)
    first, bias = rng.standard_normal((3, 2, 3, 3)).astype("f2"), rng.standard_normal(3).astype("f4")
    second = rng.standard_normal((5, 3, 1, 1)).astype("f2")  # 30 bytes, padded to 32
    tag = (0x01306B47).to_bytes(4, "little")
    data = tag + first.tobytes() + bias.tobytes() + tag + second.tobytes() + b"\0\0"
    turned = second.transpose(1, 0, 2, 3)
    return data, {"x.weight": first.astype("f4"), "x.bias": bias, "y.weight": turned.astype("f4")}


def test_weights_come_back_under_our_names_and_in_our_order(tmp_path: Path) -> None:
    data, wanted = sample()
    found = arrays_of_graph(*written(tmp_path, data), SHAPES)
    for name, array in wanted.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array)


def test_weights_in_single_precision_are_read_too(tmp_path: Path) -> None:
    _, wanted = sample()
    turned = wanted["y.weight"].transpose(1, 0, 2, 3)
    data = (
        b"\0\0\0\0"
        + wanted["x.weight"].tobytes()
        + wanted["x.bias"].tobytes()
        + b"\0\0\0\0"
        + turned.tobytes()
    )
    found = arrays_of_graph(*written(tmp_path, data), SHAPES)
    np.testing.assert_array_equal(found["y.weight"], wanted["y.weight"])


def test_normalisations_that_were_folded_away_come_back_as_the_identity(tmp_path: Path) -> None:
    data, _ = sample()
    statistics = {"n.running_mean": (3,), "n.running_var": (3,), "m.weight": (2,), "m.bias": (2,)}
    shapes = SHAPES | statistics | {"m.running_mean": (2,), "m.running_var": (2,)}
    found = arrays_of_graph(*written(tmp_path, data), shapes)
    values = np.array([-2.5, 0.0, 3.25], np.float32)
    normalised = (values - found["n.running_mean"]) / np.sqrt(found["n.running_var"] + np.float32(1e-5))
    np.testing.assert_allclose(normalised, values, rtol=1e-6)
    np.testing.assert_array_equal(found["m.weight"], [1, 1])
    np.testing.assert_array_equal(found["m.bias"], [0, 0])


@pytest.mark.parametrize("change", [-4, 4, -40])
def test_a_file_of_the_wrong_length_is_refused(tmp_path: Path, change: int) -> None:
    data, _ = sample()
    data = data[:change] if change < 0 else data + b"\0" * change
    with pytest.raises(WeightsError):
        arrays_of_graph(*written(tmp_path, data), SHAPES)


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    data, _ = sample()
    with pytest.raises(WeightsError, match="kind 0x"):
        arrays_of_graph(*written(tmp_path, b"\1" + data[1:]), SHAPES)
    with pytest.raises(WeightsError, match="convolutions"):
        arrays_of_graph(*written(tmp_path, data), {"x.weight": (3, 2, 3, 3), "x.bias": (3,)})
    with pytest.raises(WeightsError, match=r"x\.weight of"):
        arrays_of_graph(*written(tmp_path, data), SHAPES | {"x.weight": (6, 1, 3, 3)})
    with pytest.raises(WeightsError, match="lacks z"):
        arrays_of_graph(*written(tmp_path, data), SHAPES | {"z.bias": (3,)})
    with pytest.raises(WeightsError, match="not a graph"):
        arrays_of_graph(*written(tmp_path, data, param="hello\n1 1\n"), SHAPES)
    with pytest.raises(WeightsError, match="cannot be read"):
        arrays_of_graph(tmp_path / "none.param", tmp_path / "none.bin", SHAPES)


@pytest.fixture(scope="module")
def port(shared: Callable[[str], Path]) -> Path:
    return shared("data/dain-ncnn")


@pytest.fixture(scope="module")
def shapes(shared: Callable[[str], Path]) -> dict[str, tuple[int, ...]]:
    listing = shared("golden/dain_depth") / "manifest.json"
    unused = ("deconv2.weight", "deconv2.bias", "num_batches_tracked")
    keys = json.loads(listing.read_text())["keys"]
    return {key: tuple(shape) for key, shape, _ in keys if not key.endswith(unused)}


def test_the_real_context_network_is_read(port: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    mine = {name: shape for name, shape in shapes.items() if name.startswith("ctxNet.")}
    found = arrays_of_graph(port / "ctxnet.param", port / "ctxnet.bin", mine)
    assert {name: array.shape for name, array in found.items()} == mine
    for array in found.values():
        assert 0.05 < array.std() < 0.1  # trained weights; a byte off, half precision reads as noise
        assert np.abs(array).max() < 3


def test_the_real_files_are_those_that_would_be_downloaded(port: Path) -> None:
    published = next(source for source in DAIN_DEPTH.weights if isinstance(source, WeightFolder))
    known = {file.filename: file.git_blob for file in published.files}
    found = {file.name: git_blob(file) for file in port.iterdir()}
    assert found == {name: blob for name, blob in known.items() if name in found}
    assert len(found) == 5


def test_the_four_real_graphs_fit_the_network(
    tmp_path: Path, port: Path, shapes: dict[str, tuple[int, ...]]
) -> None:
    sizes = {"ctxnet": 313748, "depthnet": 10728564, "flownet": 22092552, "interpolation": 18291116}
    rng = np.random.default_rng(3)
    for graph in GRAPHS:
        text = (port / f"{graph}.param").read_text()
        data: list[bytes] = []
        drawn: dict[tuple[int, int], bytes] = {}
        for number, layer in enumerate(layers_of(text)):
            # The flow network's first 36 convolutions are 18, each written once for either frame.
            pair = (number // 6 * 3 + number % 3, 0) if graph == "flownet" and number < 36 else (number, 1)
            if pair not in drawn:
                half = rng.standard_normal(layer.count).astype("<f2").tobytes()
                offsets = rng.standard_normal(layer.channels).astype("<f4").tobytes()
                tail = b"\0" * (-len(half) % 4) + (offsets if layer.offsets else b"")
                drawn[pair] = (0x01306B47).to_bytes(4, "little") + half + tail
            data.append(drawn[pair])
        _, weights = written(tmp_path, b"".join(data), name=graph, param=text)
        assert weights.stat().st_size == sizes[graph]
    found = arrays_from_ncnn(tmp_path, shapes)
    assert {name: array.shape for name, array in found.items()} == shapes
