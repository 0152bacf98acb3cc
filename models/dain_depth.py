"""DAIN as the paper has it: frame interpolation by flow, depth, adaptive kernels and context."""

from __future__ import annotations

from .spec import Graph, Kind, Network, Tensor, Tolerance

_CHANNELS = {2: 32, 3: 64, 4: 96, 5: 128, 6: 196}


def _full(name: str, channels: int) -> Tensor:
    return Tensor(name, (1, channels, "H", "W"))


def _levels(prefix: str) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(f"{prefix}level{level}", (1, channels, f"H/{2**level}", f"W/{2**level}"))
        for level, channels in _CHANNELS.items()
    )


def _context(prefix: str) -> Tensor:
    # Channels last, unlike all others: the kernel warp reads all channels of a pixel together.
    return Tensor(f"{prefix}context", ("H", "W", 196))


_FLOWS = (Tensor("flow_ab", (1, 2, "H/4", "W/4")), Tensor("flow_ba", (1, 2, "H/4", "W/4")))
_DEPTHS = (_full("a_depth", 1), _full("b_depth", 1))
_KERNELS = (_full("a_kernel", 16), _full("b_kernel", 16))

DAIN_DEPTH = Network(
    name="dain-depth",
    title="DAIN, the paper's: new frames between two, by flow and by depth, which decides what is in front",
    kind=Kind.INTERPOLATE,
    graphs=(
        Graph("features", (_full("frame", 3),), (_context(""), _full("depth", 1), *_levels(""))),
        Graph("flow", (*_levels("a_"), *_levels("b_")), _FLOWS),
        Graph("kernels", (_full("a", 3), _full("b", 3)), _KERNELS),
        Graph(
            "synthesis",
            (_context("a_"), _context("b_"), *_DEPTHS, *_FLOWS, *_KERNELS, Tensor("t", (1,))),
            (_full("between", 3),),
        ),
    ),
    parameters=24_031_590,  # and 66 that the authors' file holds and no layer uses
    multiple=64,
    window=2,
    scale=1,
    # The authors' own address is dead. --weights takes their best.pth, an .npz, or the folder of the ncnn
    # port's four graphs (github.com/nihui/dain-ncnn-vulkan, models/best).
    weights=(),
    weights_key=None,
    check_sizes=((64, 128), (128, 64)),
    # Where a place rounds to another pixel in Paddle than in the graph, the outputs differ visibly in one
    # spot of up to 25 x 25 pixels, about once in 50,000 pixels.
    tolerance=Tolerance(relative_l2=1e-5, measured=1.8e-6, spots=0.1),
    licence="MIT (Bao et al.)",
    paper="Bao et al., Depth-Aware Video Frame Interpolation, CVPR 2019",
)
