"""How the networks of a run share what memory there is."""

from fractions import Fraction

import numpy as np
import pytest
from reel.engine.networks import memory
from reel.engine.networks.backend import LoadedNetwork, Runner
from reel.engine.networks.memory import KEPT, Use, default_memory, shares
from reel.engine.pixels.frame import Format
from reel.engine.runs import pipeline
from reel.engine.runs.chain import ahead_of
from reel.engine.runs.settings import Settings
from reel.models.dain_depth import DAIN_DEPTH
from reel.models.deoldify import DEOLDIFY
from reel.models.edvr import EDVR, EDVR_M

GIB = 2**30
DEOLDIFY_AT_32 = KEPT * Use(DEOLDIFY, 32, 32).all  # what it may take where it keeps all, of that size


def test_a_network_alone_may_take_all_of_it():
    assert shares([Use(EDVR, 480, 640)], 4 * GIB) == [4 * GIB]


def test_each_network_may_take_what_the_others_do_not_keep():
    uses = [Use(DAIN_DEPTH, 480, 640), Use(DEOLDIFY, 512, 512), Use(EDVR_M, 480, 640)]
    dain, deoldify, edvr = shares(uses, 8 * GIB)
    padded = 512 * 640
    assert dain == 8 * GIB - EDVR_M.held * 480 * 640
    assert edvr == 8 * GIB - (DAIN_DEPTH.held + DAIN_DEPTH.spare) * padded
    assert deoldify == dain + edvr - 8 * GIB


def test_what_is_kept_only_where_there_is_room_is_not_counted_where_there_is_none():
    _, edvr = shares([Use(DAIN_DEPTH, 1080, 1920), Use(EDVR_M, 32, 32)], 4 * GIB)
    assert edvr == 4 * GIB - DAIN_DEPTH.held * 1088 * 1920


def test_no_share_is_less_than_nothing():
    assert shares([Use(EDVR, 1080, 1920), Use(EDVR_M, 32, 32)], GIB)[1] == 0


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((16, 15), 8), ((16, 5), 4), ((16, None), 8), ((None, None), 4 * GIB)],
)
def test_the_default_is_half_of_the_machine_if_that_is_free(limits, expected, monkeypatch):
    monkeypatch.setattr(memory, "_limits", lambda: limits)
    assert default_memory() == expected


def test_this_machine_says_what_it_has():
    assert 2**28 < default_memory() < 2**45


@pytest.mark.parametrize(
    ("asked", "own", "expected", "keep"),
    [
        (None, None, 3 * GIB, True),
        (None, 7 * GIB, 7 * GIB, True),
        (5 * GIB, 7 * GIB, 5 * GIB, True),
        (DEOLDIFY_AT_32, None, DEOLDIFY_AT_32, True),
        (DEOLDIFY_AT_32 - 1, None, DEOLDIFY_AT_32 - 1, False),
    ],
)
def test_a_run_gives_every_network_its_share(
    asked, own, expected, keep, tmp_path, monkeypatch, make_film, drifting
):
    given = []

    class Watched(LoadedNetwork):
        def __init__(self, network, artifact, backend, *, memory, keep):
            given.append((network.name, memory, keep))
            super().__init__(network, artifact, backend, memory=memory, keep=keep)

        def __enter__(self):
            return self

        def run(self, graph, **inputs):
            assert graph == "colour"
            assert inputs["picture"].shape == (1, 3, 32, 32)
            return (np.zeros_like(inputs["picture"]),)

    class Anything:
        def find(self, network):
            return Artifact(network)

    class Artifact:
        def __init__(self, network):
            self.card = Card()

    class Card:
        rehearsal = False
        network = "deoldify"
        graphs = {}  # noqa: RUF012

    monkeypatch.setattr(pipeline, "LoadedNetwork", Watched)
    monkeypatch.setattr(pipeline, "default_memory", lambda: 3 * GIB)
    film = make_film("a.mp4", drifting(2))
    settings = Settings(order=("deoldify",), render_factor=2, memory=asked)
    plan = pipeline.plan(film, tmp_path / "b.mp4", settings, Anything())
    own_words = {"memory": staticmethod(lambda: own), "runner": staticmethod(lambda _: Runner("cpu"))}
    device = type("Device", (), {"name": "cpu", "device": None} | own_words)
    pipeline.run(plan, settings, device)
    assert given == [("deoldify", expected, keep)]


@pytest.mark.parametrize(
    ("width", "height", "expected"), [(64, 48, 4), (1280, 960, 4), (1920, 1080, 2), (7680, 4320, 1)]
)
def test_large_frames_do_not_queue_up_for_the_encoder(width, height, expected):
    assert ahead_of(Format(width, height, rate=Fraction(24), time_base=Fraction(1, 24))) == expected
