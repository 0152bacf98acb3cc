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
# What the calls take in cuda-bindings 13.5.0, as their documentation says.
TAKES = {
    "cudaDeviceGetDefaultMemPool": 1,
    "cudaEventCreateWithFlags": 1,
    "cudaEventDestroy": 1,
    "cudaEventQuery": 1,
    "cudaEventRecord": 2,
    "cudaEventSynchronize": 1,
    "cudaFreeAsync": 2,
    "cudaFreeHost": 1,
    "cudaGetDeviceCount": 0,
    "cudaGraphDestroy": 1,
    "cudaGraphExecDestroy": 1,
    "cudaGraphGetNodes": 2,
    "cudaGraphInstantiate": 2,
    "cudaGraphLaunch": 2,
    "cudaStreamBeginCapture": 2,
    "cudaStreamEndCapture": 1,
    "cudaGetErrorString": 1,
    "cudaGetLastError": 0,
    "cudaHostAlloc": 2,
    "cudaMallocAsync": 2,
    "cudaMemGetInfo": 0,
    "cudaMemPoolSetAttribute": 3,
    "cudaMemcpy3DAsync": 2,
    "cudaMemcpyAsync": 5,
    "cudaStreamCreateWithFlags": 1,
    "cudaStreamDestroy": 1,
    "cudaStreamWaitEvent": 3,
}
STRUCTURES = {"cudaMemcpy3DParms", "cudaExtent", "cudaPitchedPtr"}
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
        self.failing = None  # the only call that fails; None: all do
        self.called = []
        self.cudaError_t = Code
        self.cudaMemcpyKind = type("Kind", (), {f"cudaMemcpy{way}": way for way in WAYS})
        self.cudaStreamCaptureMode = type("Mode", (), {"cudaStreamCaptureModeThreadLocal": 1})
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
            if self.code != Code.cudaSuccess and self.failing in (None, name):
                return (self.code, *([None] * RESULTS.get(name, 0)))
            return (Code.cudaSuccess, *range(7, 7 + RESULTS.get(name, 0)))

        return call


WAYS = ("HostToDevice", "DeviceToHost", "DeviceToDevice")
RESULTS = dict.fromkeys(
    ["cudaStreamCreateWithFlags", "cudaEventCreateWithFlags", "cudaMallocAsync", "cudaHostAlloc"], 1
) | {
    **{"cudaGetDeviceCount": 1, "cudaDeviceGetDefaultMemPool": 1, "cudaMemGetInfo": 2},
    **{"cudaStreamEndCapture": 1, "cudaGraphInstantiate": 1, "cudaGraphGetNodes": 2},
}


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


@pytest.mark.parametrize(
    "name", ["cudaGetDeviceCount", "cudaDeviceGetDefaultMemPool", "cudaMemPoolSetAttribute"]
)
def test_a_device_that_cannot_be_prepared_is_told_by_the_call(bindings, name):
    bindings.code, bindings.failing = Code.cudaErrorIllegalAddress, name
    with pytest.raises(BackendError, match=f"from {name}"):
        cudart().prepare()


def test_a_device_that_is_opened_keeps_what_is_given_back_to_it(bindings):
    from reel.engine.backends import choice

    choice._runtime()
    (given,) = [arguments for name, arguments in bindings.called if name == "cudaMemPoolSetAttribute"]
    assert given == (7, 4, 2**64 - 1)


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


def test_every_call_has_as_many_arguments_as_the_bindings_want():
    made = list(calls())
    assert {name for name, _ in made} == TAKES.keys() | STRUCTURES
    assert [name for name, given in made if given != TAKES.get(name, 0)] == []


def test_every_name_that_is_used_is_one_of_the_bindings(real):
    driver = importlib.import_module("cuda.bindings.driver")
    modules = {"cuda": real, "driver": driver}
    used = set(uses())
    assert len(used) > 20
    assert [name for module, name in used if not hasattr(modules[module], name)] == []
    for kind in ("cudaMemcpyHostToDevice", "cudaMemcpyDeviceToHost", "cudaMemcpyDeviceToDevice"):
        assert hasattr(real.cudaMemcpyKind, kind)
    assert hasattr(real.cudaMemPoolAttr, "cudaMemPoolAttrReleaseThreshold")
    assert hasattr(real.cudaStreamCaptureMode, "cudaStreamCaptureModeThreadLocal")
    assert {code.name for code in Code} <= {code.name for code in real.cudaError_t}


def test_what_is_known_of_the_calls_is_what_the_bindings_say(real):
    for name, count in TAKES.items():
        signature = re.match(rf"{name}\((.*)\)", getattr(real, name).__doc__.strip())
        assert signature is not None, name
        wanted = re.sub(r"\[.*?\]", "", signature[1])
        assert count == len([part for part in wanted.split(",") if part]), name


@pytest.mark.parametrize("name", [*CALLS, "prepare"])
def test_a_machine_without_a_device_is_told_what_it_lacks(real, name):
    if real.cudaGetDeviceCount()[0] == real.cudaError_t.cudaSuccess:
        pytest.skip("needs a machine without a GPU")
    with pytest.raises(BackendError, match="Install NVIDIA's driver"):
        call(cudart(), name)
