"""What a user does first: official weights are downloaded, exported, and run as in PaddleGAN."""

import functools
import http.server
import json
import threading
import urllib.parse

import numpy as np
import pytest
from reel.cli.export import main as export_main
from reel.engine.backends.cpu import CpuBackend
from reel.engine.networks.backend import LoadedNetwork
from reel.engine.stages.edvr import Edvr
from reel.models.edvr import EDVR_M
from reel.models.store import Store


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(tmp_path, weight_file, monkeypatch):
    """A server on this machine that has PaddleGAN's file of EDVR M where PaddleGAN has it."""
    place = tmp_path / "mirror" / urllib.parse.urlsplit(EDVR_M.weights[0].url).path.lstrip("/")
    place.parent.mkdir(parents=True)
    weight_file("edvr-m").rename(place)
    handler = functools.partial(Quiet, directory=str(tmp_path / "mirror"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("REEL_MIRROR", f"http://127.0.0.1:{server.server_port}")
        yield place
        server.shutdown()


def test_downloaded_weights_run_as_in_paddlegan(mirror, tmp_path, paddlegan, measured, capsys):
    store = Store(tmp_path / "store")
    assert export_main(["edvr-m", "--store", str(store.folder)]) == 0
    card = store.find(EDVR_M).card
    assert (card.weights, card.rehearsal) == (mirror.name, False)
    recorded = json.loads((store.folder / "weights" / "hashes.json").read_text())
    assert card.weights_sha256 in json.dumps(recorded)

    frames = [np.random.default_rng(i).random((1, 3, 16, 24), np.float32) for i in range(5)]
    with LoadedNetwork(EDVR_M, store.find(EDVR_M), CpuBackend()) as network:
        upscaler = Edvr(network)
        found = upscaler.enlarged(frames[2], [upscaler.pyramid(frame) for frame in frames])
    expected = paddlegan("edvr-m", np.stack(frames, axis=1))
    row = measured("edvr-m, downloaded weights", "24x16", expected, found, "L2 1e-5")
    assert row.relative_l2 <= 1e-5

    mirror.unlink()  # what is there need not be fetched again
    capsys.readouterr()
    assert export_main(["edvr-m", "--store", str(store.folder)]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_mirror_without_the_file_is_said_with_the_ways_round_it(mirror, tmp_path, capsys):
    mirror.unlink()
    assert export_main(["edvr-m", "--store", str(tmp_path / "store")]) == 1
    said = capsys.readouterr().err
    assert "404" in said
    assert "--weights" in said
    assert not list((tmp_path / "store").glob("edvr-m/*"))
