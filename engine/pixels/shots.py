"""Where shots begin: hard cuts, told from the flicker, flashes, dust and motion of old film.

Two pictures are compared as small ones of equal brightness and contrast, block by block, each block
where it fits best nearby. What stays unexplained is little within a shot, however much moves or
flickers, and much across a cut. A cut is where it leaps, and where no frame shortly before resembles
one shortly after: a flash or a damaged frame passes, a cut does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .frame import Frame, Pixels
from .planar import Picture, Planar

Thumbnail = NDArray[np.float32]

HEIGHT, WIDTH = 36, 48  # of a thumbnail; multiples of the block
_BLOCK = 6
_SEARCH = 4  # thumbnail pixels in each direction: a twelfth of the picture from frame to frame
_AROUND = 2  # frames after a cut that are looked at, and one more before it: a flash lasts no longer
_FLAT = 0.08  # standard deviation under which a picture is on its way to being empty

# Measured on ten clips: the weakest of seven cuts leaves 0.32 unexplained and 3.3 times as much as its
# surroundings, the strongest motion 0.26 and 1.5 times.
_LEAST = 0.2
_LEAP = 2.0
# Between pictures that have nothing in common less of a leap will do: a cut into fast motion.
_NOTHING_IN_COMMON = 0.5
_SMALL_LEAP = 1.2


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame that waits to be judged, and how much of it the one before it leaves unexplained."""

    frame: Frame
    thumbnail: Thumbnail
    change: float


def mark_cuts(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Give the same frames with ``cut`` set on the first one of every shot, and only there.

    Gradual changes (fades, dissolves) are no cuts. Two frames are read ahead; each frame's pixels
    pass through untouched.
    """
    before: deque[_Seen] = deque(maxlen=_AROUND + 1)
    ahead: deque[_Seen] = deque()
    last: Thumbnail | None = None
    for frame in frames:
        small = thumbnail(frame.picture)
        ahead.append(_Seen(frame, small, 1.0 if last is None else unexplained(last, small)))
        last = small
        if len(ahead) > _AROUND:
            yield _judge(before, ahead)
    while ahead:
        yield _judge(before, ahead)


def _judge(before: deque[_Seen], ahead: deque[_Seen]) -> Frame:
    """Take the first frame ahead and say whether it begins a shot."""
    cut = not before or _is_cut(list(before), list(ahead))
    seen = ahead.popleft()
    before.append(seen)
    return replace(seen.frame, cut=cut)


def _is_cut(before: list[_Seen], ahead: list[_Seen]) -> bool:
    change = ahead[0].change
    # Two frames alone show no leap, and who gives two pictures wants what lies between them.
    alone = len(before) == len(ahead) == 1
    if change < _LEAST or alone:
        return False
    around = sorted(seen.change for seen in [*before[-_AROUND:], *ahead[1:]])
    # Not the greatest of them, which may be another cut.
    usual = around[-2] if len(around) > 1 else 0.0
    if change < _SMALL_LEAP * usual:
        return False
    across = min(unexplained(old.thumbnail, new.thumbnail) for old in before for new in ahead)
    if across < _LEAST:
        return False
    return change >= _LEAP * usual or across >= _NOTHING_IN_COMMON


def thumbnail(picture: Picture) -> Thumbnail:
    """Return the luma of [1, 3, H, W] pixels, averaged down to 36 x 48 whatever the shape."""
    height, width = picture.shape[2:]
    # Of a large picture every second or third pixel tells enough.
    step_y, step_x = max(1, height // (6 * HEIGHT)), max(1, width // (6 * WIDTH))
    red, green, blue = _every(picture, step_y, step_x)[0]
    luma = red * np.float32(0.299) + green * np.float32(0.587) + blue * np.float32(0.114)
    return _averaged(_averaged(luma, HEIGHT).T, WIDTH).T


def _every(picture: Picture, rows: int, columns: int) -> Pixels:
    if isinstance(picture, Planar):
        return picture.every(rows, columns)
    return picture[:, :, ::rows, ::columns]


def thumbnail_weights(count: int, target: int) -> Thumbnail:
    """Return the matrix [target, count] by which ``thumbnail`` averages rows, or columns, of luma."""
    seen = range(0, count, max(1, count // (6 * target)))
    edges = np.arange(target + 1) * len(seen) // target
    matrix = np.zeros((target, count), np.float32)
    for row, (first, last) in enumerate(pairwise(edges.tolist())):
        band = seen[first : max(last, first + 1)]
        matrix[row, band.start : band.stop : band.step] = 1 / len(band)
    return matrix


def unexplained(a: Thumbnail, b: Thumbnail) -> float:
    """Return how much of ``b`` cannot be found in ``a`` nearby: 0 none, about 0.8 for unrelated ones.

    The unit is the standard deviation of the pictures; a different brightness or contrast costs
    nothing as long as there is a picture in both.
    """
    spread_a, spread_b = float(a.std()), float(b.std())
    spread = max(spread_a, spread_b, _FLAT)
    even_a, even_b = a - a.mean(), b - b.mean()
    if min(spread_a, spread_b) > spread / 4:
        even_a = even_a * np.float32(spread / spread_a)
        even_b = even_b * np.float32(spread / spread_b)
    padded = np.pad(even_a, _SEARCH, mode="edge")
    moved = np.lib.stride_tricks.sliding_window_view(padded, (HEIGHT, WIDTH)).reshape(-1, HEIGHT, WIDTH)
    missed = np.abs(moved - even_b)
    blocks = missed.reshape(-1, HEIGHT // _BLOCK, _BLOCK, WIDTH // _BLOCK, _BLOCK).mean((2, 4))
    return float(blocks.min(0).mean()) / spread


def _averaged(luma: Thumbnail, rows: int) -> Thumbnail:
    """Return the means of ``rows`` equal bands; of pictures smaller than that, the nearest rows."""
    height = luma.shape[0]
    edges = np.arange(rows + 1) * height // rows
    if height < rows:
        return luma[edges[:-1]]
    sums = np.add.reduceat(luma, edges[:-1], axis=0)
    return sums / np.diff(edges)[:, None].astype(np.float32)
