"""The network of ``dain-s`` in PyTorch, to train it.

The same arithmetic and parameter names as ``export/networks/dain_small.py``, which is what is exported.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from lucas_kanade import blurred, brightness, flattened, gradient, smooth, still_apart
from starter_edvr import colourful
from torch import nn

CHANNELS = {1: 16, 2: 32, 3: 48, 4: 64, 5: 64}
FLOW_LEVELS = (5, 4, 3, 2)
REACH = 3
WIDTHS = (64, 48, 32)
MEASURED = ((16, 3), (8, 3), (4, 3), (2, 3), (1, 1))  # sizes, and corrections of the motion at each
DECIDED = 7  # pixels to each side by which one of two motions is preferred
CLEARLY = 0.003  # difference of brightness


def leaky(x):
    return F.leaky_relu(x, 0.1)


def sample(x, flow, mode="bilinear"):
    """Return ``x`` [N, C, H, W] read at each pixel's place plus ``flow`` [N, 2, H, W] in pixels."""
    _, _, height, width = x.shape
    xs = torch.arange(float(width)).reshape(1, 1, width) + flow[:, 0]
    ys = torch.arange(float(height)).reshape(1, height, 1) + flow[:, 1]
    grid = torch.stack([xs * (2 / (width - 1)) - 1, ys * (2 / (height - 1)) - 1], dim=-1)
    return F.grid_sample(x, grid, mode=mode, padding_mode="border", align_corners=True)


def enlarged(x, factor):
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class _Correlation(torch.autograd.Function):
    """The products at all displacements; PyTorch's own way back from as many slices takes far longer."""

    @staticmethod
    def forward(ctx, first, second):
        padded = F.pad(second, [REACH] * 4)
        ctx.save_for_backward(first, padded)
        out = [(first * padded[:, :, rows, columns]).mean(dim=1) for rows, columns in _windows(first)]
        return torch.stack(out, dim=1)

    @staticmethod
    def backward(ctx, *gradients):
        first, padded = ctx.saved_tensors
        of_first, of_padded = torch.zeros_like(first), torch.zeros_like(padded)
        scaled = gradients[0].contiguous() / first.shape[1]
        for index, (rows, columns) in enumerate(_windows(first)):
            one = scaled[:, index : index + 1]
            of_first.addcmul_(one, padded[:, :, rows, columns])
            of_padded[:, :, rows, columns].addcmul_(one, first)
        return of_first, of_padded[:, :, REACH:-REACH, REACH:-REACH]


def _windows(x):
    height, width = x.shape[2:]
    steps = range(2 * REACH + 1)
    return [(slice(dy, dy + height), slice(dx, dx + width)) for dy in steps for dx in steps]


def correlation(first, second):
    """Return the mean product of two maps at 49 displacements: [N, 49, H, W], y outermost."""
    return _Correlation.apply(first.contiguous(), second.contiguous())


class Features(nn.Module):
    """Features of a frame at levels 1 to 5: [N, 3, H, W] -> five maps, H/2 down to H/32."""

    def __init__(self):
        super().__init__()
        channels = 3
        for level, width in CHANNELS.items():
            self.add_module(f"conv{level}a", nn.Conv2d(channels, width, 3, 2, 1))
            self.add_module(f"conv{level}b", nn.Conv2d(width, width, 3, 1, 1))
            channels = width

    def forward(self, x):
        maps, x = [], 4 * x - 2
        for level in CHANNELS:
            x = leaky(self.get_submodule(f"conv{level}a")(x))
            x = leaky(self.get_submodule(f"conv{level}b")(x))
            maps.append(x)
        return maps


