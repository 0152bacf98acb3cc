"""How much there is to compute in a frame: the multiplications of a network's graphs, counted as they run.

ONNX Runtime's own profile, on the CPU and without its optimisations, tells the shapes of every node.
"""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import onnxruntime
from one_frame import maker, padded, pictures_for
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.pixels.frame import Pixels
from reel.models.spec import Network
from reel.models.store import Artifact

Shape = list[int]

_SIDE = 64


class _Session:
    def __init__(self, path: Path, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / path.stem)
        options.enable_cpu_mem_arena = False
        # Weights that were packed for one kernel would have no shape in the profile.
        options.add_session_config_entry("session.disable_prepacking", "1")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, **inputs: Any) -> tuple[Pixels, ...]:
        return tuple(self._session.run(None, inputs))

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        self._session.end_profiling()


class _Counting:
    """A backend whose sessions write profiles (see ``engine.networks.backend.Backend``)."""

    name = "counting"
    precisions = ("fp32",)
    device = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def memory(self) -> None:
        return None

    def load(self, path: Path, *, keep: bool = False) -> _Session:
        del keep
        return _Session(path, self._folder)


def multiplications(network: Network, artifact: Artifact) -> float:
    """Return how many multiplications a frame takes for each pixel that the network gets.

    Args:
        artifact: Of the network, float32.
    """
    width, height = padded(network, _SIDE, _SIDE)
    first, second = (_counted(network, artifact, width, height, frames) for frames in (1, 2))
    return (second - first) / (width * height)  # the first frame of a film takes more than the others


def _counted(network: Network, artifact: Artifact, width: int, height: int, frames: int) -> float:
    with tempfile.TemporaryDirectory(prefix="reel-") as folder:
        with LoadedNetwork(network, artifact, _Counting(Path(folder))) as loaded:
            make = maker(loaded, pictures_for(network, width, height))
            for _ in range(frames):
                make()
        return sum(_of_profile(path) for path in Path(folder).glob("*.json"))


def _of_profile(path: Path) -> float:
    events: list[dict[str, Any]] = json.loads(path.read_text())
    nodes = [event["args"] for event in events if event["name"].endswith("_kernel_time")]
    return sum(of_node(node["op_name"], _shapes(node, "input"), _shapes(node, "output")) for node in nodes)


def _shapes(node: dict[str, Any], which: str) -> list[Shape]:
    return [shape for typed in node[f"{which}_type_shape"] for shape in typed.values()]


def of_node(kind: str, inputs: list[Shape], outputs: list[Shape]) -> float:
    """Return the multiplications of a convolution or matrix product; 0 for anything else."""
    match kind:
        case "Conv" | "DeformConv":
            return math.prod(outputs[0]) * math.prod(inputs[1][1:])
        case "ConvTranspose":
            return math.prod(inputs[0]) * math.prod(inputs[1][1:])
        case "MatMul" | "Gemm":  # whose first input is never transposed in these graphs
            return math.prod(outputs[0]) * inputs[0][-1]
        case _:
            return 0.0
