"""Reading pickles of weights: what is honest is read exactly, what is hostile runs nothing."""

from __future__ import annotations

import collections
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export.pickles import arrays_from_pickle


def sample() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(7)
    return {
        "conv.weight": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "conv.bias": rng.standard_normal(4).astype(np.float16),
        "wide": np.asfortranarray(rng.standard_normal((5, 2))),
        "big.endian": rng.standard_normal(3).astype(">f4"),
        "count": np.array(12, np.int64),
        "none": np.zeros((0, 3), np.float32),
    }


def written(folder: Path, content: object, protocol: int = 4) -> Path:
    path = folder / "weights.pdparams"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].shape == array.shape
        assert found[name].flags.c_contiguous
        assert found[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_arrays_come_back_equal_from_every_protocol(tmp_path: Path, protocol: int) -> None:
    assert_same(arrays_from_pickle(written(tmp_path, sample(), protocol), key=None), sample())


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_the_generator_entry_is_picked_and_other_entries_are_ignored(tmp_path: Path, protocol: int) -> None:
    content = {"epoch": 3, "loss": np.float32(0.5), "generator": collections.OrderedDict(sample())}
    assert_same(arrays_from_pickle(written(tmp_path, content, protocol), key="generator"), sample())


@pytest.mark.parametrize("protocol", [2, 4])
def test_files_from_before_numpy_2_are_read(tmp_path: Path, protocol: int) -> None:
    old = pickle.dumps(sample(), protocol=protocol)
    if protocol == 2:
        old = old.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    else:
        new_name, old_name = b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray"
        frame = old.index(b"\x95") + 1
        size = struct.unpack_from("<Q", old, frame)[0]
        old = old.replace(new_name, old_name)
        old = old[:frame] + struct.pack("<Q", size - 1) + old[frame + 8 :]
    assert b"_core" not in old
    path = tmp_path / "old.pdparams"
    path.write_bytes(old)
    assert_same(arrays_from_pickle(path, key=None), sample())


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("nested", [False, True])
def test_what_paddle_save_writes_is_read(tmp_path: Path, protocol: int, nested: bool) -> None:
    paddle = pytest.importorskip("paddle", reason="needs paddlepaddle to write a real .pdparams")
    layer = paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4))
    state = layer.state_dict()
    path = tmp_path / "real.pdparams"
    paddle.save({"generator": state} if nested else state, str(path), protocol=protocol)
    found = arrays_from_pickle(path, key="generator" if nested else None)
    assert_same(found, {name: np.array(value) for name, value in state.items()})


def test_a_legacy_name_table_is_not_a_parameter(tmp_path: Path) -> None:
    content = {**sample(), "StructuredToParameterName@@": {"conv.weight": "conv2d_0.w_0"}}
    assert_same(arrays_from_pickle(written(tmp_path, content, 2), key=None), sample())


# ---- hostile files -------------------------------------------------------------------------------


class Runs:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def refusal(path: Path, key: str | None = None) -> str:
    with pytest.raises(WeightsError) as caught:
        arrays_from_pickle(path, key=key)
    assert caught.value.remedy
    return caught.value.message


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("where", ["top", "value", "beside", "name", "inside"])
@pytest.mark.parametrize("way", ["system", "eval", "exec", "getattr"])
def test_a_call_anywhere_in_the_file_is_refused_and_not_made(
    tmp_path: Path, way: str, where: str, protocol: int
) -> None:
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w').close()"
    call = {
        "system": Runs(os.system, f"touch {marker}"),
        "eval": Runs(eval, code),
        "exec": Runs(exec, code),
        "getattr": Runs(getattr, "text", "upper"),
    }[way]
    array = sample()["conv.weight"]
    content: Any = {
        "top": call,
        "value": {"generator": {"conv.weight": call}},
        "beside": {"generator": {"conv.weight": array}, "epoch": call},
        "name": {"generator": {"conv.weight": (call, array)}},
        "inside": {"generator": collections.OrderedDict(w=[[({"x": call},)]])},
    }[where]
    path = written(tmp_path, content, protocol)
    message = refusal(path, "generator")
    assert not marker.exists()
    assert way in message
    # The same bytes do run under the ordinary reader: the test would notice.
    if way != "getattr":
        pickle.loads(path.read_bytes())
        assert marker.exists()


def raw(folder: Path, body: bytes, protocol: int = 2) -> Path:
    path = folder / "raw.pdparams"
    path.write_bytes(b"\x80" + bytes([protocol]) + body)
    return path


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"cnumpy.core.multiarray\nfromfile\n.", "numpy.core.multiarray.fromfile"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"cnumpy.f2py.crackfortran\ngetlincoef\n.", "numpy.f2py.crackfortran.getlincoef"),
        (b"cnumpy\n_core.multiarray._reconstruct.__globals__\n.", "numpy._core"),
        (b"c__builtin__\neval\n.", "__builtin__.eval"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"c_codecs\ndecode\n.", "_codecs.decode"),
        (b"ccopyreg\n_reconstructor\n.", "copyreg._reconstructor"),
        (b"ccollections\nOrderedDict.__init__\n.", "collections.OrderedDict.__init__"),
        # Text kept in the memo and made a global later, so that no opcode holds its name.
        (b"\x8c\x02osq\x00\x8c\x06systemq\x01h\x00h\x01\x93\x8c\x02id\x85R.", "os.system"),
    ],
)
def test_a_global_with_an_innocent_looking_name_is_refused_by_name(
    tmp_path: Path, body: bytes, named: str
) -> None:
    assert named in refusal(raw(tmp_path, body, 4))


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"Pos.system\n.", "PERSID"),
        (b"\x8c\x02idQ.", "BINPERSID"),
        (b"(ios\nsystem\n.", "INST"),
        (b"(cnumpy\nndarray\no.", "OBJ"),
        (b"cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"\x82\x01.", "EXT1"),
    ],
)
def test_instructions_that_reach_outside_plain_values_are_refused(
    tmp_path: Path, body: bytes, named: str
) -> None:
    assert named in refusal(raw(tmp_path, body, 4))


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"


