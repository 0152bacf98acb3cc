"""What measures on a GPU goes on where it stopped, keeps what it knows, and uses the device as it must."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

GPU = Path(__file__).resolve().parents[1] / "benchmarks" / "gpu"


@pytest.fixture(autouse=True)
def _beside(monkeypatch):
    monkeypatch.syspath_prepend(str(GPU))


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


def test_a_result_has_its_versions_and_its_command_without_paths(tmp_path):
    from environments import own_wheels, versions
    from start import command

    (wheels := tmp_path / own_wheels()).mkdir()
    (wheels / "requirements.txt").write_text("av==18.1.0 --hash=sha256:a\nnumpy==2.4.6 --hash=sha256:b\n")
    found = versions(tmp_path)
    assert (found["av"], found["numpy"]) == ("18.1.0", "2.4.6")
    assert "TensorRT's libraries" not in found
    said = command(["--out", "/some/where", "--only", "edvr fp16"])
    assert said == "python3 start.py --out PATH --only 'edvr fp16'"


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
    starters = stages_for(["dain-s", "edvr-s-film"], device="cuda", rehearse=False)
    assert "film cuda dain-s edvr-s-film" in [stage.name for stage in starters]
    without = stages_for(["dain", "edvr"], device="cpu", rehearse=True)
    assert all("cuda" not in stage.bundles and "fp16" not in stage.name for stage in without)


@pytest.mark.parametrize("lacks", [False, True])
def test_the_interpreter_that_was_brought_still_finds_the_machine_s_driver(tmp_path, monkeypatch, lacks):
    import environments
    from stages import WITH_TENSORRT, Stage

    brought = tmp_path / "pack" / "tensorrt"
    own = brought / "python-libraries" / "usr" / "lib" / "x86_64-linux-gnu"
    own.mkdir(parents=True)
    problems = ["libffi.so.8: cannot open shared object file"] if lacks else []
    monkeypatch.setattr(environments, "_problem", lambda _: problems.pop() if problems else None)
    monkeypatch.setattr(environments.Environments, "_installed", lambda *_: tmp_path / "site")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/driver:/another")
    stage = Stage("some", ("-m", "some"), WITH_TENSORRT, (), 1)
    _, variables = environments.Environments(tmp_path).command(stage)
    expected = [str(brought / "libraries"), "/of/the/driver", "/another", *([str(own)] if lacks else [])]
    assert variables["LD_LIBRARY_PATH"].split(":") == expected


def test_every_network_is_measured():
    from reel.models.manifest import NETWORKS
    from stages import ORDER

    assert sorted(ORDER) == sorted(network.name for network in NETWORKS)


def test_few_files_come_back_however_many_films_there_were(tmp_path):
    import zipfile

    from start import _copy

    (home := tmp_path / "home").mkdir()
    (out := tmp_path / "out").mkdir()
    for number in range(9):
        (home / f"film-{number}.png").write_bytes(b"%d" % number)
    (home / "results.json").write_text("{}")
    for _ in range(2):  # after every stage
        _copy(home, out)
    assert sorted(path.name for path in out.iterdir()) == ["frames.zip", "results.json"]
    with zipfile.ZipFile(out / "frames.zip") as frames:
        assert [frames.read(name) for name in frames.namelist()] == [b"%d" % number for number in range(9)]


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
    from reel.engine.networks.backend import LoadedNetwork
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
