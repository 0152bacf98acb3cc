"""What measures on a machine with a GPU arrives there whole, goes on where it stopped, and tells all."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

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


@pytest.fixture
def home(tmp_path):
    """A work folder in which programs of a test can be run as stages."""
    (tmp_path / "pack" / "reel" / "reel").mkdir(parents=True)
    return tmp_path


def run(home, results, code, *, name="some", limit=30, left=60.0):
    from running import run_stage
    from stages import OWN, Stage

    stage = Stage(name, (), OWN, (), limit)
    return run_stage(stage, [sys.executable, "-u", "-c", code], {}, results, home, left)


def opened(home, **of):
    from results import Results

    return Results(home / "results.json", of)


SAYS = "print('chatter'); print('@@{\"a\": 1, \"b\": 1}'); print('@@{\"b\": 2}')\n"


def test_what_a_stage_tells_is_kept(home):
    results = opened(home)
    assert run(home, results, SAYS).startswith("done")
    assert results.stages["some"]["result"] == {"a": 1, "b": 2}
    assert opened(home).is_settled("some")
    assert "chatter" in (home / "log.txt").read_text()


def test_a_stage_that_takes_too_long_is_stopped_and_what_it_told_is_kept(home):
    results = opened(home)
    child = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    )
    began = time.monotonic()
    assert run(home, results, child + SAYS + "import time; time.sleep(60)", limit=2).startswith("cut off")
    assert time.monotonic() - began < 20  # its child, which holds the same pipe, went with it
    found = opened(home).stages["some"]
    assert (found["state"], found["result"]) == ("cut off", {"a": 1, "b": 2})
    assert opened(home).is_settled("some")


def test_a_stage_that_the_end_of_the_time_stops_is_run_again(home):
    results = opened(home)
    assert run(home, results, SAYS + "import time; time.sleep(60)", left=2).startswith("interrupted")
    assert results.stages["some"]["result"] == {"a": 1, "b": 2}
    assert not opened(home).is_settled("some")


def test_a_stage_that_fails_says_why(home):
    results = opened(home)
    run(home, results, SAYS + "raise ValueError('no kernel')")
    found = results.stages["some"]
    assert (found["state"], found["why"]) == ("failed", "exit status 1: ValueError: no kernel")
    assert found["result"] == {"a": 1, "b": 2}


def test_results_are_on_the_disk_while_a_stage_still_runs(home):
    results = opened(home)
    look = (
        f"import json; print('@@' + json.dumps({{'seen': json.load(open({str(home / 'results.json')!r}))}}))"
    )
    wait = "import time; time.sleep(1)\n"
    run(home, results, SAYS + wait + look)
    seen = results.stages["some"]["result"]["seen"]["stages"]["some"]
    assert (seen["state"], seen["result"]) == ("running", {"a": 1, "b": 2})
    results.note("some", state="running", result={})
    assert not opened(home).is_settled("some")  # whoever was killed with it


def test_a_stage_ends_with_whoever_runs_it(home):
    code = "import json, os, time; print('@@' + json.dumps({'pid': os.getpid()}), flush=True); time.sleep(60)"
    program = (
        f"import sys; sys.path.insert(0, {str(GPU)!r})\n"
        "from pathlib import Path\nfrom results import Results\nfrom running import run_stage\n"
        f"from stages import OWN, Stage\nhome = Path({str(home)!r})\n"
        f"run_stage(Stage('some', (), OWN, (), 60), [sys.executable, '-c', {code!r}], {{}}, "
        "Results(home / 'results.json', {}), home, 60.0)"
    )
    runner = subprocess.Popen([sys.executable, "-c", program])
    found: dict[str, int] = {}
    while not found:
        time.sleep(0.05)
        if (home / "results.json").is_file():
            found = json.loads((home / "results.json").read_text())["stages"]["some"]["result"]
    runner.kill()
    runner.wait()
    ends = time.monotonic() + 10
    while time.monotonic() < ends and Path(f"/proc/{found['pid']}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{found['pid']}").exists()


def test_results_of_another_gpu_are_put_aside(home):
    opened(home, gpu="one").note("some", state="done")
    assert opened(home, gpu="one").is_settled("some")
    assert not opened(home, gpu="two").is_settled("some")
    kept = json.loads((home / "results.other.json").read_text())
    assert kept["of"] == {"gpu": "one"}


def test_the_table_tells_shares_failures_and_that_it_was_a_rehearsal():
    from results import table

    speed = {"640x480": {"frames_per_second": 20.0, "teraflops": 400.0}}
    check = {"relative_l2": 3e-4, "allowed": 5e-3, "right": True}
    wrong = {"relative_l2": 3e-2, "allowed": 5e-3, "right": False}
    stages = {
        "peak": {"state": "done", "result": {"fp16_teraflops": 700.0, "copies": {"in": 50.0}}},
        "peak in PyTorch": {"state": "done", "result": {"fp16_teraflops": 800.0, "line": "fp16 800"}},
        "edvr|cuda fp16": {"state": "done", "result": {"check": check, "speed": speed, "memory_mib": 5.0}},
        "dain|cuda fp16": {"state": "done", "result": {"check": wrong}},
        "edvr|tensorrt fp16": {"state": "failed", "why": "exit status 1: no plugin", "result": {}},
        "film cuda dain edvr": {
            "state": "cut off",
            "result": {"frames_per_second": 19.0, "frames": 300, "seconds_for_a_minute": 152.0, "busy": 0.9},
        },
        "tests": {"state": "left out", "why": "cuda was not brought"},
    }
    facts = {"of": {"device": "cuda", "pack": "abc"}, "gpu": {"name": "H200"}, "sizes": ["640x480"]}
    lines = table(facts | {"stages": stages}).splitlines()
    assert lines[0] == "H200, device cuda, pack abc"
    assert "matrix product in float16: 800 TFLOP/s, copy in: 50.0 GB/s" in lines
    (row,) = [line.split() for line in lines if line.startswith("edvr cuda fp16")]
    assert row == ["edvr", "cuda", "fp16", "3.0e-04", "5e-03", "yes", "20", "50.0%", "5"]
    assert any(line.startswith("dain cuda fp16") and "NO" in line for line in lines)
    assert any(
        line.startswith("edvr tensorrt fp16") and "failed (exit status 1: no plugin)" in line
        for line in lines
    )
    assert any("minute of film in 152 s, GPU busy 90% (cut off)" in line for line in lines)
    assert "tests: left out (cuda was not brought)" in lines
    rehearsed = table({"of": {"rehearse": True}, "stages": {}})
    assert rehearsed.startswith("REHEARSAL: no figure of this means anything")


def test_what_was_packed_alone_is_measured_and_what_matters_most_first():
    from stages import stages_for

    names = [stage.name for stage in stages_for(["dain", "edvr"], device="cuda", rehearse=False)]
    assert names.index("edvr|cuda fp16") < names.index("dain|cuda fp16") < names.index("edvr|tensorrt fp16")
    assert not any("deoldify" in name for name in names)  # nor a film that needs it
    assert len(names) == len(set(names))
    everything = stages_for(["dain", "edvr", "deoldify"], device="cuda", rehearse=False)
    assert "film cuda dain deoldify edvr" in [stage.name for stage in everything]
    without = stages_for(["dain", "edvr"], device="cpu", rehearse=True)
    assert all("cuda" not in stage.bundles and "fp16" not in stage.name for stage in without)


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


def test_multiplications_are_those_of_the_textbook():
    from work import of_node

    assert of_node("Conv", [[1, 8, 10, 10], [16, 8, 3, 3]], [[1, 16, 10, 10]]) == 16 * 100 * 8 * 9
    assert of_node("ConvTranspose", [[1, 8, 5, 5], [8, 4, 4, 4]], [[1, 4, 10, 10]]) == 8 * 25 * 4 * 16
    assert of_node("MatMul", [[2, 7, 5], [5, 3]], [[2, 7, 3]]) == 2 * 7 * 3 * 5
    assert of_node("Relu", [[1, 8]], [[1, 8]]) == 0


def test_the_share_of_copies_that_is_hidden():
    from copies import hidden_share

    assert hidden_share(10.0, 2.0, 12.0) == 0
    assert hidden_share(10.0, 2.0, 10.0) == 1
    assert hidden_share(10.0, 2.0, 11.0) == pytest.approx(0.5)


@pytest.fixture
def device(monkeypatch, tmp_path):
    """ONNX Runtime on a GPU that is none and fails on misuse; tiny networks in the store."""
    pytest.importorskip("onnx", reason="needs onnx to make graphs")
    monkeypatch.syspath_prepend(str(GPU.parent))
    from reel.engine.backends import cuda
    from reel.engine.device.device import Device
    from reel.models.store import Store
    from reel.tests.engine.device.fake_onnxruntime import FakeOnnxRuntime
    from reel.tests.engine.device.fake_runtime import FakeRuntime
    from tiny import put_tiny

    put_tiny(tmp_path / "store", "edvr-m", "dain", "deoldify")
    store = Store(tmp_path / "store")
    (tmp_path / "reel").mkdir()
    (tmp_path / "reel" / "work.json").write_text('{"edvr-m": 1e6, "dain": 1e6, "deoldify": 1e6}')
    monkeypatch.setenv("REEL_GPU_PACK", str(tmp_path))
    fake = FakeRuntime(lasts={"copy_in": 1.0, "run": 1.0, "copy_out": 1.0})
    runtime = FakeOnnxRuntime(fake)
    monkeypatch.setattr(cuda, "onnxruntime", runtime)
    with Device(fake) as opened:
        yield SimpleNamespace(backend=cuda.CudaBackend(opened), device=opened, store=store, runtime=runtime)
    fake.check()


def told(capsys):
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("@@")]
    found = {}
    for line in lines:
        found |= json.loads(line[2:])
    return found


@pytest.mark.parametrize("name", ["edvr-m", "dain", "deoldify"])
def test_a_network_on_a_device_is_compared_and_timed(device, monkeypatch, capsys, name):
    import network
    from reel.engine.backends.cpu import CpuBackend
    from reel.models.manifest import network_named

    monkeypatch.setattr(network, "_ROUNDS", 1)
    monkeypatch.setattr(network, "sizes", lambda **_: ("64x64",))
    facts, artifact = network_named(name), device.store.find(network_named(name))
    expected = network._checked_frames(facts, artifact, CpuBackend())
    network._check(facts, artifact, device.backend, expected)
    network._measure(facts, artifact, device.backend, rehearse=True)
    found = told(capsys)
    assert found["check"]["right"]
    assert found["check"]["within_a_level"] == 1
    (speed,) = found["speed"].values()
    assert speed["teraflops"] == pytest.approx(2 * 64 * 64 * speed["frames_per_second"] / 1e6)
    network._check(facts, artifact, device.backend, [frame + 0.1 for frame in expected])
    assert not told(capsys)["check"]["right"]


def test_the_peak_and_the_copies_are_measured_on_a_device(device, monkeypatch, tmp_path, capsys):
    import copies
    import peak
    from one_frame import pictures_for
    from reel.engine.backend import LoadedNetwork
    from reel.models.manifest import network_named

    monkeypatch.setattr(peak, "_BYTES", 1 << 12)
    monkeypatch.setattr(peak, "_ROUNDS", 2)
    for precision in ("fp16", "fp32"):
        peak.write_product(tmp_path / "reel" / f"product-{precision}.onnx", precision)
        assert peak._product(device.backend, precision, 64) > 0
    assert min(peak._copies(device.device).values()) > 0
    facts = network_named("edvr-m")
    with LoadedNetwork(facts, device.store.find(facts), device.backend) as loaded:
        copies._measure(loaded, device.device, pictures_for(facts, 64, 64), 3)
    found = told(capsys)
    assert set(found["seconds"]) == {"network", "copies", "both"}
    assert 0 <= found["hidden"] <= 1


@pytest.mark.parametrize("name", ["gpu", "gpu-tensorrt-8.6"])
def test_what_is_carried_is_pinned_and_hashed(name):
    import re

    text = (GPU.parents[1] / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.sub(r"\\\n", " ", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry
    assert not re.search(r"https?:|index-url|find-links|file:", text)