class Flow(nn.Module):
    """Where each pixel of the first frame is in the second, pixels of level 2, [N, 2, H/4, W/4]."""

    def __init__(self):
        super().__init__()
        for level in FLOW_LEVELS:
            channels = (2 * REACH + 1) ** 2 + CHANNELS[level] + 2
            for index, width in enumerate(WIDTHS):
                self.add_module(f"conv{level}_{index}", nn.Conv2d(channels, width, 3, 1, 1))
                channels = width
            self.add_module(f"flow{level}", nn.Conv2d(channels, 2, 3, 1, 1))

    def forward(self, first, second):
        flow, all_levels = None, []
        for level in FLOW_LEVELS:
            mine, other = first[level - 1], second[level - 1]
            if flow is None:  # also, one row or column alone could not be sampled between its corners
                flow = torch.zeros_like(mine[:, :2])
            else:
                flow = 2 * enlarged(flow, 2)
                other = sample(other, flow)
            cost = leaky(correlation(mine, other))
            x = torch.cat([cost, mine, flow], dim=1)
            for index in range(len(WIDTHS)):
                x = leaky(self.get_submodule(f"conv{level}_{index}")(x))
            flow = flow + self.get_submodule(f"flow{level}")(x)
            all_levels.append(flow)
        return all_levels


class Meet(nn.Module):
    """Flows between two frames -> where each pixel of the time between is in either frame.

    Starts from the flows that both frames have at the same place, as if all around moved alike, and
    corrects them by what the features look like there.
    """

    def __init__(self):
        super().__init__()
        channels = 2 * CHANNELS[2] + 5
        for index, width in enumerate((64, 64, 48)):
            self.add_module(f"conv{index}", nn.Conv2d(channels, width, 3, 1, 1))
            channels = width
        self.head = nn.Conv2d(channels, 5, 3, 1, 1)

    def forward(self, seen_a, seen_b, flow_ab, flow_ba, t):
        to_a = t * (t * flow_ba - (1 - t) * flow_ab)
        to_b = (1 - t) * ((1 - t) * flow_ab - t * flow_ba)
        x = [sample(seen_a, to_a), sample(seen_b, to_b), to_a, to_b, torch.ones_like(to_a[:, :1]) * t]
        x = torch.cat(x, dim=1)
        for index in range(3):
            x = leaky(self.get_submodule(f"conv{index}")(x))
        out = self.head(x)
        return to_a + out[:, 0:2], to_b + out[:, 2:4], out[:, 4:5]


def corrected(a, b, to_a, to_b, t, *, times=1):
    """Return the motions to both frames, corrected by how far what they lead to is still apart.

    The network that found them saw a fourth of the size; half a pixel more or less decides whether a texture
    is sharp. ``a`` and ``b`` are brightness, flattened. Nothing is learned from the correction.
    """
    with torch.no_grad():
        apart = torch.zeros_like(to_a)
        for _ in range(times):
            step = step_apart(sample(a, to_a - t * apart), sample(b, to_b + (1 - t) * apart))
            apart = smooth(apart + step)
    return to_a - t * apart, to_b + (1 - t) * apart


def measured(a, b, t):
    """Return the motions to both frames by measure alone: exact for slow ones, and whole ones as of a pan.

    ``a`` and ``b`` are brightness.
    """
    apart = None
    for size, corrections in MEASURED:
        mine, other = (flattened(F.avg_pool2d(x, size) if size > 1 else x) for x in (a, b))
        apart = torch.zeros_like(mine).repeat(1, 2, 1, 1) if apart is None else 2 * enlarged(apart, 2)
        for _ in range(corrections):
            step = step_apart(sample(mine, -t * apart), sample(other, (1 - t) * apart))
            apart = smooth(apart + step)
    return -t * apart, (1 - t) * apart


def step_apart(still, moved):
    return still_apart(still, moved, (gradient(moved) + gradient(still)) / 2)


def unlike(a, b, to_a, to_b):
    return blurred((sample(a, to_a) - sample(b, to_b)).abs().mean(dim=1, keepdim=True), DECIDED)


@torch.no_grad()
def better(a, b, found, by_network):
    """Return which of two motions to both frames leads to what is more alike, [N, 1, H, W] in [0, 1]."""
    return torch.sigmoid((unlike(a, b, *by_network) - unlike(a, b, *found)) / CLEARLY)


class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x):
        return x + self.conv2(F.relu(self.conv1(x)))


