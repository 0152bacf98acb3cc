"""Every call of CUDA's runtime is looked at, is one that there is, and fails in plain words."""

import ast
import importlib
import inspect
import re
import sys
from enum import IntEnum
from pathlib import Path
from types import ModuleType

import pytest
from reel.engine.device.runtime import Block, Runtime
from reel.errors import BackendError, OutOfMemoryError

FILE = Path(__file__).resolve().parents[3] / "engine" / "device" / "cudart.py"
CALLS = [name for name, value in vars(Runtime).items() if inspect.isfunction(value) and name[0] != "_"]
GIVEN = {"block": Block(1 << 20, 64, 4, 2 << 20, 32, 8, 16, 2, 3)}


Code = IntEnum(
    "Code",
    {
        "cudaSuccess": 0,
        "cudaErrorMemoryAllocation": 2,
        "cudaErrorInsufficientDriver": 35,
        "cudaErrorNotReady": 600,
        "cudaErrorIllegalAddress": 700,
    },
)


class Bindings(ModuleType):
    """Bindings of which every call returns ``code``, and of which what was called is known."""

    def __init__(self):
        super().__init__("cuda.bindings.runtime")
        self.code = Code.cudaSuccess
        self.called = []
        self.cudaError_t = Code
        self.cudaMemcpyKind = type("Kind", (), {f"cudaMemcpy{way}": way for way in WAYS})
        self.cudaMemPoolAttr = type("Attr", (), {"cudaMemPoolAttrReleaseThreshold": 4})
        self.cudaStreamNonBlocking, self.cudaEventDisableTiming, self.cudaHostAllocDefault = 1, 2, 0
        for name in ("cudaMemcpy3DParms", "cudaPitchedPtr", "cudaExtent"):
            setattr(self, name, type(name, (), {}))

    def cudaGetErrorString(self, code):
        return Code.cudaSuccess, f"words for {code.name}".encode()

    def __getattr__(self, name):
        if not name.startswith("cuda"):
            raise AttributeError(name)

        def call(*arguments):
            self.called.append((name, arguments))
            if self.code != Code.cudaSuccess:
                return (self.code, *([None] * RESULTS.get(name, 0)))
            return (self.code, *range(7, 7 + RESULTS.get(name, 0)))

        return call


WAYS = ("HostToDevice", "DeviceToHost", "DeviceToDevice")
RESULTS = dict.fromkeys(
    ["cudaStreamCreateWithFlags", "cudaEventCreateWithFlags", "cudaMallocAsync", "cudaHostAlloc"], 1
) | {"cudaGetDeviceCount": 1, "cudaDeviceGetDefaultMemPool": 1, "cudaMemGetInfo": 2}


@pytest.fixture
def bindings(monkeypatch):
    found = Bindings()
    parent, driver = ModuleType("cuda.bindings"), ModuleType("cuda.bindings.driver")
    parent.runtime, parent.driver, driver.cuuint64_t = found, driver, int
    for module in (ModuleType("cuda"), parent, found, driver):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "reel.engine.device.cudart", raising=False)
    yield found
    sys.modules.pop("reel.engine.device.cudart", None)


def cudart():
    return importlib.import_module("reel.engine.device.cudart").Cudart()


def call(runtime, name):
    """Make a call with arguments of the right kinds."""
    parameters = inspect.signature(getattr(runtime, name)).parameters
    return getattr(runtime, name)(*(GIVEN.get(parameter, 4096) for parameter in parameters))


@pytest.mark.parametrize("name", [*CALLS, "prepare"])
def test_every_error_code_is_told_with_its_words_and_its_call(bindings, name):
    runtime = cudart()
    bindings.code = Code.cudaErrorIllegalAddress
    with pytest.raises(BackendError, match=r"words for cudaErrorIllegalAddress \(.* from cuda\w+\)") as told:
        call(runtime, name)
    assert not isinstance(told.value, OutOfMemoryError)
    assert bindings.called[-1] == ("cudaGetLastError", ()), "the error is left for the next to find"


