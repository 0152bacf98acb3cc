"""Commands run as a user runs them, on small films, with networks so simple that results are known."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from reel.cli import export, run
from reel.models.manifest import network_named
from reel.models.spec import Graph, Kind, Network
from reel.models.store import Store
from reel.tests.stored import put_into

TINY = ("dain", "deoldify", "deoldify-artistic", "edvr", "edvr-m")


@dataclass(frozen=True)
class Outcome:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> tuple[str, str]:
        """The sentence and the remedy, from the two lines at the end that every failure consists of."""
        *before, what, remedy = self.err.splitlines()
        assert not any("error" in line or "Traceback" in line for line in before), self.err
        assert what.startswith("error: ")
        assert what.endswith(".")
        assert remedy.startswith("       ")
        assert remedy.strip().endswith(".")
        return what.removeprefix("error: "), remedy.strip()


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], tiny_store: Path) -> Command:
    """Run ``command("reel-run", "film.mp4", ...)`` in this process, on the tiny networks unless told."""
    mains = {"reel-run": run.main, "reel-export": export.main}

    def call(name: str, *arguments: object, store: Path | None = tiny_store) -> Outcome:
        words = [] if store is None else ["--store", str(store)]
        capsys.readouterr()
        try:
            code = mains[name]([*words, *map(str, arguments)])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return Outcome(code, printed.out, printed.err)

    return call


@pytest.fixture
def reel_run(command: Command) -> Command:
    """Run ``reel-run`` with these arguments."""
    return lambda *arguments, **options: command("reel-run", *arguments, **options)


@pytest.fixture
def failure(command: Command) -> Callable[..., tuple[str, str]]:
    """Run a command that must fail with exit code 1, and return its sentence and its remedy."""

    def call(name: str, *arguments: object, **options: Path | None) -> tuple[str, str]:
        outcome = command(name, *arguments, **options)
        assert outcome.code == 1, outcome
        assert outcome.out == ""
        return outcome.error

    return call


@pytest.fixture
def stopped_after(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., AbstractContextManager[pytest.MonkeyPatch]]:
    """Give a context in which a run is stopped, as by Ctrl-C, when so many frames are written."""

    @contextmanager
    def stopped(frames: int, error: type[BaseException] = KeyboardInterrupt) -> Iterator[pytest.MonkeyPatch]:
        import reel.engine.job.segments as module

        write, left = module.Segments.write, [frames]

        def failing(self: object, frame: object) -> None:
            if not left[0]:
                raise error
            left[0] -= 1
            write(self, frame)

        with monkeypatch.context() as patched:
            patched.setattr(module.Segments, "write", failing)
            yield patched

    return stopped


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of some networks, each tiny: do not write to it, take ``own_store`` for that.

    DAIN is the weighted mean of its two frames, DeOldify tints, EDVR is the mean of its window,
    enlarged by repeating pixels.
    """
    pytest.importorskip("onnx", reason="needs the package onnx to make small networks")
    folder = tmp_path_factory.mktemp("tiny") / "store"
    for name in TINY:
        put_tiny(folder, network_named(name))
    return folder


@pytest.fixture
def own_store(tiny_store: Path, tmp_path: Path) -> Path:
    """A copy of the tiny store, to be damaged."""
    return Path(shutil.copytree(tiny_store, tmp_path / "own store"))


@pytest.fixture
def rehearsal_store(tmp_path: Path) -> Path:
    """A store that holds DAIN and EDVR-M from rehearsal weights only."""
    folder = tmp_path / "rehearsal store"
    for name in ("dain", "edvr-m"):
        put_tiny(folder, network_named(name), rehearsal=True)
    return folder


def put_tiny(folder: Path, network: Network, *, rehearsal: bool = False) -> None:
    """Put a tiny network of this name into a store, as an export would."""
    import onnx

    models = _tiny_models(network)

    def write(graph: Graph, path: Path) -> None:
        onnx.checker.check_model(models[graph.name], full_check=True)
        onnx.save(models[graph.name], str(path))

    weights = "rehearsal" if rehearsal else "tiny.npz"
    put_into(Store(folder), network, write, weights=weights, rehearsal=rehearsal)


