"""DeOldify: colour for a grey picture, in its stable and its artistic variant."""

from __future__ import annotations

from .spec import Graph, Kind, Network, Tensor, Tolerance, WeightSource

RENDER_BASE = 16
"""The side of the network's square input is the render factor times this, pixels."""

RENDER_FACTOR = 32
"""PaddleGAN's default: 512 pixels."""

# PaddleGAN normalises the input, and takes the normalisation back from the output.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def _deoldify(name: str, title: str, file: str, *, parameters: int, memory: int) -> Network:
    return Network(
        name=name,
        title=title,
        kind=Kind.COLOURISE,
        graphs=(
            Graph(
                "colour",
                (Tensor("picture", (1, 3, "H", "W")),),
                (Tensor("coloured", (1, 3, "H", "W")),),
                memory,
            ),
        ),
        parameters=parameters,
        multiple=RENDER_BASE,
        window=1,
        scale=1,
        held=0,
        weights=(WeightSource(f"https://paddlegan.bj.bcebos.com/applications/{file}"),),
        weights_key=None,
        check_sizes=((128, 128), (112, 144)),  # 112 halves to an odd side, where the decoder crops
        tolerance=Tolerance(relative_l2=1e-5, measured=1.0e-6),
        half_tolerance=Tolerance(relative_l2=5e-3, measured=7.2e-4),
        licence="MIT (DeOldify), Apache-2.0 (PaddleGAN)",
        paper="Antic, DeOldify, 2018-2019, https://github.com/jantic/DeOldify",
    )


DEOLDIFY = _deoldify(
    "deoldify",
    "DeOldify stable (resnet101): colour that holds still, PaddleGAN's default",
    "DeOldify_stable.pdparams",
    parameters=218_479_991,
    memory=4_000,
)

DEOLDIFY_ARTISTIC = _deoldify(
    "deoldify-artistic",
    "DeOldify artistic (resnet34): more vivid colour, a third of the size",
    "DeOldify_art.pdparams",
    parameters=63_767_523,
    memory=4_000,
)
