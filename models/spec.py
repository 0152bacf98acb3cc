"""The vocabulary of networks: frozen facts, no code that runs one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PRECISIONS = ("fp32", "fp16")
"""What a network can be exported in: float32, or float16 wherever that is enough."""


class Kind(StrEnum):
    """What a network does to a film, and so which stage of the engine runs it."""

    INTERPOLATE = "interpolate"  # a pair of frames and a time -> the frame between
    COLOURISE = "colourise"  # one frame -> the same frame with colour
    UPSCALE = "upscale"  # a window of frames -> its middle frame, larger


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named input or output of a graph.

    Attributes:
        name: Of the tensor; in all graphs of a network that have it, it is of one type.
        shape: NCHW; a string is a symbolic dimension such as ``"N"``, ``"H"`` or ``"H/4"``.
        exact: Whether it is a place, a motion, a time or a depth, in which eleven bits would be too few:
            float32 in the float16 graphs too. In the float32 graphs all tensors are float32.
    """

    name: str
    shape: tuple[int | str, ...]
    exact: bool = False

    def dtype(self, precision: str) -> str:
        """Return what NumPy calls its type in the graphs of a precision, ``fp32`` or ``fp16``."""
        return "float16" if precision == "fp16" and not self.exact else "float32"


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a graph may run on parts of its input, for the same output as on the whole.

    Attributes:
        overlap: Pixels of the frame that a part of the output depends on beyond its own edges.
        multiple: Edges of a part lie on multiples of this, pixels of the frame.
        reaches: Whether nothing but the weights bounds how far the graph looks. Its last output is then a
            single number: how far it did look beyond the overlap, pixels of the frame.
    """

    overlap: int
    multiple: int
    reaches: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """One ONNX file of a network.

    Attributes:
        name, inputs, outputs: Of the file.
        memory: Bytes for each pixel of the frame that a run takes at its peak: inputs, outputs, and all
            between.
        tiling: None where a pixel of the output may depend on any of the input.
        part: Pixels, the largest part that runs at once; larger ones would be hardly quicker. None: any.
    """

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    memory: int
    tiling: Tiling | None = None
    part: int | None = None


@dataclass(frozen=True, slots=True)
class WeightSource:
    """One published file of weights, one line of the registry.

    ``size`` in bytes, ``sha256`` and ``git_blob`` (the SHA-1 that git knows a file by) are None where the
    publisher states none; the sha256 is then recorded on the first download and compared ever after.
    ``name`` is what the file is called here, where its own name says too little.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    git_blob: str | None = None
    name: str | None = None

    @property
    def filename(self) -> str:
        return self.name or self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class WeightFolder:
    """Published files that are weights only together; they are kept in a folder of this name."""

    filename: str
    files: tuple[WeightSource, ...]


@dataclass(frozen=True, slots=True)
class ShippedWeights:
    """Weights that come with reel: an ``.npz`` of float16 arrays beside this file."""

    filename: str


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a graph may be from Paddle's own output, and how far it was when measured.

    ``relative_l2`` is the bound; ``measured`` the largest figure seen when the bound was set. ``spots`` is
    the share of pixels that the bound leaves out, those that differ most: where a network rounds a place to
    a pixel, the last digit decides, and a spot comes out different in any two implementations.
    """

    relative_l2: float
    measured: float
    spots: float = 0.0


@dataclass(frozen=True, slots=True)
class Network:
    """The facts of one network, and of one variant of it.

    Attributes:
        name: What a user types.
        title: One line for ``--list``.
        kind: Which stage runs it.
        graphs: The ONNX files it is cut into, in the order they run.
        parameters: Count of trained parameters, without running statistics.
        multiple: Height and width of a graph's input must be multiples of this (pixels).
        window: Frames that one output frame looks at.
        scale: Output size over input size.
        held: Bytes for each pixel of the frame that are kept from one run of a graph to the next.
        spare: Bytes for each pixel that are kept as well where there is room, to save work.
        weights: Published files to download, of which the first that can be had is used, or what reel
            ships.
        weights_key: Entry of the weight file that holds the parameters, if it nests them.
        check_sizes: (height, width) of the inputs on which every export is compared with Paddle.
        tolerance: Float32 graphs against Paddle.
        half_tolerance: Float16 graphs against Paddle in float32.
        licence: Of the weights and of the network's definition.
        paper: Where the network was published.
    """

    name: str
    title: str
    kind: Kind
    graphs: tuple[Graph, ...]
    parameters: int
    multiple: int
    window: int
    scale: int
    held: int
    weights: tuple[WeightSource | WeightFolder | ShippedWeights, ...]
    weights_key: str | None
    check_sizes: tuple[tuple[int, int], ...]
    tolerance: Tolerance
    half_tolerance: Tolerance
    licence: str
    paper: str
    spare: int = 0

    @property
    def shipped(self) -> bool:
        """Whether its weights come with reel, and its export with them."""
        return any(isinstance(source, ShippedWeights) for source in self.weights)

    def graph(self, name: str) -> Graph:
        """Return the graph of that name; KeyError where there is none."""
        for graph in self.graphs:
            if graph.name == name:
                return graph
        raise KeyError(name)