@pytest.mark.parametrize("name", CALLS)
def test_memory_that_has_run_out_is_an_error_of_its_own(bindings, name):
    runtime = cudart()
    bindings.code = Code.cudaErrorMemoryAllocation
    with pytest.raises(OutOfMemoryError, match="--memory"):
        call(runtime, name)


@pytest.mark.parametrize("name", CALLS)
def test_no_call_waits_for_the_whole_device_or_a_whole_stream(bindings, name):
    call(cudart(), name)
    (called,) = {name for name, _ in bindings.called}
    if name == "synchronise":
        assert called == "cudaEventSynchronize"
    else:
        assert "Synchronize" not in called
        assert called not in ("cudaFree", "cudaMalloc", "cudaMemcpy", "cudaMemcpy3D", "cudaMemset")


def test_what_is_not_ready_is_no_error(bindings):
    runtime = cudart()
    assert runtime.has_happened(5) is True
    bindings.code = Code.cudaErrorNotReady
    assert runtime.has_happened(5) is False


def test_a_block_is_copied_by_its_pitches(bindings):
    cudart().copy_block(GIVEN["block"], 9)
    ((_, (parameters, stream)),) = bindings.called
    source, target, extent = parameters.srcPtr, parameters.dstPtr, parameters.extent
    assert (source.ptr, source.pitch, source.ysize) == (2 << 20, 32, 8)
    assert (target.ptr, target.pitch, target.ysize) == (1 << 20, 64, 4)
    assert (extent.width, extent.height, extent.depth, stream) == (16, 2, 3, 9)
    assert parameters.kind == "DeviceToDevice"


def test_copies_go_the_way_that_their_names_say(bindings):
    cudart().copy_in(1, 2, 3, 4)
    cudart().copy_out(1, 2, 3, 4)
    assert [arguments for _, arguments in bindings.called] == [
        (1, 2, 3, "HostToDevice", 4),
        (1, 2, 3, "DeviceToHost", 4),
    ]


@pytest.fixture
def real():
    sys.modules.pop("reel.engine.device.cudart", None)
    return pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")


def uses():
    """Give each name that the file takes from the bindings, by its module."""
    for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("cuda", "driver"):
            yield ast.unparse(node.value), node.attr


def calls():
    """Give each call of the runtime that the file makes, with its count of arguments."""
    for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("cuda."):
            yield ast.unparse(node.func).removeprefix("cuda."), len(node.args)


def test_every_name_that_is_used_is_one_of_the_bindings(real):
    driver = importlib.import_module("cuda.bindings.driver")
    modules = {"cuda": real, "driver": driver}
    used = set(uses())
    assert len(used) > 20
    assert [name for module, name in used if not hasattr(modules[module], name)] == []
    for kind in ("cudaMemcpyHostToDevice", "cudaMemcpyDeviceToHost", "cudaMemcpyDeviceToDevice"):
        assert hasattr(real.cudaMemcpyKind, kind)
    assert hasattr(real.cudaMemPoolAttr, "cudaMemPoolAttrReleaseThreshold")
    assert {code.name for code in Code} <= {code.name for code in real.cudaError_t}


def test_every_call_has_as_many_arguments_as_the_bindings_want(real):
    checked = 0
    for name, given in calls():
        if isinstance(getattr(real, name), type):
            continue  # a structure
        signature = re.match(rf"{name}\((.*)\)", getattr(real, name).__doc__.strip())
        assert signature is not None, name
        wanted = re.sub(r"\[.*?\]", "", signature[1])
        assert given == len([part for part in wanted.split(",") if part]), name
        checked += 1
    assert checked > 15


@pytest.mark.parametrize("name", [*CALLS, "prepare"])
def test_a_machine_without_a_device_is_told_what_it_lacks(real, name):
    if real.cudaGetDeviceCount()[0] == real.cudaError_t.cudaSuccess:
        pytest.skip("needs a machine without a GPU")
    with pytest.raises(BackendError, match="Install NVIDIA's driver"):
        call(cudart(), name)
