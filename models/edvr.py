"""EDVR: four times the size, from a window of five frames, in the variants L and M."""

from __future__ import annotations

from .spec import Graph, Kind, Network, Tensor, Tiling, Tolerance, WeightSource

WINDOW = 5


def _edvr(
    name: str, title: str, file: str, *, parameters: int, channels: int, blocks: int, memory: tuple[int, ...]
) -> Network:
    def maps(prefix: str) -> tuple[Tensor, ...]:
        sides = {1: "", 2: "/2", 3: "/4"}
        return tuple(
            Tensor(f"{prefix}{level}", (1, channels, f"H{side}", f"W{side}")) for level, side in sides.items()
        )

    def full(name: str, channels: int = channels) -> Tensor:
        return Tensor(name, (1, channels, "H", "W"))

    frame = (1, 3, "H", "W")
    # The shortest way to state each overlap: the sum of what every layer on the longest way looks beyond
    # its own place, at the scale where it runs, rounded up to the multiple.
    # pyramid: 11 convolutions at full size, two at a half, one at a quarter: 11 + 1 + 2 + 2 + 4 = 20.
    # align: 29 by its convolutions and enlargements, and what its offsets add, which only the run tells.
    # fusion: two convolutions, and down to a quarter and back: 1 + 1 + 2 + 3 * 4 + 2 + 2 + 1 = 21.
    # rebuild: two convolutions in each block. enlarge: 1 + 1/2 + 1/4 + 1/4, and 1 of the frame.
    return Network(
        name=name,
        title=title,
        kind=Kind.UPSCALE,
        graphs=(
            Graph("pyramid", (Tensor("frame", frame),), maps("level"), memory[0], Tiling(20, 4)),
            Graph(
                "align",
                (*maps("level"), *maps("reference")),
                (full("aligned"), Tensor("reach", (1,), exact=True)),
                memory[1],
                Tiling(29, 4, reaches=True),
            ),
            Graph(
                "fusion",
                tuple(full(f"aligned_{i}") for i in range(WINDOW)),
                (full("fused"),),
                memory[2],
                Tiling(24, 4),
            ),
            Graph("rebuild", (full("fused"),), (full("rebuilt"),), memory[3], Tiling(2 * blocks, 4)),
            Graph(
                "enlarge",
                (Tensor("centre", frame), full("rebuilt")),
                (Tensor("enlarged", (1, 3, "4*H", "4*W")),),
                memory[4],
                Tiling(4, 4),
            ),
        ),
        parameters=parameters,
        multiple=4,
        window=WINDOW,
        scale=4,
        # five pyramids, five aligned maps, two of the middle frame
        held=4 * channels * (WINDOW * 21 + WINDOW * 16) // 16 + 200,
        weights=(WeightSource(f"https://paddlegan.bj.bcebos.com/models/{file}"),),
        weights_key="generator",
        check_sizes=((32, 48), (40, 24)),
        tolerance=Tolerance(relative_l2=1e-5, measured=1.2e-7),
        half_tolerance=Tolerance(relative_l2=5e-3, measured=3.6e-4),
        licence="Apache-2.0 (PaddleGAN, EDVR)",
        paper="Wang et al., EDVR: Video Restoration with Enhanced Deformable Convolutional Networks, 2019",
    )


EDVR = _edvr(
    "edvr",
    "EDVR L: four times the size, PaddleGAN's default",
    "EDVR_L_w_tsa_SRx4.pdparams",
    parameters=20_633_827,
    channels=128,
    blocks=40,
    memory=(1_640, 12_900, 11_000, 2_150, 9_000),
)

EDVR_M = _edvr(
    "edvr-m",
    "EDVR M: four times the size, about a quarter of the work of L",
    "EDVR_M_w_tsa_SRx4.pdparams",
    parameters=3_300_131,
    channels=64,
    blocks=10,
    memory=(840, 8_600, 5_500, 1_100, 8_700),
)
