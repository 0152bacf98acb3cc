"""Exports that fail: one sentence and one remedy, and a store that holds nothing half-made."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from reel.errors import ExportError, ReelError, WeightsError
from reel.export import exporter
from reel.models.edvr import EDVR_M
from reel.models.store import Store

pytest.importorskip("paddle2onnx", reason="needs the libraries of the extra `export`")


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let another program take the place of the process that exports; ``sys.argv[1]`` is its request."""

    def replace(program: str) -> None:
        monkeypatch.setattr(exporter, "_WORKER", (sys.executable, "-c", program))

    return replace


def failure(store: Store, weights: exporter.Weights | None = None) -> ReelError:
    """Export, which must fail, and see that nothing is left of it."""
    with pytest.raises(ReelError) as caught:
        exporter.export(EDVR_M, weights or exporter.rehearsal(), store)
    assert [path for path in store.folder.rglob("*") if path.name != "weights"] == []
    assert caught.value.message.endswith(".")
    assert caught.value.remedy.endswith(".")
    return caught.value


# The worker as it is, but for a converter that changes one weight after the fact.
PERTURBED = """
import sys
from pathlib import Path
from reel.export import worker
honest = worker.onnx_from_paddle
def perturbed(traced, graph, target):
    import onnx
    from onnx import numpy_helper
    honest(traced, graph, target)
    model = onnx.load(str(target))
    largest = max(model.graph.initializer, key=lambda weight: len(weight.raw_data))
    largest.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(largest) * 1.001, largest.name))
    onnx.save(model, str(target))
worker.onnx_from_paddle = perturbed
sys.exit(worker.main())
"""


def test_a_graph_that_differs_from_paddle_does_not_enter_the_store(
    worker: Callable[[str], None], tmp_path: Path
) -> None:
    worker(PERTURBED)
    error = failure(Store(tmp_path / "store"))
    assert isinstance(error, ExportError)
    assert "differs from Paddle" in error.message
    assert "Nothing was stored" in error.remedy


# Without Paddle: what reads the weights in the worker, and no network to build.
READS = """
import json, sys
from pathlib import Path
from reel.export import worker
from reel.export.weights import read_weights
def export_here(request, folder):
    read_weights(Path(request.weights), expected={"a": (2,)}, key="generator")
worker.export_here = export_here
sys.exit(worker.main())
"""


class Hostile:
    """Makes a folder when it is unpickled by whoever lets it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self._path),)


def test_a_hostile_pickle_is_refused_and_nothing_in_it_runs(
    worker: Callable[[str], None], tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    file = tmp_path / "EDVR_M_w_tsa_SRx4.pdparams"
    file.write_bytes(pickle.dumps({"generator": {"a": Hostile(canary)}}, protocol=2))
    worker(READS)
    error = failure(Store(tmp_path / "store"), exporter.given_weights(EDVR_M, tmp_path))
    assert isinstance(error, WeightsError)
    assert not canary.exists()
    pickle.loads(file.read_bytes())  # it would have worked
    assert canary.exists()


@pytest.mark.parametrize("kind", ["npz", "pdparams"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.98])
def test_a_half_downloaded_file_is_refused(
    worker: Callable[[str], None], tmp_path: Path, kind: str, share: float
) -> None:
    file = tmp_path / f"w.{kind}"
    arrays = {"a": np.random.default_rng(1).standard_normal(2000).astype(np.float32)}
    if kind == "npz":
        np.savez(file, **arrays)
    else:
        file.write_bytes(pickle.dumps({"generator": arrays}, protocol=2))
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    worker(READS)
    error = failure(Store(tmp_path / "store"), exporter.given_weights(EDVR_M, file))
    assert isinstance(error, WeightsError)
    assert f"w.{kind}" in error.message


def test_a_worker_that_dies_is_reported_with_the_end_of_its_log(
    worker: Callable[[str], None], tmp_path: Path
) -> None:
    worker("import os, sys; print('one\\ntwo\\nthree\\nfour', file=sys.stderr, flush=True); os._exit(7)")
    error = failure(Store(tmp_path / "store"))
    assert isinstance(error, ExportError)
    assert error.message == "The export of edvr-m ended early (exit status 7): two / three / four."


def test_a_worker_killed_for_memory_is_reported_as_that(
    worker: Callable[[str], None], tmp_path: Path
) -> None:
    worker("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert "memory" in failure(Store(tmp_path / "store")).message


@pytest.mark.parametrize("content", ["", "{", "[]", '{"other": 1}'])
def test_a_result_that_is_cut_off_is_no_result(
    worker: Callable[[str], None], tmp_path: Path, content: str
) -> None:
    worker(f"import sys, pathlib; pathlib.Path(sys.argv[1]).with_name('result.json').write_text({content!r})")
    assert "ended early (exit status 0)" in failure(Store(tmp_path / "store")).message


def test_a_result_without_its_graphs_is_an_error(worker: Callable[[str], None], tmp_path: Path) -> None:
    result = json.dumps({"parity": {"fp32": []}})
    worker(f"import sys, pathlib; pathlib.Path(sys.argv[1]).with_name('result.json').write_text({result!r})")
    assert "could not be written" in failure(Store(tmp_path / "store")).message


def test_an_interrupt_ends_the_worker_and_leaves_nothing(
    worker: Callable[[str], None], tmp_path: Path
) -> None:
    worker('import time; print(\'{"step": "waiting"}\', flush=True); time.sleep(600)')

    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    store = Store(tmp_path / "store")
    with pytest.raises(KeyboardInterrupt):
        exporter.export(EDVR_M, exporter.rehearsal(), store, step=interrupt)
    assert list(store.folder.iterdir()) == []


def test_a_missing_library_names_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(exporter, "LIBRARIES", (("numpy",), ("no-such-library", "nor-this-one")))
    error = failure(Store(tmp_path))
    assert "no-such-library" in error.message
    assert "requirements/export.txt" in error.remedy


FILLS = """
import sys
from pathlib import Path
Path(sys.argv[1]).with_name("graph.onnx").write_bytes(bytes(2**25))
"""


def test_a_disk_that_fills_up_is_reported_as_that_whatever_the_libraries_say(tmp_path: Path) -> None:
    """For real, in a small file system, with a worker that knows no better than to fail."""
    program = f"""