@pytest.mark.parametrize(
    "target", [b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", RECONSTRUCT, b"ccollections\nOrderedDict\n"]
)
def test_an_admitted_global_cannot_be_altered(tmp_path: Path, target: bytes) -> None:
    plain, slots = b"}\x8c\x05evilsK\x01s", b"N}\x8c\x0c__setstate__K\x01s\x86"
    assert "alter" in refusal(raw(tmp_path, target + plain + b"b.", 4))
    assert "alter" in refusal(raw(tmp_path, target + slots + b"b.", 4))
    assert_same(arrays_from_pickle(written(tmp_path, sample()), key=None), sample())


def test_calling_ndarray_itself_is_refused_before_memory_is_reserved(tmp_path: Path) -> None:
    assert "reserves memory" in refusal(raw(tmp_path, b"cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85\x85R."))


@pytest.mark.parametrize("shape", [(1 << 40,), (-1, 4), (4, 4, 4), ("x",), (1,) * 40])
def test_a_shape_that_its_bytes_do_not_fill_is_refused(tmp_path: Path, shape: Any) -> None:
    fake = pickle.dumps(shape, protocol=2)[2:-1]
    body = (
        RECONSTRUCT + b"(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01" + fake + b"cnumpy\ndtype\nU\x02f4\x85R\x89U\x04aaaatb."
    )
    assert "shape" in refusal(raw(tmp_path, body))


@pytest.mark.parametrize("code", ["O", "V8", "S8", "M8[s]", "c8", "f4,f4", "U4"])
def test_values_that_are_not_numbers_are_refused(tmp_path: Path, code: str) -> None:
    assert "numbers belong" in refusal(written(tmp_path, {"w": np.zeros(2, code)}))


def test_a_subarray_hidden_in_the_state_of_a_type_is_refused(tmp_path: Path) -> None:
    body = b"cnumpy\ndtype\nU\x02f4\x85R(K\x03U\x01<U\x02f4NNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb."
    assert "structured" in refusal(raw(tmp_path, body))


def test_a_huge_memo_index_or_text_repeated_through_the_memo_claims_no_memory(tmp_path: Path) -> None:
    assert "more memory" in refusal(raw(tmp_path, b"Nr\xff\xff\xff\x7f."))
    text = b"X" + struct.pack("<I", 10_000) + b"a" * 10_000 + b"q\x000"
    again = b"h\x00U\x06latin1\x86R"
    body = b"c_codecs\nencode\nq\x010" + text + b"(" + (b"h\x01" + again) * 500 + b"t."
    assert "more memory" in refusal(raw(tmp_path, body))


def test_a_file_with_a_huge_size_in_it_is_called_damaged(tmp_path: Path) -> None:
    for body in (b"\x8e" + struct.pack("<Q", 1 << 45), b"\x95" + struct.pack("<Q", 1 << 45) + b"N."):
        assert "damaged" in refusal(raw(tmp_path, body, 4))


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_file_cut_anywhere_is_called_damaged(tmp_path: Path, protocol: int) -> None:
    whole = written(tmp_path, sample(), protocol).read_bytes()
    for length in [0, 1, 2, 3, *range(5, len(whole), 37), len(whole) - 1]:
        path = tmp_path / "cut.pdparams"
        path.write_bytes(whole[:length])
        message = refusal(path)
        assert "damaged" in message or "empty" in message


def test_flipped_bytes_never_raise_anything_but_a_weights_error(tmp_path: Path) -> None:
    whole = written(tmp_path, sample(), 2).read_bytes()
    rng = np.random.default_rng(3)
    for position in rng.integers(2, len(whole), 300):
        path = tmp_path / "flipped.pdparams"
        path.write_bytes(whole[:position] + bytes([int(rng.integers(256))]) + whole[position + 1 :])
        try:
            arrays_from_pickle(path, key=None)
        except WeightsError as error:
            assert error.remedy  # noqa: PT017 - most flips land in the numbers and are no error at all


@pytest.mark.parametrize(
    ("content", "key", "said"),
    [
        ([1, 2], None, "named parameters"),
        ({"epoch": 3}, "generator", "no entry 'generator'; it holds epoch"),
        ({"generator": 3}, "generator", "no entry"),
        ({"w": 3}, None, "'w'"),
        ({"w": [np.zeros(2)]}, None, "list"),
        ({5: np.zeros(2)}, None, "'5'"),
        ({"w@@.0": np.zeros(2), "UnpackBigParamInfor@@": {"w": {}}}, None, "pieces"),
    ],
)
def test_a_pickle_of_something_else_is_named(
    tmp_path: Path, content: object, key: str | None, said: str
) -> None:
    assert said in refusal(written(tmp_path, content), key)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "absent" in refusal(tmp_path / "absent")
