"""The paper's DAIN in PyTorch, for comparison: the same network, from plain PyTorch operators on the CPU.

The authors' own code (DAIN, commit 7c727ac) needs CUDA extensions that no longer compile. This is what a
careful user would write instead: convolutions as they are, the depth-aware projection by ``scatter_add_``,
holes by ``cummax``, the adaptive warp by ``embedding_bag``, which sums weighted rows in one vectorised,
threaded pass. Parameter names are the authors'. Needs torch and numpy alone; see ``networks.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from serving import serve
from torch import nn
from torch_mega_depth import mega_depth

FEATURES = {1: 16, 2: 32, 3: 64, 4: 96, 5: 128, 6: 196}
DENSE = (128, 128, 96, 64, 32)
LEVEL_SCALE = {5: 0.625, 4: 1.25, 3: 2.5, 2: 5.0}
DILATIONS = ((128, 1), (128, 2), (128, 4), (96, 8), (64, 16), (32, 1))
CONTEXT = 3 + 3 * 64 + 1


def activated(channels, width, stride=1, dilation=1):
    layer = nn.Conv2d(channels, width, 3, stride, dilation, dilation)
    return nn.Sequential(layer, nn.LeakyReLU(0.1, inplace=True))


def base_grid(height, width):
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    return torch.stack([x, y])[None]


def sample(image, flow):
    height, width = image.shape[2:]
    extent = torch.tensor([width - 1.0, height - 1.0]).reshape(1, 2, 1, 1)
    grid = (2.0 * (base_grid(height, width) + flow) / extent - 1.0).permute(0, 2, 3, 1)
    return F.grid_sample(image, grid, align_corners=True)


def correlation(first, second):
    height, width = first.shape[2:]
    padded = F.pad(second, [4] * 4)
    shifted = [padded[:, :, y : y + height, x : x + width] for y in range(9) for x in range(9)]
    return torch.stack([(first * other).mean(1) for other in shifted], dim=1)


class Flow(nn.Module):
    """PWC-Net: frames of two pictures, [N, 3, H, W] each -> [N, 2, H/4, W/4]."""

    def __init__(self):
        super().__init__()
        channels = 3
        for level, width in FEATURES.items():
            for name, stride in zip(
                ("aa", "a", "b") if level == 6 else ("a", "aa", "b"), (2, 1, 1), strict=True
            ):
                self.add_module(f"conv{level}{name}", activated(channels, width, stride))
                channels = width
        for level in (6, 5, 4, 3, 2):
            channels = 81 if level == 6 else 81 + FEATURES[level] + 4
            for i, width in enumerate(DENSE):
                self.add_module(f"conv{level}_{i}", activated(channels, width))
                channels += width
            self.add_module(f"predict_flow{level}", nn.Conv2d(channels, 2, 3, 1, 1))
            if level > 2:
                self.add_module(f"deconv{level}", nn.ConvTranspose2d(2, 2, 4, 2, 1))
                self.add_module(f"upfeat{level}", nn.ConvTranspose2d(channels, 2, 4, 2, 1))
        for i, (width, dilation) in enumerate(DILATIONS, start=1):
            self.add_module(f"dc_conv{i}", activated(channels, width, 1, dilation))
            channels = width
        self.dc_conv7 = nn.Conv2d(channels, 2, 3, 1, 1)

    def features(self, x):
        maps = []
        for level in FEATURES:
            for name in ("aa", "a", "b") if level == 6 else ("a", "aa", "b"):
                x = self._modules[f"conv{level}{name}"](x)
            maps.append(x)
        return maps

    def forward(self, first, second):
        layers = self._modules
        x = flow = None
        for level in (6, 5, 4, 3, 2):
            mine, other = first[level - 1], second[level - 1]
            if level == 6:
                x = F.leaky_relu(correlation(mine, other), 0.1)
            else:
                up_flow, up_features = layers[f"deconv{level + 1}"](flow), layers[f"upfeat{level + 1}"](x)
                motion = up_flow * LEVEL_SCALE[level]
                mask = (sample(torch.ones_like(other[:, :1]), motion) >= 0.9999).float()
                cost = F.leaky_relu(correlation(mine, sample(other, motion) * mask), 0.1)
                x = torch.cat([cost, mine, up_flow, up_features], 1)
            for i in range(len(DENSE)):
                x = torch.cat([layers[f"conv{level}_{i}"](x), x], 1)
            flow = layers[f"predict_flow{level}"](x)
        for i in range(1, 7):
            x = layers[f"dc_conv{i}"](x)
        return flow + self.dc_conv7(x)


class Block(nn.Module):
    def __init__(self, channels, dilation=1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, dilation, dilation, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)

    def forward(self, x):
        return F.relu_(self.conv2(F.relu_(self.conv1(x))) + x)


class Context(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(3, 64, 7, 1, 3, bias=False))
        self.block2, self.block3 = Block(64, 4), Block(64, 8)

    def forward(self, x):
        first = F.relu_(self.block1(x))
        second = self.block2(first)
        return torch.cat([first, second, self.block3(second)], 1)


class Rectifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(3 * 3 + 4 + 32 + 2 * CONTEXT, 128, 7, 1, 3))
        self.block2, self.block3, self.block4 = Block(128), Block(128), Block(128)
        self.block5 = nn.Sequential(nn.Conv2d(128, 3, 3, 1, 1))

    def forward(self, x):
        return self.block5(self.block4(self.block3(self.block2(F.relu_(self.block1(x))))))


DOWN = ((0, 6, 16), (2, 16, 32), (5, 32, 64), (8, 64, 128), (11, 128, 256), (14, 256, 512))
UP = ((20, 512, 256), (23, 256, 128), (26, 128, 64), (29, 64, 32), (32, 32, 16))


def convolutions(*layers):
    """Return 3x3 convolutions under the places that they have in the authors' lists."""
    return nn.ModuleDict(
        {str(place): nn.Conv2d(channels, width, 3, 1, 1) for place, channels, width in layers}
    )


