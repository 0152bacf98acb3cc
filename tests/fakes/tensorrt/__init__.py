"""TensorRT as far as reel uses it, without a GPU: it does no work and is strict about how it is asked to.

``REEL_FAKE_TENSORRT`` names the version that it takes itself for, and after a blank what it does wrong.
Whatever it has, TensorRT's own bindings of that version have too (tests/test_tensorrt_names.py).
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

_asked = os.environ.get("REEL_FAKE_TENSORRT", "10.16.1.11").split()
__version__, _wrong = _asked[0], _asked[1] if len(_asked) > 1 else ""
_major = int(__version__.split(".")[0])

if _wrong == "unloadable":
    raise ImportError("libnvinfer.so.10: cannot open shared object file: No such file or directory")


class NetworkDefinitionCreationFlag(enum.IntEnum):
    """What networks can be made as; numbers are TensorRT's own affair."""

    if _major < 11:
        EXPLICIT_BATCH = 0
    if _major >= 10:
        STRONGLY_TYPED = 1 if _major == 10 else 0


class BuilderFlag(enum.IntEnum):
    if _major < 11:
        FP16 = 0
    TF32 = 7


class TacticSource(enum.IntEnum):
    if _major < 11:
        CUBLAS = 0
        CUBLAS_LT = 1
        CUDNN = 2
    EDGE_MASK_CONVOLUTIONS = 3
    JIT_CONVOLUTIONS = 4


class TensorIOMode(enum.IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1


if _major >= 10:

    class ExecutionContextAllocationStrategy(enum.IntEnum):
        STATIC = 0
        ON_PROFILE_CHANGE = 1
        USER_MANAGED = 2


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def __init__(self) -> None:
        self._made = True

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        raise NotImplementedError


if _major >= 10:

    class IProgressMonitor:
        def __init__(self) -> None:
            self._made = True


_plugins_are_loaded = False


def init_libnvinfer_plugins(logger: ILogger, namespace: str) -> bool:
    global _plugins_are_loaded
    assert logger._made
    assert namespace == ""
    _plugins_are_loaded = _wrong != "no-plugins"
    return _plugins_are_loaded


class ITensor:
    def __init__(self, name: str) -> None:
        self.name = name


class INetworkDefinition:
    """What a parser has read: here ``{"inputs": [names], "outputs": [names]}`` in place of an ONNX file."""

    def __init__(self, flags: int) -> None:
        self._flags = flags
        self._source = b""
        self._facts: dict[str, Any] = {"inputs": {}, "outputs": []}

    @property
    def num_inputs(self) -> int:
        return len(self._facts["inputs"])

    @property
    def num_outputs(self) -> int:
        return len(self._facts["outputs"])

    def get_input(self, index: int) -> ITensor:
        return ITensor(list(self._facts["inputs"])[index])

    def get_output(self, index: int) -> ITensor:
        return ITensor(self._facts["outputs"][index])


class ParserError:
    def desc(self) -> str:
        return "No importer registered for op: DeformConv"

    if _major >= 10:

        def node_operator(self) -> str:
            return "DeformConv"


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        assert _plugins_are_loaded, "plugins are looked for while a graph is read"
        self._network = network

    num_errors = 1

    def parse_from_file(self, model: str) -> bool:
        self._network._source = Path(model).read_bytes()
        self._network._facts = json.loads(self._network._source)
        return _wrong != "unreadable"

    def get_error(self, index: int) -> ParserError:
        assert index == 0
        return ParserError()


class IOptimizationProfile:
    def __init__(self) -> None:
        self._shapes: dict[str, tuple[tuple[int, ...], ...]] = {}

    def set_shape(self, name: str, *shapes: tuple[int, ...]) -> None:
        sides = list(zip(*shapes, strict=True))
        assert all(0 < least <= usual <= most for least, usual, most in sides)
        self._shapes[name] = shapes


class IHostMemory(bytes):
    """What TensorRT has serialised; a buffer."""


class ITimingCache:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._data)


class IBuilderConfig:
    builder_optimization_level = 3
    if _major >= 10:
        progress_monitor: Any = None

    def __init__(self) -> None:
        self._flags = {BuilderFlag.TF32}
        self._sources: int | None = None
        self._profiles: list[IOptimizationProfile] = []
        self._cache: ITimingCache | None = None

    def set_flag(self, flag: BuilderFlag) -> None:
        self._flags.add(BuilderFlag(flag))

    def clear_flag(self, flag: BuilderFlag) -> None:
        self._flags.discard(flag)

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        self._sources = tactic_sources
        return True

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        if _wrong == "no-profile":
            return -1
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch, "what was measured on another GPU is worth nothing"
        if cache._data and not cache._data.startswith(__version__.encode()):
            return False
        self._cache = cache
        return True


