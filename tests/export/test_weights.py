"""Weights of any kind of file: named, shaped and finite, or refused with what is wrong."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export.weights import file_sha256, read_weights, weights_digest

EXPECTED = {"conv.weight": (4, 3, 3, 3), "conv.bias": (4,), "norm._mean": (4,), "scale": ()}


def sample(dtype: Any = np.float32) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(9)
    return {name: np.asarray(rng.standard_normal(shape), dtype) for name, shape in EXPECTED.items()}


def npz(path: Path, arrays: dict[str, Any]) -> Path:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def pickled(path: Path, arrays: dict[str, Any]) -> Path:
    path.write_bytes(pickle.dumps({"generator": arrays}, protocol=2))
    return path


@pytest.mark.parametrize("write", [npz, pickled])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_every_kind_and_precision_comes_back_as_float32_in_our_order(
    tmp_path: Path, write: Any, dtype: Any
) -> None:
    stored = dict(reversed(sample(dtype).items()))
    found = read_weights(write(tmp_path / "misleading.tar", stored), expected=EXPECTED, key="generator")
    assert list(found) == list(EXPECTED)
    for name, array in found.items():
        assert array.dtype == np.float32
        assert array.shape == EXPECTED[name]
        np.testing.assert_array_equal(array, stored[name].astype(np.float32))


def refusal(path: Path, expected: Any = EXPECTED) -> str:
    with pytest.raises(WeightsError) as caught:
        read_weights(path, expected=expected, key=None)
    assert caught.value.remedy
    return caught.value.message


def test_every_misfit_is_counted_and_the_first_three_are_listed(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {f"more{index}": np.zeros(index) for index in range(5)}
    arrays["conv.weight"] = np.zeros((8, 3, 3, 3))
    message = refusal(npz(tmp_path / "w.npz", arrays))
    assert "3 missing (conv.bias (4,), norm._mean (4,), scale ())" in message
    assert "5 unknown (more0 (0,), more1 (1,), more2 (2,), ...)" in message
    assert "1 of another shape (conv.weight is (8, 3, 3, 3) instead of (4, 3, 3, 3))" in message


def test_a_scalar_is_not_taken_for_a_vector(tmp_path: Path) -> None:
    arrays = {**sample(), "scale": np.zeros(1, np.float32)}
    assert "scale is (1,) instead of ()" in refusal(npz(tmp_path / "w.npz", arrays))


def test_the_counter_of_batch_normalisation_is_dropped_or_kept_as_expected(tmp_path: Path) -> None:
    counter = "norm.num_batches_tracked"
    path = npz(tmp_path / "w.npz", {**sample(), counter: np.array(7, np.int64)})
    assert list(read_weights(path, expected=EXPECTED, key=None)) == list(EXPECTED)
    assert read_weights(path, expected={**EXPECTED, counter: ()}, key=None)[counter] == 7


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_refused_by_name(tmp_path: Path, bad: float) -> None:
    arrays = sample(np.float64)
    arrays["conv.bias"][2] = bad
    assert "conv.bias" in refusal(npz(tmp_path / "w.npz", arrays))


def test_integers_are_not_taken_for_floats(tmp_path: Path) -> None:
    arrays = {**sample(), "conv.bias": np.array([0x3F80] * 4, np.uint16)}  # bfloat16 as Paddle stores it
    assert "uint16 where floats belong" in refusal(npz(tmp_path / "w.npz", arrays))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"  <!doctype html><title>404</title>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git-lfs pointer"),
        (b"\x89PNG\r\n", "unknown kind"),
        (b"PK\x03\x04 cut off", "damaged"),
        (b"\x80\x04 cut off", "damaged"),
        (b"\x1f\x8b cut off", "damaged"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "w.npz"
    path.write_bytes(content)
    assert said in refusal(path)


def test_a_pytorch_file_is_read_as_one_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "best.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("best/data.pkl", b"\x80\x02}.")  # an empty dict
    assert "4 missing" in refusal(path)
    assert "No such file" in refusal(tmp_path / "absent")


def entry(header: dict[str, Any], data: bytes) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + data


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}, b"1234"),
        ({"descr": "<f4", "fortran_order": False, "shape": (4,)}, b"1234"),
        ({"descr": "|O", "fortran_order": False, "shape": (1,)}, b"cos\nsystem\n."),
        ({"descr": "|S4", "fortran_order": False, "shape": (1,)}, b"1234"),
    ],
)
def test_an_npz_whose_headers_lie_is_refused(tmp_path: Path, header: dict[str, Any], data: bytes) -> None:
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conv.bias.npy", entry(header, data))
    assert "no .npz of plain arrays" in refusal(path)


def test_an_npz_with_a_pickle_inside_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    np.savez(path, **{"conv.bias": np.array([object], dtype=object)})
    assert "plain arrays" in refusal(path)


def test_a_small_npz_that_unpacks_to_far_more_than_the_network_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "w.npz", {"conv.bias": np.zeros(3_000_000, np.float32)})
    assert path.stat().st_size < 100_000
    assert "more than its network has" in refusal(path)


def test_an_npz_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = npz(tmp_path / "w.npz", sample()).read_bytes()
    for length in range(0, len(whole), 97):
        path = tmp_path / "cut.npz"
        path.write_bytes(whole[:length])
        refusal(path)


def test_digests_depend_on_names_shapes_types_and_values_but_not_on_order() -> None:
    arrays = sample()
    digest = weights_digest(arrays)
    assert weights_digest(dict(reversed(arrays.items()))) == digest
    assert weights_digest({name: np.asarray(array, order="F") for name, array in arrays.items()}) == digest
    assert weights_digest({name: array.astype(">f4") for name, array in arrays.items()}) == digest
    others = [
        {**arrays, "conv.bias": arrays["conv.bias"] + 1},
        {**arrays, "conv.bias": arrays["conv.bias"].reshape(2, 2)},
        {**arrays, "conv.bias": arrays["conv.bias"].view(np.int32)},
        {("renamed" if name == "scale" else name): array for name, array in arrays.items()},
    ]
    assert len({digest, *(weights_digest(other) for other in others)}) == 5


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(b"reel" * 100_000)
    assert file_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match="No such file"):
        file_sha256(tmp_path / "absent")
