"""reel's own small interpolator: flow pyramid, backward warp and rectifier, narrow."""

from __future__ import annotations

from .spec import Graph, Kind, Network, ShippedWeights, Tensor, Tiling, Tolerance

_CHANNELS = {2: 32, 3: 48, 4: 64, 5: 64}


def _levels(prefix: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(f"{prefix}level{level}", (1, channels, f"H/{2**level}", f"W/{2**level}"))
        for level, channels in _CHANNELS.items()
    )


_FRAMES = (Tensor("a", (1, 3, "H", "W")), Tensor("b", (1, 3, "H", "W")))
_FLOWS = tuple(Tensor(name, (1, 2, "H/4", "W/4"), exact=True) for name in ("flow_ab", "flow_ba"))
_MOVED = Tensor("moved", (1, 14, "H", "W"))

DAIN_S = Network(
    name="dain-s",
    title="a small interpolator of reel's own: new frames between two, by optical flow",
    kind=Kind.INTERPOLATE,
    graphs=(
        Graph("features", (Tensor("frame", (1, 3, "H", "W")),), _levels(""), memory=70),
        Graph("flow", (*_levels("a_"), *_levels("b_")), _FLOWS, memory=370),
        Graph(
            "warp",
            (*_FRAMES, _levels("a_")[0], _levels("b_")[0], *_FLOWS, Tensor("t", (1,), exact=True)),
            (_MOVED,),
            # 301 at 1920x1088. Where memory is not kept, blocks below 4 MiB, of frames of less than a million
            # pixels, pile up in glibc before 2.38: 1,890 at 960x544.
            memory=330,
        ),
        # At full size convolutions of 3x3, 4x4, 3x3 and 3x3, at a half seven of 3x3: 1 + 2 + 7 * 2 + 2.
        Graph("rectify", (_MOVED,), (Tensor("between", (1, 3, "H", "W")),), 265, Tiling(20, 2)),
    ),
    parameters=789_633,
    multiple=32,
    window=2,
    scale=1,
    held=150,
    weights=(ShippedWeights("dain-s.npz"),),
    weights_key=None,
    check_sizes=((128, 192), (64, 128)),
    tolerance=Tolerance(relative_l2=1e-5, measured=1.0e-6),
    half_tolerance=Tolerance(relative_l2=5e-3, measured=6.4e-4),
    licence="Apache-2.0 (reel)",
    paper="Bao et al., Depth-Aware Video Frame Interpolation, CVPR 2019, without its depth branch; "
    "Jiang et al., Super SloMo, CVPR 2018",
)
