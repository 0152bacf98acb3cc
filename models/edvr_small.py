"""reel's own small EDVR: four times the size, from a window of five frames, for clean and for worn film."""

from __future__ import annotations

from .edvr import WINDOW
from .spec import Graph, Kind, Network, ShippedWeights, Tensor, Tiling, Tolerance

_CHANNELS, _WIDE = 32, 64


def _half(name: str, channels: int = _CHANNELS) -> Tensor:
    return Tensor(name, (1, channels, "H/2", "W/2"))


def _levels(prefix: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(f"{prefix}{level}", (1, _CHANNELS, f"H/{2**level}", f"W/{2**level}")) for level in (1, 2, 3)
    )


def _small(name: str, title: str) -> Network:
    # The middle frame's own features take part in the fusion as they are.
    aligned = tuple(_half("reference1" if i == WINDOW // 2 else f"aligned_{i}") for i in range(WINDOW))
    # What each graph looks beyond its own place: the longest sum of layers, each at the scale where it runs.
    # pyramid: a convolution of 6x6, six of 3x3 at a half, one to and one at a quarter and an eighth:
    # 3 + 6 * 2 + 2 + 4 + 4 + 8 = 33.
    # align: three at an eighth, enlarged, one at a quarter, enlarged, one at a half:
    # 3 * 8 + 8 + 4 + 4 + 2 = 42; and what its offsets add, which only the run tells.
    # fusion: one at a half. rebuild: two in each of five blocks, at a half.
    # enlarge: one at a half, one at full size; and two pixels of the frame.
    return Network(
        name=name,
        title=title,
        kind=Kind.UPSCALE,
        graphs=(
            Graph("pyramid", (Tensor("frame", (1, 3, "H", "W")),), _levels("level"), 140, Tiling(40, 8)),
            Graph(
                "align",
                (*_levels("level"), *_levels("reference")),
                (_half("aligned"), Tensor("reach", (1,), exact=True)),
                960,
                Tiling(48, 8, reaches=True),
            ),
            Graph("fusion", aligned, (_half("fused", _WIDE),), 520, Tiling(8, 8)),
            Graph("rebuild", (_half("fused", _WIDE),), (_half("rebuilt", _WIDE),), 270, Tiling(24, 8)),
            Graph(
                "enlarge",
                (Tensor("centre", (1, 3, "H", "W")), _half("rebuilt", _WIDE)),
                (Tensor("enlarged", (1, 3, "4*H", "4*W")),),
                700,
                Tiling(8, 8),
            ),
        ),
        parameters=808_872,
        multiple=8,
        window=WINDOW,
        scale=4,
        # five pyramids, four aligned maps, two of the middle frame
        held=_CHANNELS * (WINDOW * 21 + 4 * 16) * 4 // 64 + 200,
        weights=(ShippedWeights(f"{name}.npz"),),
        weights_key=None,
        check_sizes=((32, 48), (40, 24)),
        tolerance=Tolerance(relative_l2=1e-5, measured=1.0e-6),
        half_tolerance=Tolerance(relative_l2=5e-3, measured=4.3e-4),
        licence="Apache-2.0 (reel)",
        paper="Wang et al., EDVR: Video Restoration with Enhanced Deformable Convolutional Networks, 2019",
    )


EDVR_S = _small("edvr-s", "a small EDVR of reel's own: four times the size, forty times faster than L")

EDVR_S_FILM = _small("edvr-s-film", "the same, trained on soft, grainy, flickering, compressed film")
