"""Networks that come with reel restore a film before anything is exported, and say so."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from reel.cli import run
from reel.engine.runs import order
from reel.models import manifest
from reel.models import store as stores
from reel.models.spec import ShippedWeights
from reel.models.store import Store

STANDING_IN = {"dain-s": "dain", "edvr-s-film": "edvr-m"}
ALL_MISSING = (
    "dain, deoldify and edvr are not exported, so dain-s and edvr-s-film, small and part of reel, stand in "
    "and nothing is coloured; `reel-export` fetches the official weights."
)


@pytest.fixture
def empty(tiny_store, tmp_path, monkeypatch) -> Path:
    """A store with nothing in it, of a reel that comes with the tiny networks under the starters' names."""
    networks = [network for network in manifest.NETWORKS if not network.shipped]
    shipped = Store(tmp_path / "shipped")
    for name, like in STANDING_IN.items():
        network = manifest.network_named(like)
        networks.append(replace(network, name=name, weights=(ShippedWeights(f"{name}.npz"),)))
        (tiny,) = Store(tiny_store).artifacts(network)
        with shipped.writing() as scratch:
            copy = Path(shutil.copytree(tiny.folder, scratch / "copy"))
            shipped.keep(copy, replace(tiny.card, network=name, weights=f"{name}.npz"))
    monkeypatch.setattr(stores, "SHIPPED", shipped.folder)
    for module in (manifest, order):
        monkeypatch.setattr(module, "NETWORKS", tuple(networks))
    monkeypatch.setattr(run, "NAMES", {network.name for network in networks})
    return tmp_path / "empty"


@pytest.fixture
def film(make_film, pictures) -> Path:
    grey = [np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2) for picture in pictures(3)]
    return make_film("film.mp4", [picture.astype(np.uint8) for picture in grey])


def chain(err: str) -> str:
    (line,) = (line for line in err.splitlines() if " fps -> " in line)
    return " ".join(line.split(" -> ")[1:-1])


def test_they_restore_a_film_of_whom_nothing_is_exported_and_invent_no_colour(
    reel_run, film, tmp_path, empty
) -> None:
    outcome = reel_run(film, "-o", tmp_path / "out.mkv", "--codec", "ffv1", store=empty)
    assert outcome.code == 0, outcome
    assert outcome.err.splitlines().count(ALL_MISSING) == 1
    assert chain(outcome.err) == "dain-s edvr-s-film"
    with av.open(str(tmp_path / "out.mkv")) as made, av.open(str(film)) as given:
        (before, *_), after = list(given.decode(video=0)), list(made.decode(video=0))
        assert len(after) == 6
        assert (after[0].width, after[0].height) == (4 * before.width, 4 * before.height)
        for picture in after:
            assert np.ptp(picture.to_ndarray(format="rgb24").astype(int), axis=2).max() <= 2


def test_what_was_exported_runs_and_they_stand_in_for_the_rest(reel_run, film, empty, tiny_store) -> None:
    shutil.copytree(tiny_store / "deoldify", empty / "deoldify")
    outcome = reel_run(film, "--dry-run", store=empty)
    assert chain(outcome.err) == "deoldify dain-s edvr-s-film"
    assert "; `reel-export dain edvr` fetches the official weights.\n" in outcome.err
    outcome = reel_run(film, "--dry-run", store=tiny_store)
    assert chain(outcome.err) == "deoldify dain edvr"
    assert "reel-export" not in outcome.err
    outcome = reel_run(film, "--dry-run", "--parity", "ppgan", store=tiny_store)
    assert chain(outcome.err) == "dain deoldify edvr"


def test_random_weights_run_only_where_they_are_named(reel_run, film, empty, rehearsal_store) -> None:
    outcome = reel_run(film, "--dry-run", store=rehearsal_store)
    assert chain(outcome.err) == "dain-s edvr-s-film"
    assert f"{ALL_MISSING} Random weights run only if named: --order dain.\n" in outcome.err
    assert "REHEARSAL" not in outcome.err
    outcome = reel_run(film, "--dry-run", "--order", "dain", store=rehearsal_store)
    assert chain(outcome.err) == "dain"
    assert "REHEARSAL" in outcome.err


def test_of_a_film_that_cannot_be_read_nothing_else_is_said(reel_run, empty, tmp_path) -> None:
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(1).bytes(5000))
    outcome = reel_run(tmp_path / "noise.mp4", store=empty)
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 2


@pytest.mark.parametrize(("given", "runs"), [(["edvr-s-film"], "edvr-s-film"), ([], "no network")])
def test_where_networks_are_named_nothing_is_said_of_others(reel_run, film, empty, given, runs) -> None:
    outcome = reel_run(film, "--dry-run", "--order", *given, store=empty)
    assert chain(outcome.err) == runs
    assert "reel-export" not in outcome.err


def test_the_vivid_colours_are_missed_where_they_were_asked_for(command, film, empty) -> None:
    outcome = command("reel-run", film, "--dry-run", "--artistic", store=empty)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].strip() == "Run `reel-export deoldify-artistic` first."


def test_it_is_said_once_whatever_is_tried_or_restored(reel_run, film, empty, tmp_path) -> None:
    outcome = reel_run(film, "--sweep", "render-factor=2,3", "--dry-run", store=empty)
    assert outcome.err.count(ALL_MISSING) == 1
    assert chain(outcome.err) == "dain-s edvr-s-film"
    shutil.copy(film, tmp_path / "other.mp4")
    outcome = reel_run(film, tmp_path / "other.mp4", "--dry-run", store=empty)
    assert outcome.err.count(ALL_MISSING) == 1


def test_restore_does_the_same_and_warns(film, empty, tmp_path, caplog) -> None:
    from reel import Settings, restore

    summary = restore(film, tmp_path / "out.mp4", settings=Settings(cuts=False), store=empty, device="cpu")
    assert [step.network.name for step in summary.plan.steps] == ["dain-s", "edvr-s-film"]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [ALL_MISSING]
    assert summary.settings.order == ("dain-s", "edvr-s-film")


def test_the_command_that_repeats_a_run_names_no_folder_of_the_installation(film, empty, tmp_path) -> None:
    from reel import restore
    from reel.engine.report.again import command_of

    summary = restore(film, tmp_path / "out.mp4", store=empty, device="cpu")
    again = command_of(summary.plan, summary.settings)
    assert "--order dain-s edvr-s-film" in again
    assert "--store" not in again


def test_the_list_tells_what_comes_with_reel(command, empty, monkeypatch) -> None:
    from reel.cli import export

    monkeypatch.setattr(export, "NETWORKS", manifest.NETWORKS)
    listed = command("reel-export", "--list", store=empty)
    assert listed.out.count("comes with reel: fp32, dain-s.npz") == 1
    assert "exported:" not in listed.out
    checked = command("reel-export", "--check", store=empty)
    assert "edvr-s-film        fp32 edvr-s-film.npz: good" in checked.out
