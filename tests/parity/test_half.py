"""Every network's float16 graphs against Paddle in float32, rounded on the CPU as ``half_rounded`` says."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reel.models.deoldify import MEAN, STD
from reel.models.edvr_small import EDVR_S, EDVR_S_FILM
from reel.models.manifest import NETWORKS
from reel.models.spec import Kind, Network

onnx = pytest.importorskip("onnx", reason="needs the libraries of the extra `export`")
pytest.importorskip("paddle", reason="needs PaddlePaddle, the reference")
check = pytest.importorskip("reel.export.check")
half = pytest.importorskip("reel.export.half")
kept = pytest.importorskip("reel.export.half_kept")
recipes = pytest.importorskip("reel.export.networks")

TABLE = "float16 against Paddle in float32"
FULL, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
# (height, width); 112 makes DeOldify's decoder crop. test_networks.py has the same, so that Paddle runs once.
SIZES = {
    Kind.UPSCALE: [(32, 48), (40, 24)],
    Kind.COLOURISE: [(128, 128), (112, 144)],
    Kind.INTERPOLATE: [(64, 128)],
}
EXACT = {"flow_ab", "flow_ba", "motion", "place", "reach", "t", "depth"}
FRAMES_IN_DETAIL = {"around", *(f"{side}{n}" for side in ("level", "reference") for n in (1, 2, 3))}
IN_FLOAT32 = {
    *("GridSample", "DeformConv", "ScatterElements", "Floor", "Range"),
    *("Softmax", "Sigmoid", "Exp", "Log", "ReduceMean", "ReduceSum", "BatchNormalization"),
}


@dataclass
class Halves:
    """A network, the folder of its float32 graphs, and of the float16 graphs that were made of them."""

    network: Network
    full: Path
    folder: Path

    @cached_property
    def run(self) -> Any:
        return check.HalvesIn(self.folder)

    def model(self, graph: str) -> Any:
        return onnx.load(str(self.folder / f"{graph}.onnx"))

    @property
    def sizes(self) -> list[tuple[int, int]]:
        return SIZES[self.network.kind]


def halves_of(network: Network, full: Path, folder: Path) -> Halves:
    for graph in network.graphs:
        half.half_from_full(full / f"{graph.name}.onnx", graph, folder / f"{graph.name}.onnx")
    return Halves(network, full, folder)


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.name)
def halves(request, loaded, tmp_path_factory):
    network = request.param
    return halves_of(network, loaded(network.name).artifact.folder, tmp_path_factory.mktemp(network.name))


@pytest.fixture(scope="module")
def run_full(halves, loaded):
    """Run one of the float32 graphs, on inputs of which it takes those that it has."""

    def run(graph, **inputs):
        wanted = [tensor.name for tensor in halves.network.graph(graph).inputs]
        return loaded(halves.network.name).run(graph, **{name: inputs[name] for name in wanted})

    return run


@pytest.fixture(scope="module")
def recipe(halves):
    """How a network's graphs are put together, without the network in Paddle."""
    from reel.export.networks.dain import DainRecipe
    from reel.export.networks.dain_depth import DainDepthRecipe
    from reel.export.networks.dain_small import SmallDainRecipe
    from reel.export.networks.deoldify import DeoldifyRecipe
    from reel.export.networks.edvr import EdvrRecipe
    from reel.export.networks.edvr_small import SmallEdvrRecipe

    kinds = {Kind.UPSCALE: EdvrRecipe, Kind.COLOURISE: DeoldifyRecipe, Kind.INTERPOLATE: DainRecipe}
    own = {"dain-depth": DainDepthRecipe, "dain-s": SmallDainRecipe} | dict.fromkeys(
        ("edvr-s", "edvr-s-film"), SmallEdvrRecipe
    )
    kind = own.get(halves.network.name, kinds[halves.network.kind])
    return kind.__new__(kind)


def levels(network, output):
    """A network's output as pictures of 8 bits."""
    if network.kind is Kind.COLOURISE:
        output = output * np.reshape(STD, (1, 3, 1, 1)) + np.reshape(MEAN, (1, 3, 1, 1))
    return np.round(np.clip(output.astype(np.float64), 0, 1) * 255)


@pytest.fixture
def is_near(put_in_table):
    """See that an output is as near as the facts say, and put the figures into the table."""

    def judge(halves, size, expected, found):
        network, largest = halves.network, halves.run.largest
        assert found.shape == expected.shape
        relative = check.parity(expected, found, height=0, width=0).relative_l2
        apart = np.abs(levels(network, found) - levels(network, expected))
        names = [f"{graph.name}.onnx" for graph in network.graphs]
        sizes = [sum((d / name).stat().st_size for name in names) for d in (halves.folder, halves.full)]
        cells = {
            "relative L2": f"{relative:.1e}",
            "tolerance": f"{network.half_tolerance.relative_l2:.0e}",
            "within one level": f"{(apart <= 1).mean():.3%}",
            "at most": f"{apart.max():.0f}",
            "largest value": f"{largest:.3g}",
            "MB": f"{sizes[0] / 1e6:.1f} of {sizes[1] / 1e6:.1f}",
        }
        put_in_table(TABLE, {"what": network.name, "size": f"{size[1]}x{size[0]}", **cells})
        assert relative <= network.half_tolerance.relative_l2
        assert (apart <= 1).mean() >= 0.999
        assert apart.max() <= 4

    return judge


