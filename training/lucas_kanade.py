"""Motion measured to parts of a pixel, in PyTorch: the same as ``export/networks/lucas_kanade.py``."""

from __future__ import annotations

import torch
import torch.nn.functional as F

AROUND, SMOOTH, FLAT = 4, 2, 7  # pixels to each side
FIRM = 1e-3  # squared gradient below which little is known of the motion


def blurred(x, radius):
    """Return the mean of the square around each pixel."""
    size = 2 * radius + 1
    x = F.pad(x, [radius] * 4, mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(x, (size, 1), 1), (1, size), 1)


def brightness(frame):
    return (frame * torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(dim=1, keepdim=True)


def flattened(bright):
    """Return brightness without what changes slowly from place to place: flicker is no motion."""
    return bright - blurred(bright, FLAT)


def gradient(x):
    p = F.pad(x, [1] * 4, mode="replicate")
    return torch.cat([p[:, :, 1:-1, 2:] - p[:, :, 1:-1, :-2], p[:, :, 2:, 1:-1] - p[:, :, :-2, 1:-1]], 1) / 2


def still_apart(still, moved, slope):
    """Return by how many pixels ``moved`` is to be read further on to look like ``still``, [N, 2, H, W]."""
    products = torch.cat([slope * slope, slope[:, :1] * slope[:, 1:], slope * (moved - still)], dim=1)
    xx, yy, xy, x_off, y_off = blurred(products, AROUND).split(1, dim=1)
    xx, yy = xx + FIRM, yy + FIRM
    step = torch.cat([xy * y_off - yy * x_off, xy * x_off - xx * y_off], dim=1) / (xx * yy - xy * xy)
    return step.clamp(-1, 1)


def smooth(flow):
    return blurred(flow, SMOOTH)


def own_places(like):
    height, width = like.shape[2:]
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([x, y])[None]


def read_at(image, places, mode="bilinear"):
    """Return ``image`` [N, C, H, W] at ``places`` [N, 2, h, w], x and y in pixels."""
    height, width = image.shape[2:]
    grid = torch.stack([places[:, 0] * (2 / (width - 1)), places[:, 1] * (2 / (height - 1))], dim=-1) - 1
    return F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=True)
