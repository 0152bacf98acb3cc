"""Every name of TensorRT that the code uses is one of its own, in every version that it is used with."""

from __future__ import annotations

from pathlib import Path

import pytest
from reel.models.engines import build_flags
from reel.models.tensorrt_library import OLDEST
from reel.tests.tensorrt_bindings import VERSIONS, Bindings, bindings, fake, run_beside
from reel.tests.tensorrt_uses import Uses, uses_in

ROOT = Path(__file__).resolve().parents[1]
SOURCES = (
    ROOT / "models" / "tensorrt_library.py",
    ROOT / "export" / "engine_from_onnx.py",
    ROOT / "engine" / "backends" / "tensorrt.py",
    ROOT / "engine" / "backends" / "tensorrt_engine.py",
)
# What must have been found for the search to be worth something.
FOUND = {
    "engine_from_onnx.py": {
        ("", "Builder"),
        ("Builder", "build_serialized_network"),
        ("IBuilderConfig", "set_timing_cache"),
        ("IOptimizationProfile", "set_shape"),
        ("INetworkDefinition", "get_output"),
        ("ITensor", "name"),
        ("ITimingCache", "serialize"),
        ("IProgressMonitor", "step_complete"),
        ("ParserError", "desc"),
        ("BuilderFlag", "TF32"),
    },
    "tensorrt.py": {
        ("", "Runtime"),
        ("", "init_libnvinfer_plugins"),
    },
    "tensorrt_engine.py": {
        ("Runtime", "deserialize_cuda_engine"),
        ("ICudaEngine", "create_execution_context"),
        ("ICudaEngine", "get_tensor_dtype"),
        ("DataType", "name"),
        ("TensorIOMode", "INPUT"),
        ("ExecutionContextAllocationStrategy", "USER_MANAGED"),
        ("IExecutionContext", "set_input_shape"),
        ("IExecutionContext", "set_tensor_address"),
        ("IExecutionContext", "update_device_memory_size_for_shapes"),
        ("IExecutionContext", "set_device_memory"),
        ("IExecutionContext", "execute_async_v3"),
    },
    "tensorrt_library.py": {
        ("", "ILogger"),
        ("ILogger", "log"),
        ("ILogger.Severity", "INTERNAL_ERROR"),
    },
}


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tensorrt")


@pytest.fixture(params=VERSIONS)
def real(request: pytest.FixtureRequest, scratch: Path) -> Bindings:
    """TensorRT's own bindings of one version after the other."""
    return bindings(request.param, scratch)


def used(source: Path, known: Bindings) -> Uses:
    if not source.is_file():
        pytest.skip(f"needs {source.name}")
    return uses_in(source, known)


def absent(uses: Uses, known: Bindings) -> list[str]:
    """Return what a version does not have, but for what the code asks for before it uses it."""
    missing = {name for holder, name in uses.optional if not holder and not known.has("", name)}
    return [
        f"{use.holder}.{use.name} in line {use.line}"
        for use in sorted(uses.names, key=lambda use: use.line)
        if not known.has(use.holder, use.name)
        and (use.holder, use.name) not in uses.optional
        and use.holder.split(".")[0] not in missing
        and not (use.holder == "" and use.name in missing)
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_every_name_that_is_used_is_there(source: Path, real: Bindings) -> None:
    assert absent(used(source, real), real) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_every_call_has_the_arguments_that_are_documented(source: Path, real: Bindings) -> None:
    uses = used(source, real)
    assert uses.misfits == set()
    documented = [call for call in uses.calls if real.has(*call) and real.signatures(*call)]
    assert documented != []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_what_is_asked_for_before_it_is_used_is_there_in_some_version(source: Path, scratch: Path) -> None:
    known = [bindings(version, scratch) for version in VERSIONS]
    for one in known:
        for holder, name in used(source, one).optional:
            assert any(other.has(holder, name) for other in known), f"{holder}.{name}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_the_search_finds_what_the_code_is_known_to_use(source: Path, scratch: Path) -> None:
    uses = used(source, bindings("11", scratch))
    assert {(use.holder, use.name) for use in uses.names} >= FOUND[source.name]


# What can be done with the real bindings and no library behind them: objects of ours that TensorRT calls.
OBJECTS = """
from reel.export import engine_from_onnx
from reel.models.tensorrt_library import load_tensorrt, logger
trt, words = load_tensorrt(), []
log = logger(trt, words.append)
assert isinstance(log, trt.ILogger)
for level in trt.ILogger.Severity.__members__.values():
    log.log(level, level.name)
print(sorted(words), trt.init_libnvinfer_plugins(log, ""))
if hasattr(trt, "IProgressMonitor"):
    shares = []
    monitor = engine_from_onnx._monitor(trt, engine_from_onnx._Watch(shares.append))
    assert isinstance(monitor, trt.IProgressMonitor)
    monitor.phase_start("a", None, 2)
    assert monitor.step_complete("a", 0)
    assert shares == [0.0, 0.5]
    monitor.phase_finish("a")
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_what_tensorrt_calls_can_be_made_of_its_own_classes(version: str, scratch: Path) -> None:
    # The library that is none has no plugins.
    assert run_beside(version, scratch, OBJECTS) == "['ERROR', 'INTERNAL_ERROR'] False\n"


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_every_flag_is_one_of_its_version(real: Bindings, precision: str) -> None:
    for flag in build_flags(real.version, precision):
        holders = ("NetworkDefinitionCreationFlag", "BuilderFlag", "TacticSource")
        assert [holder for holder in holders if real.has(holder, flag)] != [], flag


def test_the_oldest_version_that_is_let_through_is_one_that_was_looked_at(scratch: Path) -> None:
    assert bindings("10.1", scratch).version.startswith(".".join(map(str, OLDEST)))


def test_the_fake_has_nothing_that_tensorrt_has_not(real: Bindings) -> None:
    pretended = fake(real.version).own
    assert ("IBuilderConfig", "set_flag") in pretended
    assert [f"{holder}.{name}" for holder, name in pretended if not real.has(holder, name)] == []


MISUSES = """
from typing import Annotated, Any
Trt = Annotated[Any, "tensorrt"]
def build(trt: Trt) -> None:
    builder = trt.Builder(trt.Logger())
    config = builder.create_builder_config()
    config.{used}
"""


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("max_workspace_size = 1", "IBuilderConfig.max_workspace_size in line 7"),
        ("set_flagg(trt.BuilderFlag.TF32)", "IBuilderConfig.set_flagg in line 7"),
        ("set_flag(trt.BuilderFlag.TF33)", "BuilderFlag.TF33 in line 7"),
        ("set_timing_cache(None, ignore=False)", None),
        ("set_timing_cache(None)", None),
        ("clear_flag(trt.BuilderFlag.TF32, 1)", None),
    ],
)
def test_the_search_notices_a_misuse(scratch: Path, tmp_path: Path, statement: str, said: str | None) -> None:
    known = bindings("11", scratch)
    (source := tmp_path / "misuse.py").write_text(MISUSES.format(used=statement))
    uses = uses_in(source, known)
    if said is None:
        assert [use.line for use in uses.misfits] == [7]
    else:
        assert absent(uses, known) == [said]
