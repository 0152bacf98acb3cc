"""DAIN as the paper has it: frame interpolation by flow, depth, adaptive kernels and context."""

from __future__ import annotations

from .spec import Graph, Kind, Network, Tensor, Tiling, Tolerance, WeightFolder, WeightSource

_CHANNELS = {2: 32, 3: 64, 4: 96, 5: 128, 6: 196}


def _full(name: str, channels: int, *, exact: bool = False) -> Tensor:
    return Tensor(name, (1, channels, "H", "W"), exact)


def _levels(prefix: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(f"{prefix}level{level}", (1, channels, f"H/{2**level}", f"W/{2**level}"))
        for level, channels in _CHANNELS.items()
    )


_FLOWS = tuple(Tensor(name, (1, 2, "H/4", "W/4"), exact=True) for name in ("flow_ab", "flow_ba"))
_T = Tensor("t", (1,), exact=True)
_FRAME, _DEPTH, _WARPED = _full("frame", 3), _full("depth", 1, exact=True), _full("warped", 196)
_HALF, _BELOW = Tensor("half", (1, 128, "H/2", "W/2")), Tensor("below", (1, 64, "H/2", "W/2"))
# Channels last, unlike all others: the kernel warp reads all channels of a pixel together. Its size is not
# that of the motion where a tile reads from another part of the frame.
_CONTEXT, _SOURCE = Tensor("context", ("H", "W", 196)), Tensor("context", ("h", "w", 196))


def _both(name: str, channels: int, *, exact: bool = False) -> tuple[Tensor, Tensor]:
    return _full(f"a_{name}", channels, exact=exact), _full(f"b_{name}", channels, exact=exact)


_MOTIONS = _both("motion", 2, exact=True)


# What git calls each file of the ncnn port (nihui/dain-ncnn-vulkan, models/best).
_NCNN = {
    "ctxnet.bin": "8a58991cbaa051c447b1f67871045e0934698ddc",
    "ctxnet.param": "d1bcf53c041d858b518c22b0104757110b3c6653",
    "depthnet.bin": "b75d403edd714ac26201144251d9e01b71da95eb",
    "depthnet.param": "0a75c1d00478230d3073c2b8ae932d81bc65fa13",
    "flownet.bin": "798fa10abf9fceedce9fc99a7a597f97f12374a9",
    "flownet.param": "fb8eb0f0747634184c4d51b63087b50961c7405d",
    "interpolation.bin": "8f163c4bafd8be64b3eec0565d4ba4d55c2d3e84",
    "interpolation.param": "048b2187bef8b61020d28ebe8c786648a3a74d5a",
}


def _ncnn(name: str, blob: str) -> WeightSource:
    place = "https://raw.githubusercontent.com/nihui/dain-ncnn-vulkan/master/models/best"
    return WeightSource(f"{place}/{name}", git_blob=blob)


DAIN_DEPTH = Network(
    name="dain-depth",
    title="DAIN, the paper's: new frames between two, by flow and by depth, which decides what is in front",
    kind=Kind.INTERPOLATE,
    graphs=(
        Graph("features", (_FRAME,), _levels(""), memory=70),
        # A convolution of 7x7, and a pooling of 2x2 to the even side.
        Graph("shallow", (_FRAME,), (_HALF,), 670, Tiling(4, 2)),
        Graph("deep", (_HALF,), (_BELOW,), memory=1_200),
        # Convolutions of 7x7, 11x11 and 3x3: 3 + 5 + 1, and an enlargement to the nearest.
        Graph("depth", (_FRAME, _BELOW), (_DEPTH,), 1_120, Tiling(10, 2)),
        # Convolutions of 7x7, and of 3x3 with dilations of 4, 1, 8 and 1.
        Graph("context", (_FRAME, _DEPTH), (_CONTEXT,), 1_610, Tiling(17, 1)),
        Graph("flow", (*_levels("a_"), *_levels("b_")), _FLOWS, memory=900),
        Graph("kernels", (_full("a", 3), _full("b", 3)), _both("kernel", 16), memory=830),
        Graph("motion", (*_both("depth", 1, exact=True), *_FLOWS, _T), _MOTIONS, memory=650),
        Graph(
            "warp",
            (_SOURCE, _full("motion", 2, exact=True), _full("kernel", 16), Tensor("place", (6,), exact=True)),
            (_WARPED,),
            memory=3_700,
        ),
        # A convolution of 7x7 and seven of 3x3: 3 + 7.
        Graph(
            "rectify",
            (*_both("warped", 196), *_MOTIONS, *_both("kernel", 16), _T),
            (_full("between", 3),),
            6_200,
            Tiling(10, 8),
            part=1 << 16,
        ),
    ),
    parameters=24_031_590,  # and 66 that the authors' file holds and no layer uses
    multiple=64,
    window=2,
    scale=1,
    held=290,
    spare=2 * 196 * 4,  # both contexts
    # The authors' own address (vllab1.ucmerced.edu) has been dead since 2020. A fork of their work has the
    # same file, and the ncnn port the same weights as halves.
    weights=(
        WeightSource(
            "https://raw.githubusercontent.com/BurguerJohn/Dain-App/master/model_weights/best.pth",
            name="DAIN_best.pth",
        ),
        WeightFolder("dain-ncnn", tuple(_ncnn(name, blob) for name, blob in _NCNN.items())),
    ),
    weights_key=None,
    check_sizes=((64, 128), (128, 64)),
    # Where a place rounds to another pixel in Paddle than in the graph, the outputs differ visibly in one
    # spot of up to 25 x 25 pixels, about once in 50,000 pixels.
    tolerance=Tolerance(relative_l2=1e-5, measured=1.8e-6, spots=0.1),
    half_tolerance=Tolerance(relative_l2=5e-3, measured=4.7e-4, spots=0.1),
    licence="MIT (Bao et al.)",
    paper="Bao et al., Depth-Aware Video Frame Interpolation, CVPR 2019",
)
