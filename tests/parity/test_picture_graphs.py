"""The graphs for pictures, run by ONNX Runtime, against what the engine does in NumPy."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from reel.engine.backends.cpu import CpuBackend
from reel.engine.pixels.coding import LUMA_WEIGHTS, Layout
from reel.engine.pixels.graph_operations import GraphOperations, samples_of
from reel.engine.pixels.operations import HostOperations
from reel.engine.pixels.turn import Turn
from reel.models.pictures import PICTURES, READ, WRITTEN
from reel.models.store import Store

pytest.importorskip("onnx", reason="needs onnx to make graphs")

PRECISIONS = {"fp32": np.float32, "fp16": np.float16}
DEPTHS = {False: (8,), True: (9, 10, 12, 16)}
SIZES = ((16, 24), (15, 23), (37, 53), (2, 2), (1, 7), (7, 1), (1, 1))
HALF = 2.0**-12
"""Half of the last place of float16 from 0.5 to 1: how far a picture is from what was computed."""

USUAL = ("420", "420-deep")  # what most films have, and what is put into the table

HOST = HostOperations()


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Store:
    from reel.export.pictures import export_pictures

    store = Store(tmp_path_factory.mktemp("store"))
    for precision in PRECISIONS:
        export_pictures(store, precision=precision)
    return store


@pytest.fixture(params=PRECISIONS, scope="module")
def precision(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def graphs(kept, precision) -> Iterator[GraphOperations]:
    with GraphOperations(CpuBackend(1), kept.find(PICTURES, precision=precision)) as operations:
        yield operations


@pytest.fixture
def note(put_in_table, precision):
    """Put the largest difference of an operation into the table."""

    def put(what: str, found: float, allowed: float) -> None:
        cells = {"operation": what, "pictures": precision, "largest": f"{found:.1e}"}
        put_in_table("graphs for pictures against NumPy", cells | {"tolerance": f"{allowed:.1e}"})

    return put


def layouts(planes) -> Iterator[Layout]:
    for bits in DEPTHS[planes.deep]:
        kind = planes.sampling if planes.sampling in ("grey", "rgb") else "yuv"
        halves = {"half_width": planes.half_width, "half_height": planes.half_height}
        yield Layout(kind, bits, **halves, left=not planes.between)


def cases(planes) -> Iterator[tuple[Layout, dict[str, int | bool], tuple[int, int]]]:
    """Yield every layout in every size, and with every matrix and range."""
    for layout in layouts(planes):
        for size in SIZES:
            yield layout, {"matrix": 6, "full_range": False}, size
        for matrix in LUMA_WEIGHTS if layout.kind != "rgb" else (1,):
            for full_range in (False, True):
                yield layout, {"matrix": matrix, "full_range": full_range}, (15, 23)


def every_code(layout: Layout, height: int, width: int, seed: int) -> list[np.ndarray]:
    """Return planes of any codes at all: blacker than black, whiter than white, colours outside RGB."""
    noise, top = np.random.default_rng(seed), 2**layout.bits - 1
    chroma = (-(-height // (1 + layout.half_height)), -(-width // (1 + layout.half_width)))
    sizes = [(height, width), chroma, chroma][: 1 if layout.kind == "grey" else 3]
    planes = [noise.integers(0, top, size, endpoint=True).astype(layout.dtype) for size in sizes]
    for plane in planes:
        plane.flat[:: max(plane.size // 5, 1)] = noise.choice([0, top])
    return planes


def taking_turns(planes: list[np.ndarray]) -> list[np.ndarray]:
    """Return Y, and U and V in turns, as hardware decoders have them."""
    luma, *chroma = planes
    return [luma, np.stack(chroma, axis=-1).reshape(chroma[0].shape[0], -1)]


def furthest(expected, found) -> float:
    assert found.shape == expected.shape
    return float(np.abs(found.astype(np.float64) - expected).max())


@pytest.mark.parametrize("planes", READ, ids=lambda planes: planes.name)
def test_planes_become_the_same_rgb(planes, graphs, precision, note):
    worst, allowed = 0.0, 0.0 if precision == "fp32" else HALF
    for seed, (layout, coding, size) in enumerate(cases(planes)):
        given = every_code(layout, *size, seed)
        expected = HOST.ingested(given, layout, **coding)
        found = graphs.ingested(taking_turns(given) if planes.joined else given, layout, **coding)
        assert found.dtype == PRECISIONS[precision]
        worst = max(worst, furthest(expected, found))
    if planes.name in USUAL:
        note(f"ingest {planes.name}", worst, allowed)
    assert worst <= allowed


@pytest.mark.parametrize("planes", WRITTEN, ids=lambda planes: planes.name)
def test_rgb_becomes_the_same_planes(planes, graphs, precision, note):
    """To the level of float32 pictures. Of float16 ones a level of 8 to 10 bits may be the next one, where
    less than 2**-12 of white decides a rounding."""
    worst: dict[int, float] = dict.fromkeys(DEPTHS[planes.deep], 0)
    for seed, (layout, coding, size) in enumerate(cases(planes)):
        noise = np.random.default_rng(seed).uniform(-0.2, 1.2, (1, 3, *size)).astype(np.float32)
        for pixels in (noise, HOST.ingested(every_code(layout, *size, seed), layout, **coding)):
            expected = HOST.emitted(pixels, layout, **coding)
            found = graphs.emitted(pixels.astype(PRECISIONS[precision]), layout, **coding)
            for plane, codes in zip(expected, found, strict=True):
                samples = samples_of(codes, layout)
                assert samples.dtype == plane.dtype
                worst[layout.bits] = max(worst[layout.bits], furthest(plane, samples))
    # White of 16 bits is 16 of the last places of float16; colour differences are as far again.
    allowed = {8: 1, 9: 1, 10: 1, 12: 2, 16: 32} if precision == "fp16" else dict.fromkeys(worst, 0)
    for bits, levels in worst.items():
        if planes.name in USUAL:
            note(f"emit {planes.name}, {bits} bits, levels", levels, allowed[bits])
        assert levels <= allowed[bits]


@pytest.mark.parametrize("planes", WRITTEN, ids=lambda planes: planes.name)
def test_planes_of_colours_within_rgb_come_back_level_for_level(planes, graphs, precision):
    """At up to 10 bits in float16 as well."""
    for layout in layouts(planes):
        if precision == "fp16" and layout.bits > 10:
            continue
        for matrix in (1, 6):
            for size in SIZES:
                scale = 2 ** (layout.bits - 8)
                given = [
                    (plane % (40 * scale) + 108 * scale).astype(layout.dtype)
                    for plane in every_code(layout, *size, matrix)
                ]
                coding = {"matrix": matrix, "full_range": False}
                back = graphs.emitted(graphs.ingested(given, layout, **coding), layout, **coding)
                for plane, codes in zip(given, back, strict=True):
                    np.testing.assert_array_equal(samples_of(codes, layout), plane)


def test_ten_bits_in_the_upper_part_of_sixteen_are_read_as_sixteen(graphs, precision):
    """So do hardware decoders have them (P010); of the limited range, whose codes are multiples."""
    ten = Layout("yuv", 10, half_width=True, half_height=True)
    given = every_code(ten, 15, 23, 1)
    expected = HOST.ingested(given, ten, matrix=1, full_range=False)
    shifted = [(plane << 6).astype(np.uint16) for plane in given]
    found = graphs.ingested(taking_turns(shifted), replace(ten, bits=16), matrix=1, full_range=False)
    assert furthest(expected, found) <= (1e-6 if precision == "fp32" else HALF + 1e-6)


@pytest.mark.parametrize(
    "sides", [(0, 0, 0, 0), (1, 2, 3, 4), (0, 5, 0, 9), (32, 32, 32, 32), (70, 0, 0, 70)]
)
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (16, 24)])
def test_a_picture_is_padded_by_its_edges(sides, size, graphs, precision):
    pixels = noise_of(size, PRECISIONS[precision])
    padding = dict(zip(("top", "bottom", "left", "right"), sides, strict=True))
    expected, found = HOST.padded(pixels, **padding), graphs.padded(pixels, **padding)
    assert found.dtype == pixels.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("part", [(0, 0, 9, 12), (2, 3, 5, 7), (8, 11, 1, 1)])
def test_what_a_network_gave_is_cropped_and_clipped(part, graphs, precision):
    pixels = noise_of((9, 12), PRECISIONS[precision])
    before = pixels.copy()
    place = dict(zip(("top", "left", "height", "width"), part, strict=True))
    expected, found = HOST.finished(pixels, **place), graphs.finished(pixels, **place)
    assert found.dtype == pixels.dtype
    np.testing.assert_array_equal(found, expected)
    assert found.min() >= 0
    assert found.max() <= 1
    np.testing.assert_array_equal(pixels, before)


def test_two_pictures_are_the_same_only_if_every_value_is(graphs, precision):
    dtype = PRECISIONS[precision]
    pixels = noise_of((9, 12), dtype)
    assert graphs.is_same(pixels, pixels.copy())
    for place in [(0, 0, 0, 0), (0, 1, 4, 5), (0, 2, 8, 11)]:
        other = pixels.copy()
        other[place] = np.nextafter(other[place], dtype(2))
        assert not graphs.is_same(pixels, other)
        assert HOST.is_same(pixels, other) is False
    assert not graphs.is_same(pixels, pixels[:, :, :-1])


@pytest.mark.parametrize("size", [(240, 320), (37, 53), (36, 48), (500, 31), (30, 700), (7, 9), (1, 1)])
def test_cuts_are_told_from_the_same(size, graphs, precision, note):
    pixels = np.clip(noise_of(size, PRECISIONS[precision]), 0, 1)
    expected, found = HOST.thumbnail(pixels.astype(np.float32)), graphs.thumbnail(pixels)
    note(f"thumbnail of {size[1]}x{size[0]}", furthest(expected, found), 1e-6)
    assert furthest(expected, found) <= 1e-6
    assert found.dtype == np.float32


@pytest.mark.parametrize("size", [(48, 64), (37, 53), (8, 8), (7, 30), (1, 1)])
def test_held_frames_are_told_by_the_same_difference(size, graphs, precision):
    """By blocks that are whole: what is left at the right and below counts only in pictures without any."""
    dtype = PRECISIONS[precision]
    pixels = np.clip(noise_of(size, dtype), 0.1, 0.8)
    everywhere, block, astride = ((slice(first, last),) * 2 for first, last in ((0, None), (0, 8), (4, 12)))
    for place in (everywhere, block, astride, (-1, -1)):
        for levels in (0, 1.8, 2.2, -1.8, -2.2, 4):
            other = pixels.astype(np.float32)
            other[:, :, place[0], place[1]] += levels / 255
            other = other.astype(dtype)
            expected = HOST.is_held(other.astype(np.float32), pixels.astype(np.float32))
            assert graphs.is_held(other, pixels) is expected
            if place is everywhere:
                assert expected is (abs(levels) < 2)


@pytest.mark.parametrize("sides", list(product((False, True), repeat=3)))
def test_a_picture_is_set_upright_the_same(sides, graphs, precision):
    pixels = noise_of((5, 7), PRECISIONS[precision])
    expected, found = HOST.turned(pixels, Turn(*sides)), graphs.turned(pixels, Turn(*sides))
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == pixels.dtype


@pytest.mark.parametrize(("size", "side"), [((33, 47), 64), ((300, 400), 112), ((1, 1), 16), ((64, 64), 64)])
def test_deoldify_looks_at_the_same_and_its_colours_are_merged_the_same(size, side, graphs, precision, note):
    dtype = PRECISIONS[precision]
    pixels = np.clip(noise_of(size, dtype), 0, 1)
    seen = np.random.default_rng(2).normal(0, 1.5, (1, 3, side, side)).astype(dtype)
    wide = pixels.astype(np.float32)
    # What is looked at reaches 2.7, where the last place of float16 is eight times that of 0.5 to 1.
    allowed = (1e-6, 5e-7) if precision == "fp32" else (4 * HALF + 1e-6, HALF + 5e-7)
    far = (
        furthest(HOST.look(wide, side), graphs.look(pixels, side)),
        furthest(HOST.coloured(wide, seen.astype(np.float32)), graphs.coloured(pixels, seen)),
    )
    for what, found, bound in zip(("look", "merge"), far, allowed, strict=True):
        note(f"{what} {size[1]}x{size[0]}", found, bound)
        assert found <= bound


@pytest.mark.parametrize("target", [(30, 50), (61, 100), (15, 101), (30, 20), (7, 9)])
def test_a_picture_is_resized_the_same(target, graphs, precision, note):
    pixels = np.clip(noise_of((30, 50), PRECISIONS[precision]), 0, 1)
    expected, found = HOST.resized(pixels.astype(np.float32), *target), graphs.resized(pixels, *target)
    bound = 5e-7 if precision == "fp32" else HALF + 5e-7
    note(f"resize to {target[1]}x{target[0]}", furthest(expected, found), bound)
    assert furthest(expected, found) <= bound
    assert found.dtype == pixels.dtype


def noise_of(size: tuple[int, int], dtype: type) -> np.ndarray:
    """Return a picture beyond [0, 1] on both sides."""
    return np.random.default_rng(1).uniform(-0.5, 1.5, (1, 3, *size)).astype(dtype)
