"""A GPU that is none, with ONNX Runtime on it."""

from types import SimpleNamespace

import pytest
from reel.engine.device.device import Device
from reel.tests.engine.device.fake_onnxruntime import FakeOnnxRuntime
from reel.tests.engine.device.fake_runtime import FakeRuntime


@pytest.fixture
def gpu(monkeypatch):
    """Give the backend ``cuda`` on a device that finds misuse; when the test is over, nothing may be left."""
    from reel.engine.backends import cuda

    fake = FakeRuntime(lasts={"copy_in": 1.0, "run": 1.0, "copy_out": 1.0})
    runtime = FakeOnnxRuntime(fake)
    monkeypatch.setattr(cuda, "onnxruntime", runtime)
    with Device(fake) as device:
        yield SimpleNamespace(
            fake=fake, device=device, onnxruntime=runtime, backend=cuda.CudaBackend(device), cuda=cuda
        )
    fake.check()
