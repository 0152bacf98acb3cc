"""Reading PyTorch's files: what is honest is read exactly, what is hostile runs nothing."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export.torch_weights import arrays_from_torch

STORAGES = {"f4": "FloatStorage", "f2": "HalfStorage", "f8": "DoubleStorage", "i8": "LongStorage"}


class Storage:
    """What PyTorch refers to by a persistent id."""

    def __init__(self, key: str, values: np.ndarray[Any, Any]) -> None:
        self.key, self.values = key, values


class Tensor:
    """Pickles as PyTorch's tensors do: a call of _rebuild_tensor_v2 on a storage."""

    def __init__(
        self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> None:
        self.call = (storage, offset, shape, strides, False, collections.OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.call


class Parameter(Tensor):
    def __reduce__(self) -> tuple[Any, ...]:
        tensor = Tensor.__new__(Tensor)
        tensor.call = self.call
        hooks = collections.OrderedDict()
        return sys.modules["torch._utils"]._rebuild_parameter, (tensor, True, hooks)


@pytest.fixture(autouse=True)
def pretended_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the pickler the names that PyTorch's files hold; nothing reads them back."""
    torch, utilities = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in STORAGES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        function = types.FunctionType((lambda *_: None).__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utilities, name, function)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utilities)


class TorchPickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, *, legacy: bool) -> None:
        super().__init__(file, protocol=2)
        self.legacy = legacy

    def persistent_id(self, obj: object) -> object:
        if not isinstance(obj, Storage):
            return None
        kind = getattr(sys.modules["torch"], STORAGES[obj.values.dtype.str[1:]])
        return ("storage", kind, obj.key, "cpu", obj.values.size, *((None,) if self.legacy else ()))


def pickled(value: object, *, legacy: bool = False) -> bytes:
    file = io.BytesIO()
    TorchPickler(file, legacy=legacy).dump(value)
    return file.getvalue()


def zipped(path: Path, state: object, storages: list[Storage], *, order: str = "little") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("best/data.pkl", pickled(state))
        archive.writestr("best/byteorder", order)
        for storage in storages:
            values = storage.values.astype(storage.values.dtype.newbyteorder(order))
            archive.writestr(f"best/data/{storage.key}", values.tobytes())
        archive.writestr("best/version", "3\n")
    return path


def legacy(path: Path, state: object, storages: list[Storage]) -> Path:
    system = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, system)]
    keys = [storage.key for storage in storages]
    tail = [struct.pack("<q", s.values.size) + s.values.tobytes() for s in storages]
    path.write_bytes(b"".join([*head, pickled(state, legacy=True), pickle.dumps(keys, 2), *tail]))
    return path


def sample() -> tuple[collections.OrderedDict[str, object], list[Storage], dict[str, np.ndarray[Any, Any]]]:
    rng = np.random.default_rng(1)
    first, shared = rng.standard_normal((4, 3, 3, 3)).astype("f4"), rng.standard_normal(12).astype("f2")
    storages = [Storage("0", first.ravel()), Storage("1", shared), Storage("2", np.array([7], "i8"))]
    state = collections.OrderedDict()
    state["module.conv.weight"] = Parameter(storages[0], 0, first.shape, (27, 9, 3, 1))
    state["module.conv.bias"] = Tensor(storages[1], 2, (4,), (1,))
    state["turned"] = Tensor(storages[1], 0, (3, 4), (1, 3))
    state["norm.num_batches_tracked"] = Tensor(storages[2], 0, (), ())
    wanted = {
        "conv.weight": first,
        "conv.bias": shared[2:6],
        "turned": np.ascontiguousarray(shared.reshape(4, 3).T),
        "norm.num_batches_tracked": np.array(7, "i8"),
    }
    state._metadata = {"": {"version": 1}}  # pyright: ignore; PyTorch hangs this on its state dicts
    return state, storages, wanted


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert found[name].flags.c_contiguous
        np.testing.assert_array_equal(found[name], array)


def test_a_zip_file_is_read_and_the_prefix_of_parallel_training_goes(tmp_path: Path) -> None:
    state, storages, wanted = sample()
    assert_same(arrays_from_torch(zipped(tmp_path / "best.pth", state, storages)), wanted)


def test_a_zip_file_of_a_big_endian_machine_is_read(tmp_path: Path) -> None:
    state, storages, wanted = sample()
    assert_same(arrays_from_torch(zipped(tmp_path / "best.pth", state, storages, order="big")), wanted)


def test_a_legacy_file_is_read(tmp_path: Path) -> None:
    state, storages, wanted = sample()
    assert_same(arrays_from_torch(legacy(tmp_path / "best.pth", state, storages)), wanted)


@pytest.mark.parametrize("write", [zipped, legacy])
def test_the_entry_of_a_checkpoint_is_picked(tmp_path: Path, write: Any) -> None:
    state, storages, wanted = sample()
    path = write(tmp_path / "best.pth", {"epoch": 3, "state_dict": state}, storages)
    assert_same(arrays_from_torch(path, key="state_dict"), wanted)
    with pytest.raises(WeightsError, match="other than an array"):
        arrays_from_torch(path)


@pytest.mark.parametrize("write", [zipped, legacy])
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, write: Any) -> None:
    state, storages, _ = sample()
    whole = write(tmp_path / "best.pth", state, storages).read_bytes()
    for size in range(0, len(whole), 97):
        cut = tmp_path / "cut.pth"
        cut.write_bytes(whole[:size])
        with pytest.raises(WeightsError):
            arrays_from_torch(cut)


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch ran",)


@pytest.mark.parametrize("write", [zipped, legacy])
def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="can run code"):
        arrays_from_torch(write(tmp_path / "best.pth", {"a": Hostile()}, []))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("write", [zipped, legacy])
@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (5,), (1,)),
        (1, (4,), (1,)),
        (0, (2, 2), (1, 9)),
        (0, (9**9,), (0,)),
        (-1, (2,), (1,)),
        (0, (2,), ()),
    ],
)
def test_a_tensor_outside_its_storage_is_refused(
    tmp_path: Path, write: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    storage = Storage("0", np.zeros(4, "f4"))
    path = write(tmp_path / "best.pth", {"a": Tensor(storage, offset, shape, strides)}, [storage])
    with pytest.raises(WeightsError, match="refused"):
        arrays_from_torch(path)


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    storage = Storage("0", np.zeros(4, "f4"))
    path = tmp_path / "best.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("best/data.pkl", pickled({"a": Tensor(storage, 0, (4,), (1,))}))
    with pytest.raises(WeightsError, match="claims more"):
        arrays_from_torch(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        arrays_from_torch(tmp_path / "missing.pth")
    for content in (b"", b"hello", pickle.dumps({"a": 1}, 2), pickle.dumps([1], 4)):
        path = tmp_path / "best.pth"
        path.write_bytes(content)
        with pytest.raises(WeightsError):
            arrays_from_torch(path)