class Builder:
    def __init__(self, logger: ILogger) -> None:
        if _wrong == "crash":
            os._exit(134)
        if _wrong == "no-builder":
            raise TypeError("pybind11::init(): factory function returned nullptr")
        assert logger._made
        self._logger = logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition(flags)

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None:
        (profile,) = config._profiles
        assert config._cache is not None
        config._cache._data = (config._cache._data or __version__.encode()) + b" measured"
        if not self._told(config) or _wrong == "no-engine":
            self._logger.log(ILogger.Severity.WARNING, "this is slow")
            self._logger.log(ILogger.Severity.ERROR, "out of memory: 3 GiB were asked for.")
            return None
        facts = {
            "network": [f.name for f in NetworkDefinitionCreationFlag if network._flags & 1 << f],
            "builder": sorted(flag.name for flag in config._flags),
            "sources": None
            if config._sources is None
            else [source.name for source in TacticSource if config._sources & 1 << source],
            "level": config.builder_optimization_level,
            "profile": profile._shapes,
            "timing": config._cache._data.decode(),
            "source": hashlib.sha256(network._source).hexdigest(),
            "graph": network._facts,
        }
        return IHostMemory(json.dumps(facts).encode())

    def _told(self, config: IBuilderConfig) -> bool:
        """Tell a monitor of a phase with a phase inside, and return whether it lets the build go on."""
        monitor = getattr(config, "progress_monitor", None)
        if monitor is None:
            return True
        assert monitor._made
        try:
            monitor.phase_start("Building Engine", None, 2)
            monitor.phase_start("Timing", "Building Engine", 3)
            answers = [monitor.step_complete("Timing", step) for step in range(3)]
            monitor.phase_finish("Timing")
            answers += [monitor.step_complete("Building Engine", step) for step in range(2)]
            monitor.phase_finish("Building Engine")
        except BaseException:  # TensorRT calls from C++, which no exception can leave
            os._exit(134)
        return all(answers)


on_execute: Any = None
"""What a run puts into its stream, by a test: called with the context and the stream."""


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        assert logger._made
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if _wrong == "no-memory":
            self._logger.log(ILogger.Severity.ERROR, "Requested 5 bytes: out of memory.")
            return None
        assert _plugins_are_loaded, "an engine looks for its plugins when it is loaded"
        return ICudaEngine(json.loads(serialized_engine))


class ICudaEngine:
    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._inputs = facts["graph"]["inputs"]
        self._names = [*self._inputs, *facts["graph"]["outputs"]]
        self._contexts = 0

    @property
    def num_io_tensors(self) -> int:
        return len(self._names)

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return DataType[self._facts["graph"]["types"][name]]

    def create_execution_context(self, *strategy: Any) -> IExecutionContext | None:
        if _wrong == "no-context":
            return None
        if _major >= 10:
            assert strategy == (ExecutionContextAllocationStrategy.USER_MANAGED,)
        else:
            assert strategy == ()
        self._contexts += 1
        return IExecutionContext(self)


class IExecutionContext:
    """Runs what gives one output of the shape of its first input."""

    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._memory = 0
        self._ran: dict[str, tuple[int, ...]] = {}

    def __del__(self) -> None:
        self._engine._contexts -= 1

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        least, _, most = self._engine._facts["profile"][name]
        fits = all(a <= side <= b for a, side, b in zip(least, shape, most, strict=True))
        if fits:
            self._shapes[name] = shape
        return fits

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert self._shapes.keys() == set(self._engine._inputs), "shapes before all inputs have theirs"
        return self._shapes.get(name, self._shapes[self._engine._inputs[0]])

    if _major >= 10:

        def update_device_memory_size_for_shapes(self) -> int:
            return self._needed

        def set_device_memory(self, memory: int, size: int) -> None:
            assert memory % 8 == 0
            assert size >= self._needed, "too little memory"
            self._memory = memory

    @property
    def _needed(self) -> int:
        assert self._shapes.keys() == set(self._engine._inputs), "sizes before all inputs have theirs"
        return 3 * math.prod(self._shapes[self._engine._inputs[0]])

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert name in self._engine._names
        assert memory
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert self._engine._contexts > 0
        assert self._addresses.keys() == set(self._engine._names)
        assert _major < 10 or self._memory
        if _wrong == "no-run":
            return False
        done = on_execute(self, stream_handle) is not False
        self._ran = dict(self._shapes)
        return done
