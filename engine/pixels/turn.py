"""How a picture is to be set upright: what a film's display matrix or a photo's EXIF data ask for."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from av.video.frame import VideoFrame

from .exif import orientation_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """How to set a picture upright: swap rows and columns first, then mirror.

    Attributes:
        transpose: Rows become columns.
        across: Mirror left and right.
        down: Mirror top and bottom.
    """

    transpose: bool = False
    across: bool = False
    down: bool = False


_TURNS = {  # by the angle, against the clock
    90: Turn(transpose=True, down=True),
    180: Turn(across=True, down=True),
    270: Turn(transpose=True, across=True),
}
_ORIENTATIONS = {  # EXIF's
    1: Turn(),
    2: Turn(across=True),
    3: Turn(across=True, down=True),
    4: Turn(down=True),
    5: Turn(transpose=True),
    6: Turn(transpose=True, across=True),
    7: Turn(transpose=True, across=True, down=True),
    8: Turn(transpose=True, down=True),
}


def turn_of(picture: VideoFrame, file: Path | None = None) -> Turn:
    """Return what the display matrix of a picture asks for; angles off the square are ignored.

    Args:
        picture: Decoded.
        file: The photo that it comes from, if it is one.
    """
    try:
        data = cast("Mapping[str, bytes]", picture.side_data).get("DISPLAYMATRIX")
    except ValueError:
        # PyAV 18.1 does not know the side data in which libav 8 keeps EXIF, and then gives none of it.
        # What is left tells the angle and hides a mirror.
        orientation = orientation_of(file.read_bytes()) if file is not None else None
        if orientation is not None:
            return _ORIENTATIONS[orientation]
        return _TURNS.get(picture.rotation % 360, Turn())
    if data is None:
        return Turn()
    # A point (x, y), y downwards, goes to (a x + c y, b x + d y).
    a, b, _, c, d = (round(int(x) / 2**16) for x in np.frombuffer(data, np.int32)[:5])
    if (b or c) and (a or d):
        _log.warning(
            "The film asks to be turned by %d degrees; only right angles are done.", picture.rotation
        )
        return Turn()
    if b or c:
        return Turn(transpose=True, across=c < 0, down=b < 0)
    return Turn(across=a < 0, down=d < 0)