import sys
from pathlib import Path
from reel.export import exporter
exporter._WORKER = (sys.executable, "-c", {FILLS!r})
from reel.cli.export import main
code = main(["edvr-m", "--rehearsal", "--store", "disk/store"])
print(*Path("disk").rglob("*"))
sys.exit(code)
"""
    (tmp_path / "disk").mkdir()
    mount = 'mount -t tmpfs -o size=8m reel-test disk && exec "$@"'
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh", sys.executable, "-c"]
    try:
        result = subprocess.run([*words, program], cwd=tmp_path, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("needs unshare, to mount a small file system")
    if result.returncode not in (0, 1) or "unshare" in result.stderr or "mount:" in result.stderr:
        pytest.skip(f"needs leave to mount a small file system ({result.stderr.strip()})")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "error: The export of edvr-m did not get to its end: the disk of disk/store is full.",
        "       Make room, or choose another folder with --store.",
    ]
    assert result.stdout.splitlines()[-1] == "disk/store"


def test_a_library_may_be_installed_under_another_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "LIBRARIES", (("no-such-library", "numpy"),))
    assert list(exporter.library_versions()) == ["numpy"]


# An export whose worker works for ever.
ENDLESS = """
import sys
from pathlib import Path
from reel.export import exporter
from reel.models.edvr import EDVR_M
from reel.models.store import Store
program = '''
import os, time
from pathlib import Path
from reel.export import worker
def export_here(request, folder):
    Path(sys.argv[2]).write_text(str(os.getpid()))
    time.sleep(600)
worker.export_here = export_here
worker.main()
'''
exporter._WORKER = (sys.executable, "-c", f"import sys; sys.argv.append({sys.argv[2]!r})" + program)
exporter.export(EDVR_M, exporter.rehearsal(), Store(Path(sys.argv[1])))
"""


def test_an_export_that_is_killed_leaves_no_process_and_nothing_that_the_next_one_keeps(
    tmp_path: Path,
) -> None:
    store, told = Store(tmp_path / "store"), tmp_path / "pid"
    export = subprocess.Popen([sys.executable, "-c", ENDLESS, str(store.folder), str(told)])
    try:
        _until(lambda: told.exists() and told.read_text())
        with store.writing():  # one that is at work is left alone
            assert len(list(store.folder.glob(".partial-*"))) == 2
    finally:
        export.kill()
        export.wait()
    _until(lambda: not Path(f"/proc/{told.read_text()}").exists())
    with store.writing() as beside:
        assert list(store.folder.glob(".partial-*")) == [beside]


def _until(fulfilled: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not fulfilled():
        assert time.monotonic() < end
        time.sleep(0.05)
