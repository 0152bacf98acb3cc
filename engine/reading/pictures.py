"""Between libav's pictures and the pixels that stages work on."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import cast

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from ..pixels.colour import Layout, Samples, planes_from_rgb, resolve_matrix, rgb_from_planes
from ..pixels.frame import Colour, Pixels
from ..pixels.planar import Coding, Picture, Planar, rgb_of, upright
from ..pixels.turn import Turn

# The formats whose planes are read and written as they are; all others pass through one of these.
_PLANAR = re.compile(r"(?:yuvj?(?P<chroma>420|422|440|444)p|(?P<grey>gray)|gbrp)(?P<bits>\d+)?(?:le)?")
_WITH_ALPHA = re.compile(r"(?:yuva4\d\dp|gbrap)(?:\d+le)?")  # whose fourth plane it is
CHROMA_BETWEEN = ("mjpeg", "mpeg1video")  # codecs whose chroma lies between pixels, not on them
_DEPTHS = (8, 9, 10, 12, 14, 16)
_LIMITED, _FULL = 1, 2  # libav's AVColorRange


def planar_format(name: str) -> str:
    """Return the planar, little-endian format without alpha that keeps every sample of ``name``."""
    if _PLANAR.fullmatch(name):
        return name
    pixel_format = VideoFormat(name)
    samples = [component for component in pixel_format.components if not component.is_alpha]
    wanted = max(component.bits for component in samples)
    bits = next((depth for depth in _DEPTHS if depth >= wanted), 16)
    tail = f"{bits}le" if bits > 8 else ""
    if pixel_format.is_rgb or pixel_format.has_palette or name.startswith("xyz"):
        return f"gbrp{tail}"
    if len(samples) == 1:
        return "gray16le" if bits > 8 else "gray"
    halves = (pixel_format.chroma_width(64) == 32, pixel_format.chroma_height(64) == 32)
    chroma = {(True, True): "420", (True, False): "422", (False, True): "440"}.get(halves, "444")
    return f"yuv{chroma}p{tail}"


def layout_of(name: str, *, left: bool = True) -> Layout:
    """Return how the planes of a format are laid out; the name must be a planar one."""
    match = _PLANAR.fullmatch(name)
    if match is None:
        raise ValueError(f"{name} is not a planar format")
    chroma, bits = match["chroma"], int(match["bits"] or 8)
    if match["grey"]:
        return Layout("grey", bits)
    if chroma is None:
        return Layout("rgb", bits)
    return Layout(
        "yuv", bits, half_width=chroma in ("420", "422"), half_height=chroma in ("420", "440"), left=left
    )


def has_alpha(name: str) -> bool:
    """Whether pictures of this format may be transparent; those of a palette seldom are."""
    return any(component.is_alpha for component in VideoFormat(name).components)


def opacity_of(picture: VideoFrame, reformatter: VideoReformatter) -> NDArray[np.float32] | None:
    """Return how opaque a picture is, [H, W] float32 in [0, 1]; None where it is so everywhere."""
    if not (has_alpha(picture.format.name) or picture.format.has_palette):
        return None
    if not _WITH_ALPHA.fullmatch(picture.format.name):
        deep = max(component.bits for component in picture.format.components) > 8
        picture = reformatter.reformat(picture, format="gbrap16le" if deep else "gbrap")
    top = 2 ** picture.format.components[3].bits - 1
    plane = picture.planes[3]
    memory = np.frombuffer(cast(bytes, plane), np.uint8 if top == 255 else np.dtype("<u2"))
    codes = memory.reshape(-1, plane.line_size // memory.itemsize)[: picture.height, : picture.width]
    return None if codes.min() == top else codes.astype(np.float32) / np.float32(top)


def depth_of(name: str) -> int:
    """Return how many bits per sample of this format are worth keeping: 8, 10, 12 or 16."""
    bits = layout_of(planar_format(name)).bits
    return next(depth for depth in (8, 10, 12, 16) if depth >= bits)


def sampling_of(name: str) -> str:
    """Return how often this format has a sample of colour: 420, 422, 444, grey or rgb."""
    layout = layout_of(planar_format(name))
    if layout.kind != "yuv":
        return layout.kind
    pixel_format = VideoFormat(name)
    if pixel_format.chroma_width(64) == 64:
        return "444"
    return "422" if pixel_format.chroma_height(64) == 64 else "420"


def aspect_of(stream: VideoStream) -> Fraction:
    """Return the width of a pixel over its height, as the file says, or its codec once it has decoded one."""
    return stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)


def colour_of(picture: VideoFrame, *, image: bool) -> Colour:
    """Return how a decoded picture codes colour.

    Args:
        picture: Any frame of the film.
        image: Whether it comes from a format for photos, where grey without a stated range is full.
    """
    name = picture.format.name
    untagged_full = name.startswith("yuvj") or (image and name.startswith(("gray", "ya", "mono")))
    return Colour(
        matrix=int(picture.colorspace),
        primaries=int(picture.color_primaries),
        transfer=int(picture.color_trc),
        full_range=picture.color_range == _FULL or (picture.color_range == 0 and untagged_full),
    )


class Reader:
    """Turns the pictures of one film into pixels.

    Args:
        colour: How the film codes colour, as ``colour_of`` says.
        turn: How to set its pictures upright.
        left: Where its chroma lies; see ``Layout``.
        clip: Whether to clip colours outside RGB.

    Attributes:
        transparent: Whether any of the pictures read was.
    """

    def __init__(self, colour: Colour, turn: Turn, *, left: bool, clip: bool = True) -> None:
        self.transparent = False
        self._clip = clip
        self._colour = colour
        self._turn = turn
        self._left = left
        self._reformatter = VideoReformatter()

    def read(self, picture: VideoFrame) -> Pixels:
        """Return the pixels of a picture: [1, 3, H, W] float32, RGB, [0, 1], upright.

        The matrix is the film's own, or what players assume at this size. What is transparent shows black.
        """
        planes, coding = self._samples(picture)
        pixels = rgb_from_planes(
            planes, coding.layout, matrix=coding.matrix, full_range=coding.full_range, clip=self._clip
        )
        opacity = opacity_of(picture, self._reformatter)
        if opacity is not None:
            self.transparent = True
            pixels = pixels * opacity
        return upright(pixels, self._turn)

    def planar(self, picture: VideoFrame) -> Picture:
        """Return the planes of which ``read`` makes RGB; where these do not say all, what it gives.

        That is where something is transparent, or colours outside RGB are kept.
        """
        if not self._clip or opacity_of(picture, self._reformatter) is not None:
            return self.read(picture)
        planes, coding = self._samples(picture)
        return Planar(tuple(planes), coding, None if self._turn == Turn() else self._turn)

    def _samples(self, picture: VideoFrame) -> tuple[list[Samples], Coding]:
        planar = self._as_planes(picture)
        layout = layout_of(planar.format.name, left=self._left)
        matrix = resolve_matrix(self._colour, picture.width, picture.height)
        return _planes(planar, layout), Coding(layout, matrix, self._colour.full_range)

    def _as_planes(self, picture: VideoFrame) -> VideoFrame:
        wanted = planar_format(picture.format.name)
        if wanted == picture.format.name:
            return picture
        # The same range on both sides, so that libswscale moves samples and computes nothing.
        span = _FULL if self._colour.full_range else _LIMITED
        return self._reformatter.reformat(picture, format=wanted, src_color_range=span, dst_color_range=span)


class Writer:
    """Turns pixels into pictures of one format.

    Args:
        name: The pixel format, any that libav has.
        colour: How to code it; ``matrix`` must be resolved (see ``resolve_matrix``).
        left: Where chroma shall lie; see ``Layout``.
        clip: Whether to clip colours outside RGB.
    """

    def __init__(self, name: str, colour: Colour, *, left: bool, clip: bool = True) -> None:
        self._clip = clip
        self._name = name
        self._colour = colour
        self._planar = planar_format(name)
        self._layout = layout_of(self._planar, left=left)
        self._reformatter = VideoReformatter()

    @property
    def coding(self) -> Coding | None:
        """Of the planes that ``write`` takes as they are; None where colours outside RGB are kept."""
        if not self._clip:
            return None
        return Coding(self._layout, self._colour.matrix, self._colour.full_range)

    def write(self, pixels: Picture) -> VideoFrame:
        """Return the picture of [1, 3, H, W] float32 RGB in [0, 1], rounded half to even; or of planes."""
        height, width = pixels.shape[2:]
        colour, layout = self._colour, self._layout
        if isinstance(pixels, Planar) and pixels.coding == self.coding and pixels.turn is None:
            planes = list(pixels.planes)
        else:
            planes = planes_from_rgb(
                rgb_of(pixels), layout, matrix=colour.matrix, full_range=colour.full_range, clip=self._clip
            )
        picture = VideoFrame(width, height, self._planar)
        for plane, samples in zip(_in_order(picture, layout), planes, strict=True):
            _samples(plane, layout)[: samples.shape[0], : samples.shape[1]] = samples
        span = _FULL if colour.full_range else _LIMITED
        if self._name != self._planar:
            picture = self._reformatter.reformat(
                picture, format=self._name, src_color_range=span, dst_color_range=span
            )
        return self._tagged(picture)

    def blank(self, width: int, height: int) -> VideoFrame:
        """Return a picture as ``write`` does, with nothing in it yet."""
        return self._tagged(VideoFrame(width, height, self._name))

    def _tagged(self, picture: VideoFrame) -> VideoFrame:
        colour = self._colour
        picture.color_range = _FULL if colour.full_range else _LIMITED
        picture.colorspace = 0 if self._layout.kind == "rgb" else colour.matrix
        picture.color_primaries = colour.primaries
        picture.color_trc = colour.transfer
        return picture


def _planes(picture: VideoFrame, layout: Layout) -> list[Samples]:
    halved = (1 + layout.half_height, 1 + layout.half_width)
    sizes = [(picture.height, picture.width)] * 3
    if layout.kind == "yuv":
        sizes[1:] = [(-(-picture.height // halved[0]), -(-picture.width // halved[1]))] * 2
    return [
        _samples(plane, layout)[:height, :width]
        for plane, (height, width) in zip(_in_order(picture, layout), sizes, strict=False)
    ]


def _in_order(picture: VideoFrame, layout: Layout) -> list[VideoPlane]:
    """Return the planes as Y, U, V or R, G, B; libav keeps the latter as G, B, R."""
    planes = list(picture.planes)
    return [planes[2], planes[0], planes[1]] if layout.kind == "rgb" else planes[:3]


def _samples(plane: VideoPlane, layout: Layout) -> Samples:
    """Return the memory of a plane, [rows, columns with padding], to read or to write."""
    memory = np.frombuffer(cast(bytes, plane), layout.dtype)
    return cast(Samples, memory.reshape(-1, plane.line_size // memory.itemsize))