def project(flow, nearness):
    """Depth-aware flow projection with hole filling: [N, 2, H, W] -> [N, 2, H, W]."""
    height, width = flow.shape[2:]
    place = base_grid(height, width) + flow
    x, y = place[:, 0], place[:, 1]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    left, top = (x.floor() * inside).long(), (y.floor() * inside).long()
    values = torch.cat([-nearness * flow, nearness], 1) * inside[:, None]
    flat = values.flatten(2)
    total = torch.zeros_like(flat)
    for column in (left, (left + 1).clamp(max=width - 1)):
        for row in (top, (top + 1).clamp(max=height - 1)):
            total.scatter_add_(2, (row * width + column).flatten(1)[:, None].expand_as(flat), flat)
    total = total.reshape(values.shape)
    weight = total[:, 2:]
    filled = weight > 0
    return fill_holes(torch.where(filled, total[:, :2] / weight.where(filled, 1.0), 0.0), filled)


def fill_holes(flow, filled):
    height, width = flow.shape[2:]
    grid = base_grid(height, width).long()
    total, found = torch.zeros_like(flow), torch.zeros_like(flow[:, :1])
    for axis, own in ((3, grid[:, :1]), (2, grid[:, 1:])):
        for backwards in (False, True):
            last = own.max()
            position = torch.where(filled, last - own if backwards else own, -1)
            if backwards:
                seen = position.flip(axis).cummax(axis).values.flip(axis)
            else:
                seen = position.cummax(axis).values
            at = (last - seen if backwards else seen).clamp(0, int(last))
            there = seen >= 0
            total += flow.gather(axis, at.expand_as(flow)) * there
            found += there
    return torch.where(filled, flow, total / found.clamp(min=1))


def taps(flow, kernel):
    """Return rows [H*W, 16] to read and their weights, for one frame's flow [1, 2, H, W] and kernel."""
    height, width = flow.shape[2:]
    x, y = (base_grid(height, width) + flow)[0]
    valid = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    valid &= (flow[0, 0].abs() < width / 2) & (flow[0, 1].abs() < height / 2)
    own_x, own_y = base_grid(height, width)[0]
    x, y = torch.where(valid, x, own_x), torch.where(valid, y, own_y)
    reach = torch.arange(-1, 3)
    columns = (x.long()[..., None] + reach).clamp(0, width - 1)
    rows = (y.long()[..., None] + reach).clamp(0, height - 1)
    near = torch.tensor([True, True, False, False])
    a, b = (x - x.floor())[..., None], (y - y.floor())[..., None]
    across, down = torch.where(near, 1 - a, a), torch.where(near, 1 - b, b)
    bilinear = (down[..., :, None] * across[..., None, :]).flatten(2)
    alone = torch.zeros(16)
    alone[5] = 1
    weight = torch.where(valid[..., None], kernel[0].permute(1, 2, 0), alone) * bilinear
    index = (rows[..., :, None] * width + columns[..., None, :]).reshape(-1, 16)
    return index, weight.reshape(-1, 16)


