"""What measures on a machine with a GPU arrives there whole."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

GPU = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu"


@pytest.fixture(autouse=True)
def _beside(monkeypatch):
    monkeypatch.syspath_prepend(str(GPU))


@pytest.fixture
def folder(tmp_path):
    """A folder with a file that does not compress, one that does, a link and a program."""
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "noise").write_bytes(np.random.default_rng(0).bytes(300_000))
    (source / "inner" / "zeros").write_bytes(bytes(100_000))
    (source / "link").symlink_to("noise")
    (source / "program").write_text("#!/bin/sh\n")
    (source / "program").chmod(0o755)
    return source


def packed(tmp_path, source, *, level=1):
    from parts import Manifest, write_bundle

    (place := tmp_path / "pack").mkdir(exist_ok=True)
    bundle = write_bundle("some", source, place, most=65_536, level=level)
    manifest = Manifest((bundle,), {"networks": ["edvr"]})
    manifest.write(place)
    return place, manifest


@pytest.mark.parametrize("level", [1, None])
def test_a_folder_comes_out_of_its_parts_as_it_went_in(tmp_path, folder, level):
    from parts import read_manifest, unpack_bundle

    place, manifest = packed(tmp_path, folder, level=level)
    assert read_manifest(place) == manifest
    assert len(manifest.bundles[0].parts) >= 5
    assert all((place / part.file).stat().st_size <= 65_536 for part in manifest.bundles[0].parts)
    unpack_bundle(manifest.bundles[0], [tmp_path / "elsewhere", place], target := tmp_path / "target")
    for name in ("noise", "inner/zeros", "program"):
        assert (target / name).read_bytes() == (folder / name).read_bytes()
    assert (target / "link").is_symlink()
    assert (target / "program").stat().st_mode & 0o111


def test_the_same_folder_makes_the_same_parts(tmp_path, folder):
    first = packed(tmp_path, folder)[1]
    (folder / "noise").touch()
    assert packed(tmp_path, folder)[1].key == first.key
    (folder / "noise").write_bytes(b"another")
    assert packed(tmp_path, folder)[1].key != first.key


@pytest.mark.parametrize("harm", ["changed", "cut short"])
def test_a_damaged_part_is_named_and_nothing_of_it_is_used(tmp_path, folder, harm):
    from parts import PackError, keep_parts, unpack_bundle

    place, manifest = packed(tmp_path, folder)
    victim = place / "some-02.part"
    content = bytearray(victim.read_bytes())
    content[1000] ^= 1
    victim.write_bytes(content if harm == "changed" else content[:-1])
    with pytest.raises(PackError, match=r"some-02\.part.*Bring some-02\.part again"):
        keep_parts(manifest, place, tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["some-01.part"]
    with pytest.raises(PackError, match=r"some-02\.part"):
        unpack_bundle(manifest.bundles[0], [place], tmp_path / "target")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("level", [1, None])
def test_a_bundle_that_breaks_off_leaves_no_folder(tmp_path, folder, level):
    from parts import Bundle, PackError, unpack_bundle

    place, manifest = packed(tmp_path, folder, level=level)
    (bundle,) = manifest.bundles
    shorter = Bundle("some", bundle.parts[:-2], bundle.compressed)
    with pytest.raises(PackError, match="some cannot be unpacked"):
        unpack_bundle(shorter, [place], tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_parts_may_come_one_after_the_other(tmp_path, folder):
    from parts import keep_parts, missing_parts

    place, manifest = packed(tmp_path, folder)
    (bundle,) = manifest.bundles
    names = [part.file for part in bundle.parts]
    kept = tmp_path / "kept"
    for name in names:
        (arriving := tmp_path / f"with-{name}").mkdir()
        (place / name).rename(arriving / name)
        assert keep_parts(manifest, arriving, kept) == [name]
        assert missing_parts(bundle, [kept]) == names[names.index(name) + 1 :]
    assert keep_parts(manifest, place, kept) == []


def test_small_parts_are_brought_together_and_what_is_needed_first_comes_first():
    from parts import Bundle, Manifest, Part, trips

    def bundle(name, *sizes):
        parts = tuple(Part(f"{name}-{number}", size, "") for number, size in enumerate(sizes))
        return Bundle(name, parts, compressed=True)

    manifest = Manifest((bundle("first", 30), bundle("large", 100, 100, 60), bundle("small", 70, 30)), {})
    together = [[part.file for part in trip] for trip in trips(manifest, 100)]
    assert together == [["first-0", "large-2"], ["large-0"], ["large-1"], ["small-0", "small-1"]]


def test_a_manifest_that_is_none_is_refused(tmp_path):
    from parts import PackError, read_manifest

    with pytest.raises(PackError, match="There is no"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 0}')
    with pytest.raises(PackError, match="cannot be read: format 0"):
        read_manifest(tmp_path)


def drawn(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def written(tmp_path, tensors, weights):
    """Write a graph of these initialisers with and without weights; return both paths and the share drawn."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to make graphs")
    from onnx import helper, numpy_helper
    from seeded import write_without_weights

    named = [numpy_helper.from_array(value, name) for name, value in tensors.items()]
    model = helper.make_model(helper.make_graph([], "some", [], [], named))
    onnx.save(model, str(source := tmp_path / "some.onnx"))
    return source, tmp_path / "without", write_without_weights(source, weights, tmp_path / "without")


