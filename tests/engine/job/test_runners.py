"""What runs each network is a part of what a run can be gone on with."""

import pytest
from reel.engine.job.identity import differences, identity_of
from reel.engine.networks.backend import Runner
from reel.engine.runs.settings import Settings


@pytest.fixture
def identity(tmp_path):
    (film := tmp_path / "film.mp4").write_bytes(b"a film")

    def of(**runners):
        return identity_of([film], Settings(), [], device="tensorrt", memory=1, runners=runners)

    return of


def test_a_network_that_another_runs_is_told(identity):
    before = identity(dain=Runner("tensorrt", "a"), edvr=Runner("cuda"))
    assert differences(before, before) == []
    now = identity(dain=Runner("tensorrt", "a"), edvr=Runner("tensorrt", "b"))
    assert differences(before, now) == [
        "what runs edvr was cuda and is tensorrt",
        "the set of engines of edvr has changed",
    ]


def test_engines_that_were_built_anew_are_told(identity):
    """Other kernels may have been the quickest then, with other last digits."""
    told = differences(identity(dain=Runner("tensorrt", "a")), identity(dain=Runner("tensorrt", "b")))
    assert told == ["the set of engines of dain has changed"]


def test_where_the_device_runs_the_export_itself_nothing_is_added(identity):
    assert identity(dain=Runner("tensorrt")) == identity()
