"""DAIN as PaddleGAN ships it: frame interpolation by flow, backward warp and rectification, without depth."""

from __future__ import annotations

from .spec import Graph, Kind, Network, Tensor, Tiling, Tolerance, WeightSource

_CHANNELS = {2: 32, 3: 64, 4: 96, 5: 128, 6: 196}


def _features(prefix: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(f"{prefix}level{level}", (1, channels, f"H/{2**level}", f"W/{2**level}"))
        for level, channels in _CHANNELS.items()
    )


_FRAME_A, _FRAME_B = Tensor("a", (1, 3, "H", "W")), Tensor("b", (1, 3, "H", "W"))
_MOVED = Tensor("moved", (1, 13, "H", "W"))
_FLOWS = tuple(Tensor(name, (1, 2, "H/4", "W/4"), exact=True) for name in ("flow_ab", "flow_ba"))

DAIN = Network(
    name="dain",
    title="DAIN, PaddleGAN's: new frames between two, by optical flow",
    kind=Kind.INTERPOLATE,
    graphs=(
        Graph("features", (Tensor("frame", (1, 3, "H", "W")),), _features(""), memory=70),
        Graph("flow", (*_features("a_"), *_features("b_")), _FLOWS, memory=900),
        Graph("warp", (_FRAME_A, _FRAME_B, *_FLOWS, Tensor("t", (1,), exact=True)), (_MOVED,), memory=230),
        # A convolution of 7x7 and seven of 3x3: 3 + 7.
        Graph("rectify", (_MOVED,), (Tensor("between", (1, 3, "H", "W")),), 840, Tiling(10, 2)),
    ),
    parameters=9_638_021,
    multiple=64,
    window=2,
    scale=1,
    held=150,
    weights=(WeightSource("https://paddlegan.bj.bcebos.com/applications/DAIN_weight.tar"),),
    weights_key=None,
    check_sizes=((128, 192), (64, 128)),
    tolerance=Tolerance(relative_l2=1e-5, measured=7.2e-7),
    half_tolerance=Tolerance(relative_l2=5e-3, measured=3.3e-4),
    licence="Apache-2.0 (PaddleGAN); the network is MIT (Bao et al.)",
    paper="Bao et al., Depth-Aware Video Frame Interpolation, CVPR 2019, without its depth branch",
)