def test_graphs_are_put_together_again_to_the_byte(tmp_path):
    from seeded import put_together

    weights = {
        "plain": drawn((64, 32, 3, 3), 0),
        "folded": drawn((48, 40, 3, 3), 1),
        "up": drawn((9, 130), 2),
    }
    padded = np.zeros((64, 48, 3, 3), np.float32)
    padded[:, :32] = weights["plain"]
    gains = np.random.default_rng(3).uniform(0.1, 3, (48, 1, 1, 1)).astype(np.float32)
    columns = np.random.default_rng(4).uniform(0.1, 3, (1, 130)).astype(np.float32)
    tensors = {
        "padded": padded,
        "reshaped": weights["plain"].reshape(64, -1),
        "times gains": weights["folded"] * gains,
        "divided": weights["folded"] / np.float32(1.7),
        "times columns": weights["up"] * columns,
        "its own": drawn((2000,), 5),
        "whole numbers": np.arange(5000),
    }
    source, without, share = written(tmp_path, tensors, weights)
    put_together(without, weights, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == source.read_bytes()
    of_weights = sum(
        value.nbytes for name, value in tensors.items() if name not in ("its own", "whole numbers")
    )
    assert share == pytest.approx(of_weights / source.stat().st_size)


def test_what_only_looks_like_weights_is_kept_as_it_is(tmp_path):
    from seeded import put_together

    weights = {"w": drawn((64, 64), 0)}
    other = weights["w"].copy()
    other[60, 60] = np.nextafter(other[60, 60], np.float32(9))  # the last digit of one value
    source, without, share = written(tmp_path, {"other": other}, weights)
    assert share == 0
    put_together(without, weights, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == source.read_bytes()


def test_what_comes_with_reel_is_brought_as_it_is(tmp_path, monkeypatch):
    pytest.importorskip("onnx", reason="needs onnx to round graphs")
    from dataclasses import replace

    import graphs
    import pack
    from reel.export.exporter import Exported
    from reel.models.edvr_small import EDVR_S
    from reel.models.store import SHIPPED, Store

    full = Store(SHIPPED).find(EDVR_S)
    half = replace(full, card=replace(full.card, precision="fp16"))
    exported = []

    def export_each(network, weights, *_):
        exported.append((network, weights.label))
        return Exported(full, False), Exported(half, False)

    monkeypatch.setattr(pack, "export_each", export_each)
    monkeypatch.setattr(pack, "_counted", lambda *_: 0.0)
    pack._write_graphs("edvr-s", tmp_path / "here", tmp_path / "graphs-edvr-s", tmp_path)
    assert exported == [(EDVR_S, "edvr-s.npz")]  # and no random weights, beside which these would come first
    monkeypatch.setenv("REEL_GPU_PACK", str(tmp_path))
    monkeypatch.setenv("REEL_STORE", str(tmp_path / "there"))
    graphs._make("edvr-s")
    for precision in ("fp32", "fp16"):
        found = Store().find(EDVR_S, precision=precision)
        assert (found.shipped, found.card.weights) == (False, "edvr-s.npz")
    for graph in EDVR_S.graphs:
        assert Store().find(EDVR_S).path(graph.name).read_bytes() == full.path(graph.name).read_bytes()
    # The card given for float16 was that of float32.
    assert graphs._others(Store(), "edvr-s") == [f"edvr-s fp16 {graph.name}" for graph in EDVR_S.graphs]


def container(*codes):
    """A fat binary of (kind, generation, code) entries, as CUDA's compiler lays it out."""
    entries = b"".join(
        struct.pack("<HHIQ12xI", kind, 0x101, 64, len(code), generation).ljust(64, b"\0") + code
        for kind, generation, code in codes
    )
    return b"\x50\xed\x55\xba" + struct.pack("<HHQ", 1, 16, len(entries)) + entries


def test_the_code_of_one_generation_is_kept(tmp_path):
    from gpu_code import keep_generation

    native = container((2, 80, b"a" * 40), (2, 90, b"b" * 48), (1, 90, b"c" * 56))
    by_text = container((2, 75, b"d" * 40), (1, 80, b"e" * 48), (1, 100, b"f" * 56))
    whole = b"before" + native + b"\x50\xed\x55\xba is no header" + by_text + b"after"
    (source := tmp_path / "library.so").write_bytes(whole)
    counted = keep_generation(source, target := tmp_path / "kept.so", 90)
    found = target.read_bytes()
    assert counted == (48 + 48, 40 + 56 + 40 + 56)
    assert len(found) == len(whole)
    for letter, count in zip(b"abcdef", (40, 48, 56, 40, 48, 56), strict=True):
        kept = letter in b"be"
        assert (bytes([letter]) * count in found) == kept
    blanked = [place for place, (one, other) in enumerate(zip(whole, found, strict=True)) if one != other]
    assert all(found[place] == 0 for place in blanked)


def test_all_that_is_needed_before_unpacking_is_brought_and_needs_the_standard_library_alone(tmp_path):
    import shutil

    pack = (GPU / "pack.py").read_text(encoding="utf-8")
    beside = pack.partition("BESIDE = (")[2].partition(")")[0].split('"')[1::2]
    for name in beside:
        shutil.copyfile(GPU / name, tmp_path / name)
    command = [sys.executable, "-I", "-S", str(tmp_path / "start.py"), "--parts", str(tmp_path)]
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = {command[3:]}; import start; "
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", path + "sys.exit(start.main())"], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: There is no {tmp_path / 'manifest.json'}"), result.stderr


@pytest.mark.parametrize("name", ["gpu", "gpu-tensorrt-8.6"])
def test_what_is_carried_is_pinned_and_hashed(name):
    import re

    text = (GPU.parents[1] / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.sub(r"\\\n", " ", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"https?:|index-url|find-links|file:", text)