def warp(source, index, weight):
    """Return [1, C, H, W] read through taps; ``source`` is [1, C, H, W]."""
    rows = source[0].permute(1, 2, 0).reshape(-1, source.shape[1])
    warped = F.embedding_bag(index, rows, mode="sum", per_sample_weights=weight)
    return warped.T.reshape(source.shape)


class DainDepth(nn.Module):
    """``forward(a, b, t)``: frames [1, 3, H, W] in [0, 1], multiples of 64, and a time -> [1, 3, H, W]."""

    def __init__(self):
        super().__init__()
        self.initScaleNets_filter = convolutions(*DOWN, (17, 512, 512), *UP)
        self.initScaleNets_filter1 = convolutions((0, 16, 16), (2, 16, 16))
        self.initScaleNets_filter2 = convolutions((0, 16, 16), (2, 16, 16))
        self.ctxNet, self.flownets = Context(), Flow()
        self.rectifyNet, self.depthNet = Rectifier(), mega_depth()
        self.eval()

    def kernels(self, a, b):
        layers, skips = self.initScaleNets_filter, []
        x = torch.cat([a, b], 1)
        for place, _, _ in DOWN:
            x = F.relu_(layers[str(place)](x))
            if place:
                skips.append(x)
                x = F.max_pool2d(x, 2)
        x = F.relu_(layers["17"](x))
        for place, _, _ in UP:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False) + skips.pop()
            x = F.relu_(layers[str(place)](x))
        heads = (self.initScaleNets_filter1, self.initScaleNets_filter2)
        return [head["2"](F.relu_(head["0"](x))) for head in heads]

    @torch.inference_mode()
    def forward(self, a, b, t):
        both = torch.cat([a, b])
        maps = self.flownets.features(both)
        flow = self.flownets(maps, [x.flip(0) for x in maps])
        log_depth = self.depthNet(both)
        context = torch.cat([both, self.ctxNet(both), log_depth], 1)
        kernel = self.kernels(a, b)
        times = torch.tensor([t, 1.0 - t]).reshape(2, 1, 1, 1)
        flow = F.interpolate(20.0 * flow * times, scale_factor=4, mode="bilinear", align_corners=False)
        flow = project(flow, 1e-6 + torch.exp(-log_depth))
        read = [taps(flow[i : i + 1], kernel[i]) for i in range(2)]
        contexts = [warp(context[i : i + 1], *read[i]) for i in range(2)]
        frames = [x[:, :3] for x in contexts]
        blend = frames[0] * (1.0 - t) + frames[1] * t
        known = [blend, *frames, flow[0:1], flow[1:2], *kernel, *contexts]
        return blend + self.rectifyNet(torch.cat(known, 1))


def network(weights, threads):
    """Return a function from frames a, b and a time to the frame between, all numpy arrays."""
    torch.set_num_threads(threads)
    net = DainDepth()
    state = {name: torch.from_numpy(array) for name, array in weights.items()}
    missing = [
        name for name in net.load_state_dict(state, strict=False).missing_keys if "num_batches" not in name
    ]
    if missing:
        raise ValueError(f"no weights for {missing[:3]}")

    def run(a, b, t):
        return net(torch.from_numpy(a), torch.from_numpy(b), float(t[0])).numpy()

    return run


def main() -> None:
    """Take part in a contest: ``torch_dain_depth.py CASE.npz THREADS OUTPUT.npy``."""
    case, threads, target = sys.argv[1:]

    def load():
        arrays = dict(np.load(case))
        inputs = [arrays.pop(f"input:{name}") for name in ("a", "b", "t")]
        run = network(arrays, int(threads))
        return lambda: run(*inputs)

    serve(load, Path(target), versions={"torch": torch.__version__})


if __name__ == "__main__":
    main()
