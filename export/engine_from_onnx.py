"""An ONNX graph -> a TensorRT engine for the GPU of this machine, through TensorRT's own Python API.

For TensorRT 10 and 11, and 8.6 as far as it knows the graph's operators. What differs between them is asked
for by name, never by number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ..errors import ExportError
from ..models.engines import Basis
from ..models.tensorrt_library import Trt, logger

# What TensorRT's objects are (see models/tensorrt_library.py).
Builder = Annotated[Any, "Builder"]
Config = Annotated[Any, "IBuilderConfig"]
Network = Annotated[Any, "INetworkDefinition"]
Parser = Annotated[Any, "OnnxParser"]
Cache = Annotated[Any, "ITimingCache"]
Monitor = Annotated[Any, "IProgressMonitor"]
ParserError = Annotated[Any, "ParserError"]

Progress = Callable[[float], None]
"""Called with the share that is done, 0 to 1, from any thread."""


@dataclass(frozen=True, slots=True)
class Built:
    """An engine as bytes of its file, and what TensorRT measured, for the next one."""

    plan: bytes
    timing: bytes


def engine_from_onnx(
    trt: Trt, source: Path, basis: Basis, *, timing: bytes = b"", progress: Progress | None = None
) -> Built:
    """Build the engine that a basis describes. Needs a GPU: without one TensorRT ends the process.

    Args:
        trt: The module ``tensorrt``.
        source: The ONNX file.
        basis: What is built for which shapes and with which flags.
        timing: What an earlier build measured on the same GPU with the same TensorRT; empty at first.
        progress: Told how far it is. 8.6 does not tell.

    Raises:
        ExportError: TensorRT refuses the graph or the shapes, or finds no way to run it here; in its words.
    """
    words: list[str] = []
    log = logger(trt, words.append)
    # ScatterElements with a reduction, and DeformConv, are plugins that come with TensorRT.
    if not trt.init_libnvinfer_plugins(log, ""):
        raise _failure(basis, "its plugins could not be loaded", words)
    try:
        builder = trt.Builder(log)
    except (TypeError, RuntimeError) as error:  # how pybind11 says that it got none
        raise _failure(basis, f"it cannot work here: {error}", words) from error
    network = builder.create_network(_creation_flags(trt, basis.flags))
    parser = trt.OnnxParser(network, log)  # holds weights that the network points to
    _parse(parser, network, source, basis, words)
    config = builder.create_builder_config()
    _set_flags(trt, config, basis)
    _add_profile(builder, config, basis, words)
    cache = _timing_cache(config, timing)
    watch = _Watch(progress or (lambda share: None))
    if hasattr(trt, "IProgressMonitor") and hasattr(config, "progress_monitor"):  # 8.6 has neither
        config.progress_monitor = monitor = _monitor(trt, watch)
        plan = builder.build_serialized_network(network, config)
        del monitor  # only now: the builder calls it and does not hold it
    else:
        plan = builder.build_serialized_network(network, config)
    if watch.stopped is not None:
        raise watch.stopped
    if plan is None:
        raise _failure(basis, "it could not build the engine", words)
    return Built(bytes(plan), bytes(cache.serialize()))


def _creation_flags(trt: Trt, flags: Sequence[str]) -> int:
    known = trt.NetworkDefinitionCreationFlag
    return sum(1 << int(getattr(known, name)) for name in flags if hasattr(known, name))


def _set_flags(trt: Trt, config: Config, basis: Basis) -> None:
    config.builder_optimization_level = basis.level
    # On by default. What a graph keeps in float32 it does for a reason, and TF32 has the eleven bits of
    # float16.
    config.clear_flag(trt.BuilderFlag.TF32)
    for name in basis.flags:
        if hasattr(trt.BuilderFlag, name):
            config.set_flag(getattr(trt.BuilderFlag, name))
    sources = [getattr(trt.TacticSource, name) for name in basis.flags if hasattr(trt.TacticSource, name)]
    if sources:
        config.set_tactic_sources(sum(1 << int(source) for source in sources))


def _parse(parser: Parser, network: Network, source: Path, basis: Basis, words: list[str]) -> None:
    if not parser.parse_from_file(str(source)):
        for index in range(parser.num_errors):
            error: ParserError = parser.get_error(index)
            operator = f"{error.node_operator()}: " if hasattr(error, "node_operator") else ""
            words.append(f"{operator}{error.desc()}")
        raise _failure(basis, "its ONNX parser refuses the graph", words)
    inputs = {network.get_input(index).name for index in range(network.num_inputs)}
    outputs = tuple(network.get_output(index).name for index in range(network.num_outputs))
    if inputs != {given.name for given in basis.inputs} or outputs != basis.outputs:
        raise ExportError(
            f"TensorRT reads other inputs or outputs from the graph {basis.graph} of {basis.network}.",
            "Please report this.",
        )


def _add_profile(builder: Builder, config: Config, basis: Basis, words: list[str]) -> None:
    profile = builder.create_optimization_profile()
    for given in basis.inputs:
        if given.least != given.most:  # what has one shape only needs no range
            profile.set_shape(given.name, given.least, given.usual, given.most)
    if config.add_optimization_profile(profile) < 0:
        raise _failure(basis, "it refuses the shapes that the engine shall take", words)


def _timing_cache(config: Config, timing: bytes) -> Cache:
    """Give the builder what was measured before, and return what it adds to."""
    cache = config.create_timing_cache(timing)
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        # A damaged one, or of another GPU, costs time and nothing else.
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


class _Watch:
    """How far a build is, as its phases within phases tell; the share that is done never falls.

    It is called by TensorRT, from any thread, and lets no exception out: that would end the process. The
    first one, be it Ctrl-C, stops the build instead.
    """

    def __init__(self, progress: Progress) -> None:
        self.stopped: BaseException | None = None
        self._progress = progress
        self._lock = threading.Lock()
        self._phases: dict[str, tuple[str | None, int, int]] = {}  # its parent, its steps, those done
        self._share = 0.0

    def starts(self, phase: str, parent: str | None, steps: int) -> None:
        self._note(lambda: self._phases.update({phase: (parent, steps, 0)}))

    def completes(self, phase: str, step: int) -> bool:
        """Take note of a step, and return whether to go on."""
        parent, steps, _ = self._phases.get(phase, (None, 1, 0))
        return self._note(lambda: self._phases.update({phase: (parent, steps, step + 1)}))

    def ends(self, phase: str) -> None:
        self._note(lambda: self._phases.pop(phase, None))

    def _note(self, change: Callable[[], object]) -> bool:
        try:
            with self._lock:
                change()
                outermost = [phase for phase in self._phases.values() if phase[0] not in self._phases]
                done = max((count / max(steps, 1) for _, steps, count in outermost), default=0.0)
                self._share = max(self._share, min(done, 1.0))
                self._progress(self._share)
        except BaseException as error:
            self.stopped = self.stopped or error
        return self.stopped is None


def _monitor(trt: Trt, watch: _Watch) -> Monitor:
    """Return what TensorRT tells how far it is."""

    class Phases(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            watch.starts(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return watch.completes(phase_name, step)

        def phase_finish(self, phase_name: str) -> None:
            watch.ends(phase_name)

    return Phases()


def _failure(basis: Basis, what: str, words: Sequence[str]) -> ExportError:
    said = " / ".join(dict.fromkeys(word.strip().rstrip(".") for word in words[-3:]))
    return ExportError(
        f"TensorRT {basis.tensorrt} built no engine of {basis.graph} of {basis.network}: {what}"
        f"{f' ({said})' if said else ''}.",
        "Check that the GPU has memory free, try a smaller --size, or use --device cpu and no engines.",
    )
