"""--device: the whole chain on a device that is none, and refusals where there is no other."""

import pytest
from reel.engine.backends import choice, cuda
from reel.errors import BackendError
from reel.models.gpu import Gpu
from reel.tests.engine.device.fake_onnxruntime import FakeOnnxRuntime
from reel.tests.engine.device.fake_runtime import FakeRuntime

CHAIN = ("--order", "dain", "deoldify", "edvr-m", "--render-factor", "2")


@pytest.fixture
def film(make_film, pictures):
    return make_film("film.mp4", pictures(4))


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that finds misuse; when the test is over, nothing may be left on it."""
    fake = FakeRuntime()
    monkeypatch.setattr(cuda, "onnxruntime", FakeOnnxRuntime(fake))
    monkeypatch.setattr(choice, "find_gpu", lambda: Gpu("Toy GPU", "9.0", "580.1"))
    monkeypatch.setattr(choice, "_runtime", lambda: fake)
    yield fake
    fake.check()


@pytest.fixture
def no_gpu(monkeypatch):
    def fail():
        raise BackendError("There is no NVIDIA driver here: no libcuda.", "Install one.")

    monkeypatch.setattr(choice, "find_gpu", fail)
    monkeypatch.setattr(choice, "_runtime", fail)


def runs(gpu):
    return [operation.name for operation in gpu.ran].count("run")


@pytest.mark.parametrize("memory", ["1G", "800K"])
def test_a_film_is_the_same_on_a_device_as_on_the_cpu(gpu, reel_run, film, tmp_path, memory):
    results = []
    for device in ("cpu", "cuda"):
        outcome = reel_run(
            film, "-o", tmp_path / device / "%06d.png", *CHAIN, "--device", device, "--memory", memory
        )
        assert outcome.code == 0, outcome.err
        assert f"device: {device}" in outcome.err
        results.append([path.read_bytes() for path in sorted((tmp_path / device).glob("*.png"))])
    assert len(results[0]) == 8
    assert results[0] == results[1]
    # Neither network's frames come back between its graphs.
    assert gpu.calls.count("copy_out") < gpu.calls.count("allocate") / 3
    assert ("copy_block" in gpu.calls) == (memory == "800K")


def test_auto_takes_the_device_and_says_so(gpu, reel_run, film, tmp_path):
    outcome = reel_run(film, "-o", tmp_path / "out.mp4", *CHAIN)
    assert outcome.code == 0
    assert "device: cuda on Toy GPU" in outcome.err
    assert runs(gpu) > 5  # one to try it, and the networks
    assert "dain runs in fp32; `reel-export dain --precision fp16`" in outcome.err


def test_auto_without_a_gpu_is_the_cpu_and_says_why(no_gpu, reel_run, film):
    outcome = reel_run(film, "--dry-run", *CHAIN)
    assert outcome.code == 0
    assert "device: cpu (There is no NVIDIA driver here)\n" in outcome.err


def test_a_named_device_that_is_not_there_is_never_the_cpu(no_gpu, failure, film, tmp_path):
    said, remedy = failure("reel-run", film, "-o", tmp_path / "out.mp4", *CHAIN, "--device", "cuda")
    assert said == "There is no NVIDIA driver here: no libcuda."
    assert remedy == "Install one."
    assert not (tmp_path / "out.mp4").exists()


def test_without_networks_no_device_is_looked_for(no_gpu, reel_run, film, tmp_path):
    outcome = reel_run(film, "-o", tmp_path / "out.mp4", "--device", "cuda", "--order")
    assert outcome.code == 0
    assert "device" not in outcome.err


def test_a_preview_runs_on_the_device(gpu, reel_run, film, tmp_path):
    outcome = reel_run(film, "--order", "edvr-m", "--device", "cuda", "--preview", "--samples", "1x0.1s")
    assert outcome.code == 0, outcome.err
    assert runs(gpu) > 5  # one to try it, and the networks
