"""HDR film brought into the range of ordinary film, for which the networks are made.

Light is found from the codes (SMPTE ST 2084 for PQ; ITU-R BT.2100 for HLG, as on a display of 1000 cd/m2),
bent into 203 cd/m2, the white of ordinary film by ITU-R BT.2408, with the curve of ITU-R BT.2390 (section
5.4: straight up to its knee, then a spline to the brightest light of the film), and brought from BT.2020 to
BT.709. The curve is applied to the largest of red, green and blue, and the others follow, so hues stay.
What BT.709 cannot show is clipped. The display is one of BT.1886.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from struct import error as TooShort  # noqa: N812 - it is an exception
from struct import unpack_from
from typing import cast

import numpy as np
from av.video.frame import VideoFrame

from ...errors import InputError
from ..pixels.frame import Colour, Format, Pixels

_PQ, _HLG = 16, 18  # libav's AVColorTransferCharacteristic
_NAMES = {_PQ: "PQ", _HLG: "HLG"}
_BT2020, _UNSPECIFIED = 9, 2
_DOLBY_VISION = ("DOVI_METADATA", "DOVI_RPU_BUFFER")
_WANTED = (*_DOLBY_VISION, "CONTENT_LIGHT_LEVEL", "MASTERING_DISPLAY_METADATA")
_WHITE = 203.0  # cd/m2
_HLG_PEAK = 1000.0
_USUAL_PEAK = 1000.0  # of films that do not say
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073  # of HLG
_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32).reshape(1, 3, 1, 1)
_BT709_FROM_BT2020 = np.array(  # ITU-R BT.2087
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_GAMMA = 2.4


class Hdr(StrEnum):
    """What to do with a film of high dynamic range."""

    REFUSE = "refuse"
    TONEMAP = "tonemap"


class ToneMap:
    """Turns the pixels of one HDR film into those of an ordinary one.

    Args:
        colour: How the film codes colour; its transfer is PQ or HLG.
        peak: The brightest light in it, cd/m2.
    """

    def __init__(self, colour: Colour, peak: float) -> None:
        self._colour = colour
        self._peak = peak

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return [1, 3, H, W] float32 in [0, 1] for BT.709, of codes in [0, 1]."""
        light = _light_of_pq(pixels) if self._colour.transfer == _PQ else _light_of_hlg(pixels)
        brightest = light.max(axis=1, keepdims=True)
        light *= self._bent(brightest) / np.maximum(brightest, np.float32(1e-6))
        if self._colour.primaries == _BT2020:
            light = np.einsum("ij,njhw->nihw", _BT709_FROM_BT2020, light)
        return np.clip(light / np.float32(_WHITE), 0, 1, dtype=np.float32) ** np.float32(1 / _GAMMA)

    def _bent(self, light: Pixels) -> Pixels:
        """Return light of [0, peak] brought into [0, white], cd/m2, by the curve of BT.2390."""
        if self._peak <= _WHITE:
            return np.minimum(light, np.float32(_WHITE))
        top = _pq_of_light(np.float32(self._peak))
        most = float(_pq_of_light(np.float32(_WHITE)) / top)
        code = np.minimum(_pq_of_light(light) / top, np.float32(1))
        knee = 1.5 * most - 0.5
        t = np.maximum((code - knee) / (1 - knee), 0)
        spline = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (-2 * t**3 + 3 * t**2) * most
        )
        return _light_of_pq(np.where(code < knee, code, spline).astype(np.float32) * top)


def tone_map_of(colour: Colour, picture: VideoFrame, path: Path, hdr: Hdr) -> ToneMap | None:
    """Return what makes a film ordinary; None for one that is.

    Args:
        colour: How it codes colour.
        picture: Its first.
        path: Its name, for the message.
        hdr: What to do with one that is not.

    Raises:
        InputError: It is of high dynamic range, and that is to be refused.
    """
    if colour.transfer not in _NAMES:
        _refuse_dolby_vision(colour, picture, path)
        return None
    if hdr is Hdr.REFUSE:
        raise InputError(
            f"{path} is HDR ({_NAMES[colour.transfer]}), which the networks were not made for.",
            "Add --hdr tonemap to bring it into the range of ordinary film (BT.709).",
        )
    peak = _HLG_PEAK if colour.transfer == _HLG else _stated_peak(picture) or _USUAL_PEAK
    return ToneMap(colour, min(max(peak, _WHITE), 10000.0))


def _refuse_dolby_vision(colour: Colour, picture: VideoFrame, path: Path) -> None:
    """Refuse a film whose colours have no meaning without data that are kept beside the pictures."""
    if colour.transfer == _UNSPECIFIED and any(kind in _side_data(picture) for kind in _DOLBY_VISION):
        raise InputError(
            f"{path} is coded for Dolby Vision alone, whose colours libav does not decode.",
            "Convert it to HDR10 or to ordinary film first.",
        )


def tone_mapped(film: Format) -> Format:
    """Return what a film is once it is mapped."""
    return replace(film, colour=Colour(matrix=1, primaries=1, transfer=1), clipped=True)


def _stated_peak(picture: VideoFrame) -> float | None:
    """Return the brightest light that a film says it has, cd/m2."""
    stated = _side_data(picture)
    level, display = stated.get("CONTENT_LIGHT_LEVEL"), stated.get("MASTERING_DISPLAY_METADATA")
    try:
        if level is not None and (brightest := unpack_from("I", bytes(level))[0]):
            return float(brightest)
        if display is not None:  # AVMasteringDisplayMetadata: ten rationals, the last the most light
            above, below = unpack_from("2i", bytes(display), 72)
            return above / below if below else None
    except TooShort:
        return None
    return None


def _side_data(picture: VideoFrame) -> dict[str, bytes]:
    """Return what lies beside a picture, as far as it is wanted here."""
    try:
        kept = cast("Mapping[str, bytes]", picture.side_data)
        return {name: data for name in _WANTED if (data := kept.get(name)) is not None}
    except ValueError:  # PyAV 18.1 does not know all side data, and then gives none
        return {}


def _light_of_pq(codes: Pixels) -> Pixels:
    root = np.clip(codes, 0, 1) ** np.float32(1 / _M2)
    above = np.maximum(root - np.float32(_C1), 0)
    return np.asarray((above / (_C2 - _C3 * root)) ** (1 / _M1) * 10000, np.float32)


def _pq_of_light(light: Pixels | np.float32) -> Pixels:
    power = np.asarray((np.maximum(light, 0) / 10000) ** _M1, np.float32)
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2, np.float32)


def _light_of_hlg(codes: Pixels) -> Pixels:
    codes = np.clip(codes, 0, 1)
    scene = np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - _C) / _A) + _B) / 12).astype(np.float32)
    luma = (scene * _LUMA).sum(axis=1, keepdims=True)
    return scene * luma ** np.float32(0.2) * np.float32(_HLG_PEAK)
