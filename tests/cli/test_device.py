"""--device: the whole chain on a device that is none, and refusals where there is no other."""

import shutil

import av
import pytest
from reel.engine.backends import choice, cuda
from reel.engine.runs import pipeline
from reel.engine.writing import hardware_encoder
from reel.errors import BackendError
from reel.models import store as stores
from reel.models.gpu import Gpu
from reel.models.store import Store
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


@pytest.fixture(scope="module")
def with_pictures(tiny_store, tmp_path_factory):
    """The tiny store with the graphs for pictures, as every export adds them."""
    from reel.export.pictures import export_pictures

    folder = shutil.copytree(tiny_store, tmp_path_factory.mktemp("with pictures") / "store")
    export_pictures(Store(folder))
    return folder


def runs(gpu):
    return [operation.name for operation in gpu.ran].count("run")


@pytest.mark.parametrize("memory", ["1G", "800K"])
def test_a_film_is_the_same_on_a_device_as_on_the_cpu(gpu, reel_run, with_pictures, film, tmp_path, memory):
    results = []
    for device in ("cpu", "cuda"):
        output = tmp_path / device / "%06d.png"
        words = ("-o", output, *CHAIN, "--device", device, "--memory", memory)
        outcome = reel_run(film, *words, store=with_pictures)
        assert outcome.code == 0, outcome.err
        assert f"device: {device}" in outcome.err
        results.append([path.read_bytes() for path in sorted((tmp_path / device).glob("*.png"))])
    assert len(results[0]) == 8
    assert results[0] == results[1]
    # Frames go there as the planes of the film and come back at the end alone, as those of pictures. Else no
    # more than a byte does: whether one equals the one before.
    arriving, out = ([size for kind, size in gpu.copied if kind == f"copy_{way}"] for way in ("in", "out"))
    assert arriving.count(48 * 64) == 3 * 4
    assert max(arriving) < 3 * 4 * 48 * 64
    assert sorted(out)[-24:] == [192 * 256] * 24
    assert set(out) - {192 * 256} <= {1, 4, 12}
    assert ("copy_block" in gpu.calls) == (memory == "800K")


def test_auto_takes_the_device_and_says_so(gpu, reel_run, with_pictures, film, tmp_path):
    outcome = reel_run(film, "-o", tmp_path / "out.mp4", *CHAIN, store=with_pictures)
    assert outcome.code == 0
    assert "device: cuda on Toy GPU" in outcome.err
    assert runs(gpu) > 5  # one to try it, and the networks
    assert "dain runs in fp32; `reel-export dain --precision fp16`" in outcome.err


def test_an_encoder_of_the_gpu_that_opens_makes_the_film(
    gpu, reel_run, with_pictures, make_film, pictures, tmp_path, monkeypatch
):
    film = make_film("film.mkv", pictures(4), codec="ffv1")
    monkeypatch.setattr(hardware_encoder, "INSTEAD", {"libx264": ("mpeg4", "yuv420p")})
    words = ("--order", "edvr-m", "--device", "cuda")
    outcome = reel_run(film, "-o", tmp_path / "out.mp4", *words, store=with_pictures)
    assert outcome.code == 0, outcome.err
    assert "encoder: mpeg4, which opens on this GPU; --codec libx264 takes its place" in outcome.err
    with av.open(str(tmp_path / "out.mp4")) as made, av.open(str(film)) as given:
        stream = made.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("mpeg4", 256, 192)
        times = [[picture.time for picture in each.decode(video=0)] for each in (made, given)]
        assert times[0] == times[1]
    outcome = reel_run(film, "-o", tmp_path / "own.mp4", *words, "--codec", "libx264", store=with_pictures)
    assert "encoder: " not in outcome.err
    with av.open(str(tmp_path / "own.mp4")) as made:
        assert made.streams.video[0].codec_context.name == "h264"


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


def test_a_preview_runs_on_the_device(gpu, reel_run, with_pictures, film, tmp_path):
    words = ("--order", "edvr-m", "--device", "cuda", "--preview", "--samples", "1x0.1s")
    outcome = reel_run(film, *words, store=with_pictures)
    assert outcome.code == 0, outcome.err
    assert runs(gpu) > 5  # one to try it, and the networks


def test_a_store_without_the_graphs_for_pictures_is_told_how_to_get_them(
    gpu, failure, film, untouched, monkeypatch
):
    monkeypatch.setattr(stores, "SHIPPED", untouched / "none")  # they come with reel, too
    said, remedy = failure("reel-run", film, "-o", untouched / "out.mp4", *CHAIN, "--device", "cuda")
    assert "graphs for pictures" in said
    assert remedy == "Run `reel-export` again for any network: it adds them."


def test_paddlegans_bytes_need_no_graphs_for_pictures(gpu, reel_run, film, tmp_path):
    results = []
    for device in ("cpu", "cuda"):
        output = tmp_path / device / "%06d.png"
        outcome = reel_run(film, "-o", output, *CHAIN, "--device", device, "--parity", "ppgan")
        assert outcome.code == 0, outcome.err
        results.append([path.read_bytes() for path in sorted(output.parent.glob("*.png"))])
    assert results[0] == results[1] != []


def test_unfinished_work_depends_on_the_graphs_for_pictures(
    gpu, reel_run, with_pictures, film, tmp_path, monkeypatch
):
    depends, real = [], pipeline.identity_of

    def identity_of(files, settings, artifacts, **named):
        depends.append([artifact.card.network for artifact in artifacts])
        assert {network: runner.name for network, runner in named["runners"].items()} == dict.fromkeys(
            ("dain", "deoldify", "edvr-m"), named["device"]
        )
        return real(files, settings, artifacts, **named)

    monkeypatch.setattr(pipeline, "identity_of", identity_of)
    for device in ("cpu", "cuda"):
        words = ("-o", tmp_path / f"{device}.mp4", *CHAIN, "--device", device)
        outcome = reel_run(film, *words, store=with_pictures)
        assert outcome.code == 0, outcome.err
    assert depends == [["dain", "deoldify", "edvr-m"], ["dain", "deoldify", "edvr-m", "pictures"]]