def _tiny_models(network: Network) -> dict[str, object]:
    """Return an ONNX model per graph, with the names and shapes of the manifest."""
    from onnx import helper

    def node(kind: str, inputs: Sequence[str], output: str, **attributes: object) -> object:
        return helper.make_node(kind, list(inputs), [output], **attributes)

    def widened(source: str, output: str, channels: int, side: int) -> list[object]:
        """Averages over squares, repeated up to so many channels, the first three those of the frame."""
        constants[f"{output}_w"] = np.resize(np.eye(3, dtype=np.float32), (channels, 3)).reshape(-1, 3, 1, 1)
        pooled = node("AveragePool", [source], f"{output}_p", kernel_shape=[side] * 2, strides=[side] * 2)
        return [pooled, node("Conv", [f"{output}_p", f"{output}_w"], output)]

    constants: dict[str, np.ndarray] = {}
    nodes: dict[str, list[object]] = {}
    if network.kind is Kind.INTERPOLATE:
        nodes["features"] = [
            made
            for level, tensor in enumerate(network.graph("features").outputs, start=2)
            for made in widened("frame", tensor.name, int(tensor.shape[1]), 2**level)
        ]
        constants |= {"first": np.array([0, 2]), "axis": np.array([1]), "one": np.ones(1, np.float32)}
        constants |= {"zero": np.zeros(1, np.int64), "two": np.array([2])}
        nodes["flow"] = [
            node("Slice", [f"{side}_level2", "zero", "two", "axis"], flow)
            for side, flow in (("a", "flow_ab"), ("b", "flow_ba"))
        ]
        constants |= {"thirteen": np.array([13]), "three": np.array([3])}
        nodes["warp"] = [
            node("Sub", ["one", "t"], "rest"),
            node("Mul", ["a", "rest"], "of_a"),
            node("Mul", ["b", "t"], "of_b"),
            node("Add", ["of_a", "of_b"], "blend"),
            node("Concat", ["blend"] * 5, "repeated", axis=1),
            node("Slice", ["repeated", "zero", "thirteen", "axis"], "moved"),
        ]
        nodes["rectify"] = [node("Slice", ["moved", "zero", "three", "axis"], "between")]
    elif network.kind is Kind.COLOURISE:
        constants["tint"] = np.array([0.8, 0.0, -0.8], np.float32).reshape(1, 3, 1, 1)
        nodes["colour"] = [node("Add", ["picture", "tint"], "coloured")]
    else:
        channels = int(network.graph("pyramid").outputs[0].shape[1])
        nodes["pyramid"] = [
            made
            for level in (1, 2, 3)
            for made in widened("frame", f"level{level}", channels, 2 ** (level - 1))
        ]
        constants |= {"zero": np.zeros(1, np.int64), "three": np.array([3]), "axis": np.array([1])}
        constants["scales"] = np.array([1, 1, 4, 4], np.float32)
        constants["near"] = np.zeros(1, np.float32)
        nodes["align"] = [node("Identity", ["level1"], "aligned"), node("Identity", ["near"], "reach")]
        nodes["fusion"] = [node("Mean", [f"aligned_{i}" for i in range(5)], "fused")]
        nodes["rebuild"] = [node("Identity", ["fused"], "rebuilt")]
        nodes["enlarge"] = [
            node("Slice", ["rebuilt", "zero", "three", "axis"], "small"),
            node("Resize", ["small", "", "scales"], "enlarged", mode="nearest"),
        ]
    return {graph.name: _model(graph, nodes[graph.name], constants) for graph in network.graphs}


def _model(graph, nodes, constants):
    from onnx import TensorProto, helper, numpy_helper

    used = {name for node in nodes for name in node.input}
    values = [
        [helper.make_tensor_value_info(t.name, TensorProto.FLOAT, list(t.shape)) for t in tensors]
        for tensors in (graph.inputs, graph.outputs)
    ]
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items() if name in used]
    made = helper.make_graph(nodes, graph.name, values[0], values[1], weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def make_film(tmp_path: Path) -> Callable[..., Path]:
    """Write a film: ``make_film("a.mp4", pictures, rate=Fraction(24), sound=1.0)``; pictures [H, W, 3]."""

    def make(
        name: str,
        pictures: Sequence[np.ndarray],
        *,
        rate: Fraction = Fraction(25),
        sound: float = 0.0,
        codec: str = "libx264",
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(f"file:{path}", "w") as container:
            if len(pictures):
                options = {"qp": "0", "preset": "ultrafast"} if codec == "libx264" else {}
                stream = container.add_stream(codec, rate=rate, options=options)
                stream.height, stream.width = pictures[0].shape[:2]
                stream.pix_fmt = "yuv444p" if codec == "libx264" else "bgr0"
            voice = container.add_stream("aac", rate=48000) if sound else None
            for picture in pictures:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            if len(pictures):
                container.mux(stream.encode(None))
            if voice is not None:
                _speak(container, voice, sound)
        return path

    return make


def _speak(container, voice, seconds: float) -> None:
    noise = np.random.default_rng(5)
    for start in range(0, round(seconds * 48000), 1024):
        samples = noise.uniform(-0.3, 0.3, (2, 1024)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
        container.mux(voice.encode(sound))
    container.mux(voice.encode(None))


@pytest.fixture(scope="session")
def pictures() -> Callable[..., list[np.ndarray]]:
    """Make grey pictures [48, 64, 3] of a pattern that moves, each different, values low to high."""

    def make(count: int, *, low: int = 60, high: int = 190, seed: int = 1) -> list[np.ndarray]:
        noise = np.random.default_rng(seed).integers(low, high, (12, 16 + count))
        return [
            np.repeat(np.kron(noise[:, n : n + 16], np.ones((4, 4)))[..., None], 3, axis=2).astype(np.uint8)
            for n in range(count)
        ]

    return make


@pytest.fixture
def untouched(tmp_path: Path) -> Iterator[Path]:
    """A folder for outputs in which, after the test, nothing may lie."""
    folder = tmp_path / "outputs"
    folder.mkdir()
    yield folder
    assert list(folder.rglob("*")) == []
