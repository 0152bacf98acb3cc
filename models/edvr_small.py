"""reel's own small EDVR: four times the size, from a window of five frames, for clean and for worn film."""

from __future__ import annotations

from .edvr import WINDOW
from .spec import Graph, Kind, Network, ShippedWeights, Tensor, Tiling, Tolerance

_WIDE, _ADDED = 64, 17
_NEIGHBOURS = tuple(i for i in range(WINDOW) if i != WINDOW // 2)


def _levels(prefix: str) -> tuple[Tensor, ...]:
    # No features, but the frame itself: what counts of it is differences of a hundredth.
    return (
        Tensor(f"{prefix}1", (1, 5, "H", "W"), exact=True),
        Tensor(f"{prefix}2", (1, 1, "H/2", "W/2"), exact=True),
        Tensor(f"{prefix}3", (1, 1, "H/4", "W/4"), exact=True),
    )


def _small(name: str, title: str) -> Network:
    added = tuple(Tensor(f"aligned_{i}", (1, _ADDED, "H", "W")) for i in _NEIGHBOURS)
    around = Tensor("around", (1, 48, "H", "W"), exact=True)
    fused, rebuilt = (Tensor(of, (1, _WIDE, "H/2", "W/2")) for of in ("fused", "rebuilt"))
    # What each graph looks beyond its own place: the longest sum of layers, each at the scale where it runs.
    # pyramid: the mean of 15x15 at a fourth.
    # around: two.
    # align: each correction of the motion reads 1 + 4 + 2 and smooths what is read anew, three times at a
    # fourth, three at a half and twice at full size, and one more pixel each time that the size is doubled:
    # 7 * (3 * 4 + 3 * 2 + 2) + 4 + 2; then two pixels of the likeness, and eight of the trust, at a half.
    # What lies further away than a fourth of that changes nothing in practice, but it may. And where the
    # motion leads to, which only the run tells.
    # fusion: one at a half. rebuild: two in each of seven blocks, at a half.
    # enlarge: one at a half, one at full size; and two pixels of the frame.
    return Network(
        name=name,
        title=title,
        kind=Kind.UPSCALE,
        graphs=(
            Graph("pyramid", (Tensor("frame", (1, 3, "H", "W")),), _levels("level"), 140, Tiling(32, 4)),
            Graph("around", (_levels("reference")[0],), (around,), 450, Tiling(4, 4)),
            Graph(
                "align",
                (*_levels("level"), *_levels("reference"), around),
                (Tensor("aligned", (1, _ADDED, "H", "W")), Tensor("reach", (1,), exact=True)),
                1400,
                Tiling(160, 4, reaches=True),
            ),
            Graph(
                "fusion",
                (*added, _levels("reference")[0]),
                (fused,),
                570,
                Tiling(8, 4),
            ),
            Graph("rebuild", (fused,), (rebuilt,), 270, Tiling(32, 4)),
            Graph(
                "enlarge",
                (Tensor("centre", (1, 3, "H", "W")), rebuilt),
                (Tensor("enlarged", (1, 3, "4*H", "4*W")),),
                700,
                Tiling(8, 4),
            ),
        ),
        parameters=664_756,
        multiple=4,
        window=WINDOW,
        scale=4,
        # five pyramids, what four neighbours add and are compared with, two maps of the middle frame
        held=4 * (WINDOW * 6 + 4 * _ADDED + 48) + 2 * _WIDE + 200,
        weights=(ShippedWeights(f"{name}.npz"),),
        weights_key=None,
        check_sizes=((32, 48), (40, 24)),
        tolerance=Tolerance(relative_l2=1e-5, measured=1.0e-6),
        half_tolerance=Tolerance(relative_l2=5e-3, measured=4.5e-4),
        licence="Apache-2.0 (reel)",
        paper="Wang et al., EDVR: Video Restoration with Enhanced Deformable Convolutional Networks, 2019, "
        "its motion measured: Wronski et al., Handheld Multi-Frame Super-Resolution, SIGGRAPH 2019",
    )


EDVR_S = _small("edvr-s", "a small EDVR of reel's own: four times the size in a thirtieth of L's time")

EDVR_S_FILM = _small("edvr-s-film", "the same, trained on soft, grainy, flickering, compressed film")