class Rectifier(nn.Module):
    """What is known of a time, [N, 14, H, W] -> what to change, and which frame to trust: [N, 4, H, W]."""

    def __init__(self, fine=16, coarse=32):
        super().__init__()
        self.enter = nn.Conv2d(14, fine, 3, 1, 1)
        self.down = nn.Conv2d(fine, coarse, 4, 2, 1)
        self.block1 = ResidualBlock(coarse)
        self.block2 = ResidualBlock(coarse)
        self.block3 = ResidualBlock(coarse)
        self.up = nn.Conv2d(coarse, 4 * fine, 3, 1, 1)
        self.fine = nn.Conv2d(fine, fine, 3, 1, 1)
        self.leave = nn.Conv2d(fine, 4, 3, 1, 1)

    def forward(self, x):
        fine = leaky(self.enter(x))
        coarse = self.block3(self.block2(self.block1(leaky(self.down(fine)))))
        fine = leaky(fine + F.pixel_shuffle(self.up(coarse), 2))
        return self.leave(leaky(self.fine(fine)))


# Of the first weights, against what would keep the size of signals: no motion and no correction at first.
SMALLER = ((".conv2.", 0.1), (".flow", 0.0), ("meet.head", 0.0), ("rectifier.leave", 0.0))


def begin(net):
    """Set the first weights, so that signals keep their size from layer to layer."""
    for name, parameter in net.named_parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
        else:
            nn.init.kaiming_normal_(parameter, a=0.1, nonlinearity="leaky_relu")
            parameter.data *= next((part for key, part in SMALLER if key in name), 1.0)


class StarterDain(nn.Module):
    """Frames a and b [N, 3, H, W] in [0, 1], t [N] in (0, 1) -> [N, 3, H, W]; multiples of 32."""

    def __init__(self):
        super().__init__()
        self.features = Features()
        self.flow = Flow()
        self.meet = Meet()
        self.rectifier = Rectifier()
        begin(self)

    def forward(self, a, b, t, *, steps=False, finely=True, measure=True):
        """Return the frame at t.

        Without ``finely`` the motion is not corrected and frames are read less sharply; without ``measure``
        the network's motion is used alone. With ``steps`` also the frame before it is rectified, and the
        flows of each level.
        """
        count = a.shape[0]
        t = t.reshape(-1, 1, 1, 1)
        maps = self.features(torch.cat([a, b]))
        turned = [torch.cat([m[count:], m[:count]]) for m in maps]
        flows = self.flow(maps, turned)
        flow_ab, flow_ba = flows[-1].split(count)
        to_a, to_b, trust = self.meet(*maps[1].split(count), flow_ab, flow_ba, t)
        to_a, to_b, trust = 4 * enlarged(to_a, 4), 4 * enlarged(to_b, 4), enlarged(trust, 4)
        if finely:
            to_a, to_b = self._finer(a, b, to_a, to_b, t, measure=measure)
        mode = "bicubic" if finely else "bilinear"
        moved_a, moved_b = sample(a, to_a, mode), sample(b, to_b, mode)
        # Without any sign to the contrary, the nearer frame counts for more.
        share = torch.sigmoid(trust + torch.log((1 - t) / t))
        blend = share * moved_a + (1 - share) * moved_b
        known = torch.cat([blend, moved_a, moved_b, to_a / 16, to_b / 16, share], dim=1)
        out = self.rectifier(known)
        share = torch.sigmoid(torch.log((share + 1e-4) / (1.0001 - share)) + out[:, 3:4])
        grey = out[:, :3].mean(dim=1, keepdim=True)
        colour = torch.maximum(colourful(moved_a), colourful(moved_b))
        between = share * moved_a + (1 - share) * moved_b + grey + colour * (out[:, :3] - grey)
        return (between, blend, flows) if steps else between

    def _finer(self, a, b, to_a, to_b, t, *, measure):
        flat = [flattened(brightness(frame)) for frame in (a, b)]
        if not measure:
            return corrected(*flat, to_a, to_b, t, times=2)
        to_a, to_b = corrected(*flat, to_a, to_b, t)
        with torch.no_grad():
            found = measured(brightness(a), brightness(b), t)
            share = better(a, b, found, (to_a, to_b))
        to_a, to_b = share * found[0] + (1 - share) * to_a, share * found[1] + (1 - share) * to_b
        return corrected(*flat, to_a, to_b, t)
