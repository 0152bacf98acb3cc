"""EDVR: four times the size, from a window of five frames, in the variants L and M."""

from __future__ import annotations

from .spec import Graph, Kind, Network, Tensor, Tolerance, WeightSource

WINDOW = 5


def _edvr(name: str, title: str, file: str, parameters: int, channels: int) -> Network:
    def maps(level: int, suffix: str) -> Tensor:
        side = "" if level == 1 else f"/{2 ** (level - 1)}"
        return Tensor(f"level{level}{suffix}", (1, channels, f"H{side}", f"W{side}"))

    frame = (1, 3, "H", "W")
    return Network(
        name=name,
        title=title,
        kind=Kind.UPSCALE,
        graphs=(
            Graph("pyramid", (Tensor("frame", frame),), tuple(maps(level, "") for level in (1, 2, 3))),
            Graph(
                "fusion",
                (
                    Tensor("centre", frame),
                    *(maps(level, f"_{i}") for level in (1, 2, 3) for i in range(WINDOW)),
                ),
                (Tensor("enlarged", (1, 3, "4*H", "4*W")),),
            ),
        ),
        parameters=parameters,
        multiple=4,
        window=WINDOW,
        scale=4,
        weights=(WeightSource(f"https://paddlegan.bj.bcebos.com/models/{file}"),),
        weights_key="generator",
        check_sizes=((32, 48), (40, 24)),
        tolerance=Tolerance(relative_l2=1e-5, measured=1.2e-7),
        licence="Apache-2.0 (PaddleGAN, EDVR)",
        paper="Wang et al., EDVR: Video Restoration with Enhanced Deformable Convolutional Networks, 2019",
    )


EDVR = _edvr(
    "edvr", "EDVR L: four times the size, PaddleGAN's default", "EDVR_L_w_tsa_SRx4.pdparams", 20_633_827, 128
)

EDVR_M = _edvr(
    "edvr-m",
    "EDVR M: four times the size, about a quarter of the work of L",
    "EDVR_M_w_tsa_SRx4.pdparams",
    3_300_131,
    64,
)
