"""How each contender runs a network: reel, PaddleGAN in Paddle, Paddle Inference, one plain ONNX graph."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from contest import threads_available
from reel.engine.backends.cpu import CpuBackend
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.stages.edvr import Edvr
from reel.engine.stages.interpolate import interpolator
from reel.export.exporter import export, rehearsal
from reel.export.networks import recipe_for
from reel.export.recipe import Recipe
from reel.export.rehearsal import rehearsal_weights
from reel.models.edvr import WINDOW
from reel.models.manifest import network_named
from reel.models.spec import Graph, Kind, Tensor
from reel.models.store import Artifact, Store
from serving import Run

Inputs = Mapping[str, np.ndarray]


def exported(name: str, store: Path) -> Artifact:
    """Export a network on rehearsal weights, unless the store has it."""
    return export(network_named(name), rehearsal(), Store(store)).artifact


def built(name: str) -> Recipe:
    """Build a network in Paddle with rehearsal weights."""
    recipe = recipe_for(name)
    recipe.load(rehearsal_weights(network_named(name), recipe.layout()))
    return recipe


def example(name: str, height: int, width: int) -> dict[str, np.ndarray]:
    """Return the inputs that every contender gets, the same in every process."""
    from reel.export.networks.examples import moving_pictures

    match network_named(name).kind:
        case Kind.UPSCALE:
            return {"window": np.stack(moving_pictures(WINDOW, height, width), axis=1)}
        case Kind.COLOURISE:
            grey = moving_pictures(1, height, width)[0].mean(axis=1, keepdims=True)
            return {"picture": np.repeat((grey - 0.45) / 0.225, 3, axis=1).astype(np.float32)}
        case Kind.INTERPOLATE:
            a, b = moving_pictures(2, height, width)
            return {"a": a, "b": b, "t": np.array([0.3], np.float32)}


def reel(name: str, height: int, width: int, store: Path) -> Run:
    """reel's graphs as its stages run them along a film: what belongs to one frame once per frame."""
    return _reel(name, height, width, store, alone=False)


def reel_alone(name: str, height: int, width: int, store: Path) -> Run:
    """reel's graphs for one result alone, with nothing known from the frame before."""
    return _reel(name, height, width, store, alone=True)


def _reel(name: str, height: int, width: int, store: Path, *, alone: bool) -> Run:
    network = network_named(name)
    loaded = LoadedNetwork(network, exported(name, store), CpuBackend(), keep=True)
    ExitStack().enter_context(loaded)
    inputs = example(name, height, width)
    if network.kind is Kind.COLOURISE:
        return lambda: loaded.run("colour", picture=inputs["picture"])[0]
    if network.kind is Kind.UPSCALE:
        edvr = Edvr(loaded)
        frames = [inputs["window"][:, i] for i in range(WINDOW)]
        pyramids = [edvr.pyramid(frame) for frame in frames]

        def enlarged() -> np.ndarray:
            for i in range(WINDOW) if alone else [WINDOW - 1]:
                pyramids[i] = edvr.pyramid(frames[i])
            return edvr.enlarged(frames[WINDOW // 2], pyramids)

        return enlarged
    dain = interpolator(loaded)
    known = {side: dain.alone(inputs[side]) for side in "ab"}

    def between() -> np.ndarray:
        for side in "ab" if alone else "b":
            known[side] = dain.alone(inputs[side])
        return dain.between(dain.pair(known["a"], known["b"]), float(inputs["t"][0]))

    return between


def eager(name: str, height: int, width: int, store: Path) -> Run:
    """PaddleGAN's own, unmodified network in eager Paddle; for DAIN reel's definition of it in Paddle."""
    recipe, inputs = built(name), example(name, height, width)
    return lambda: recipe.paddle_output(inputs)


def _static(name: str, inputs: Inputs) -> tuple[Any, list[str]]:
    """Return a layer of the whole network that Paddle can trace, and the names of its arguments."""
    net: Any = built(name)
    # DeOldify keeps intermediate results in hooks, which Paddle cannot trace: there it is reel's form of it.
    net = net.traced()["colour"].layer if network_named(name).kind is Kind.COLOURISE else net.net
    net.eval()
    return net, list(inputs)


def inference(name: str, height: int, width: int, store: Path) -> Run:
    """Paddle Inference with oneDNN on the whole network, its optimisations on, all processors."""
    import paddle
    import paddle.inference as infer
    from paddle.static import InputSpec

    inputs = example(name, height, width)
    net, names = _static(name, inputs)
    folder = tempfile.mkdtemp()
    specs = [InputSpec(list(inputs[given].shape), "float32", given) for given in names]
    paddle.jit.save(paddle.jit.to_static(net, input_spec=specs, full_graph=True), f"{folder}/net")
    config = infer.Config(f"{folder}/net.json", f"{folder}/net.pdiparams")
    config.disable_gpu()
    config.enable_mkldnn()
    config.set_cpu_math_library_num_threads(threads_available())
    config.switch_ir_optim(True)
    predictor = infer.create_predictor(config)

    def run() -> np.ndarray:
        for given in predictor.get_input_names():
            predictor.get_input_handle(given).copy_from_cpu(np.ascontiguousarray(inputs[given]))
        predictor.run()
        return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()

    return run


def plain(name: str, height: int, width: int, store: Path) -> Run:
    """The whole network as one exported graph in ONNX Runtime with its default settings."""
    import onnxruntime
    from reel.export.onnx_from_paddle import onnx_from_paddle
    from reel.export.recipe import Traced

    inputs = example(name, height, width)
    net, names = _static(name, inputs)
    shapes = tuple(Tensor(given, inputs[given].shape) for given in names)
    scale = network_named(name).scale
    graph = Graph("whole", shapes, (Tensor("result", (1, 3, scale * height, scale * width)),), memory=0)
    folder = Path(tempfile.mkdtemp())
    onnx_from_paddle(Traced(net, tuple(names)), graph, folder / "whole.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(folder / "whole.onnx"), options, ["CPUExecutionProvider"])
    return lambda: np.asarray(session.run(None, dict(inputs))[0])


CONTENDERS: dict[str, Callable[[str, int, int, Path], Run]] = {
    "reel": reel,
    "reel-alone": reel_alone,
    "eager": eager,
    "inference": inference,
    "plain": plain,
}
