"""What to make of a film."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ...errors import ReelError
from ...models.deoldify import RENDER_FACTOR
from ..pixels.parity import Parity
from ..pixels.size import box_from_text
from ..reading.fields import Field
from ..reading.tonemap import Hdr
from ..stages.cadence import Cadence
from ..writing.encoding import Encoding

OFFICIAL = ("deoldify", "dain", "edvr")
"""The networks with PaddleGAN's weights that restore a film, in this order: what is coloured first is
coloured once, and the frames in between take their colours from both sides, which flicker less then."""
OFFICIAL_AS_PPGAN = ("dain", "deoldify", "edvr")
"""In PaddleGAN's order, in which every frame that was made is coloured anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to make of a film.

    Attributes:
        order: Names of networks, first to last. Empty: the film is only decoded and encoded. None: those
            that ``engine.runs.order.default_order`` finds for a store, or else the official ones.
        cadence: Which frames an interpolator makes.
        render_factor: Detail that the colouriser looks at.
        remove_duplicates: Interpolate over frames that only repeat their neighbour.
        cuts: Whether to look for cuts, which no network then looks across.
        parity: Correct, or as PaddleGAN to the byte, which knows no cuts.
        start, end: The part of the film to do, seconds from its beginning; None for all.
        rate: Frames per second of a folder of pictures.
        field: How a film's pictures are made up; interlaced and telecined ones are made progressive.
        tracks: Which tracks are wanted, in ffmpeg's words, such as ``a:0`` or ``-s``; all if empty.
        crop: Whether to look for black borders and leave them out of the networks' work.
        hdr: What to do with a film of high dynamic range: refuse it, or bring it to BT.709.
        size: What the result is fitted into at last, such as ``2160p`` or ``1920x1080``; None: as it is.
        encoding: Codec, quality, pixel format.
        memory: Bytes that the networks may take beyond their weights; None: a share of the machine's.
        overwrite: Whether a file that is there already may be replaced.
        work: The folder for unfinished work; None: hidden beside the result.
        fresh: Start over, and drop what an earlier run left unfinished.
    """

    order: tuple[str, ...] | None = None
    cadence: Cadence = dataclasses.field(default_factory=lambda: Cadence(factor=Fraction(2)))
    render_factor: int = RENDER_FACTOR
    remove_duplicates: bool = False
    cuts: bool = True
    parity: Parity = Parity.CORRECT
    start: Fraction | None = None
    end: Fraction | None = None
    rate: Fraction | None = None
    field: Field = Field.AUTO
    tracks: tuple[str, ...] = ()
    crop: bool = False
    hdr: Hdr = Hdr.REFUSE
    size: str | None = None
    encoding: Encoding = dataclasses.field(default_factory=Encoding)
    memory: int | None = None
    overwrite: bool = False
    work: Path | None = None
    fresh: bool = False

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the networks, the official ones where none were given."""
        if self.order is not None:
            return self.order
        return OFFICIAL_AS_PPGAN if self.parity is Parity.PPGAN else OFFICIAL

    def __post_init__(self) -> None:
        if self.render_factor < 1:
            raise ReelError("A render factor below 1 leaves the colouriser nothing to see.", "Give 16 to 45.")
        if self.size is not None:
            box_from_text(self.size)
