"""MegaDepth in PyTorch: the depth network of the paper's DAIN, under the authors' names of parameters."""

from __future__ import annotations

import torch
from torch import nn

NEAR, FAR = (3, 5, 7), (3, 7, 11)


class Concat(nn.Sequential):
    def forward(self, x):
        return torch.cat([branch(x) for branch in self], 1)


class Sum(nn.Sequential):
    def forward(self, x):
        first, second = self
        return first(x) + second(x)


def normalised(channels, width, size):
    norm = nn.BatchNorm2d(width, affine=False)
    return nn.Conv2d(channels, width, size, 1, size // 2), norm, nn.ReLU(inplace=True)


def inception(channels, plain, inner, outer, sizes):
    branches = [nn.Sequential(*normalised(channels, plain, 1))]
    for size in sizes:
        branches.append(nn.Sequential(*normalised(channels, inner, 1), *normalised(inner, outer, size)))
    return Concat(*branches)


def mega_depth():
    """Logarithm of depth: [N, 3, H, W] -> [N, 1, H, W]."""
    double = nn.Upsample(scale_factor=2, mode="nearest")
    c256 = (256, 64, 32, 64, NEAR)
    deepest = [inception(*c256) for _ in range(3)]
    eighth = nn.Sequential(
        Sum(
            nn.Sequential(inception(*c256), inception(*c256)),
            nn.Sequential(nn.AvgPool2d(2, 2), *deepest, double),
        )
    )
    deep = [nn.AvgPool2d(2, 2), inception(*c256), inception(*c256), eighth, inception(*c256)]
    far = (256, 64, 64, 64, FAR)
    skip = nn.Sequential(inception(*c256), inception(*far))
    quarter = nn.Sequential(Sum(skip, nn.Sequential(*deep, inception(*far), double)))
    c128 = (128, 32, 32, 32, NEAR)
    deep = [nn.MaxPool2d(2, 2), inception(*c128), inception(128, 64, 32, 64, NEAR), quarter, inception(*c256)]
    deep = nn.Sequential(*deep, inception(256, 32, 32, 32, NEAR), double)
    half = nn.Sequential(Sum(deep, nn.Sequential(inception(*c128), inception(128, 32, 64, 32, FAR))))
    deep = [nn.MaxPool2d(2, 2), inception(*c128), inception(*c128), half, inception(128, 32, 64, 32, NEAR)]
    deep = nn.Sequential(*deep, inception(128, 16, 32, 16, FAR), double)
    whole = nn.Sequential(Sum(deep, nn.Sequential(inception(128, 16, 64, 16, FAR))))
    last = nn.Conv2d(64, 1, 3, 1, 1)
    return nn.Sequential(nn.Conv2d(3, 128, 7, 1, 3), nn.BatchNorm2d(128), nn.ReLU(inplace=True), whole, last)