def test_the_output_is_near_paddles(halves, recipe, run_full, loaded, paddlegan, shown, is_near):
    for size in halves.sizes:
        if halves.network.kind is Kind.INTERPOLATE:  # PaddleGAN runs no definition of one
            example = recipe.example(*size)
            # What Paddle makes of this very input, but for what the exporter measured.
            expected = recipe.compose(run_full, example)
            rows = loaded(halves.network.name).artifact.card.parity
            (measured,) = [row for row in rows if (row.height, row.width) == size]
            assert measured.maximum < 0.01 / 255
        else:
            name = {Kind.UPSCALE: "window", Kind.COLOURISE: "picture"}[halves.network.kind]
            example = {name: shown(halves.network, size)}
            expected = paddlegan(halves.network.name, example[name])
        is_near(halves, size, expected, recipe.compose(halves.run, example))


def test_each_graph_alone_is_as_exact_as_float16_is(halves, recipe, run_full):
    """Whole networks hide errors: with the weights of a rehearsal they change a picture a little only."""
    seen = set()

    def both(graph, **inputs):
        expected = run_full(graph, **inputs)
        if graph not in seen:
            seen.add(graph)
            found = halves.run(graph, **inputs)
            for tensor, right, ours in zip(halves.network.graph(graph).outputs, expected, found, strict=True):
                apart = check.parity(right, ours, height=0, width=0).relative_l2
                assert apart < 2.5e-3, f"{tensor.name} of {graph}"
        return expected

    recipe.compose(both, recipe.example(*halves.sizes[-1]))
    assert seen == {graph.name for graph in halves.network.graphs}


def test_extreme_pictures_stay_finite_and_far_from_the_end_of_the_range(halves, recipe):
    low, high = np.zeros((1, 3, 1, 1)), np.ones((1, 3, 1, 1))
    if halves.network.kind is Kind.COLOURISE:
        low, high = ((end - np.reshape(MEAN, low.shape)) / np.reshape(STD, low.shape) for end in (low, high))
    side = 24 if halves.network.kind is Kind.UPSCALE else 64
    example = recipe.example(side, side)
    shown = {}
    for what, inputs in check.extremes(example, low, high):
        shown[what] = inputs
        assert np.isfinite(recipe.compose(halves.run, inputs)).all(), what
    assert halves.run.largest < 65504 / 4
    assert len(shown) == 4


def test_inputs_and_outputs_are_of_the_types_that_the_facts_state(halves):
    for graph in halves.network.graphs:
        model = halves.model(graph.name).graph
        for values, tensors in ((model.input, graph.inputs), (model.output, graph.outputs)):
            stated = {tensor.name: HALF if tensor.dtype("fp16") == "float16" else FULL for tensor in tensors}
            assert {value.name: value.type.tensor_type.elem_type for value in values} == stated


def test_what_float16_is_not_enough_for_is_float32_in_the_file_and_the_weights_are_not(halves):
    for graph in halves.network.graphs:
        model = halves.model(graph.name)
        types = kept.tensor_types(model)
        shapes = {constant.name: constant.dims for constant in model.graph.initializer}
        assert model.opset_import[0].version <= 19
        for node in model.graph.node:
            floating = {
                types[name] for name in (*node.input, *node.output) if types.get(name) in (FULL, HALF)
            }
            if node.op_type in IN_FLOAT32:
                assert floating <= {FULL}, f"{node.op_type} of {graph.name}"
            if node.op_type == "Conv":
                motion = shapes[node.input[1]][0] <= 4
                assert floating == {HALF} or (motion and floating == {FULL}), f"{node.name} of {graph.name}"


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_flows_motions_places_times_and_depths_are_float32_in_all_graphs_and_nothing_else(network):
    exact = EXACT | (FRAMES_IN_DETAIL if network in (EDVR_S, EDVR_S_FILM) else set())
    for graph in network.graphs:
        for tensor in (*graph.inputs, *graph.outputs):
            name = tensor.name.removeprefix("a_").removeprefix("b_")
            assert tensor.exact == (name in exact), tensor.name


@pytest.mark.parametrize("name", ["dain", "dain-depth"])
def test_a_place_far_to_the_right_is_as_exact_as_one_at_the_left(name, loaded, tmp_path):
    """At column 1000 float16 knows half pixels only, which pictures of the size of a test do not show."""
    network = loaded(name).network
    halves = halves_of(network, loaded(name).artifact.folder, tmp_path)
    rng, (height, width) = np.random.default_rng(1), (16, 2048)

    def noise(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    inputs = {
        "a": noise(1, 3, height, width),
        "b": noise(1, 3, height, width),
        "flow_ab": 0.1 * noise(1, 2, height // 4, width // 4),
        "flow_ba": 0.1 * noise(1, 2, height // 4, width // 4),
        "t": np.array([0.4], np.float32),
        "context": noise(height, width, 196),
        "motion": 3 * noise(1, 2, height, width),
        "kernel": noise(1, 16, height, width),
        "place": np.array([width, height, 0, 0, 0, 0], np.float32),
    }
    given = {tensor.name: inputs[tensor.name] for tensor in network.graph("warp").inputs}
    (expected,), (found,) = loaded(name).run("warp", **given), halves.run("warp", **given)
    for part in (slice(0, 64), slice(width - 64, width)):
        assert check.parity(expected[..., part], found[..., part], height=0, width=0).relative_l2 < 1e-3
