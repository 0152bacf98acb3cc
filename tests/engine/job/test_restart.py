"""A run that begins again in the middle gives the frames that it would have given."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from reel.engine.job.restart import Trail
from reel.engine.pixels.borders import Borders
from reel.engine.pixels.frame import Format, Frame
from reel.engine.pixels.parity import Parity
from reel.engine.runs.chain import restored
from reel.engine.runs.settings import Settings
from reel.engine.stages.cadence import Cadence
from reel.engine.timings import Clock
from reel.errors import InputError
from reel.models.manifest import network_named
from reel.models.spec import Kind

SHOTS = (9, 1, 3, 21, 12)  # frames of each; shots shorter than EDVR's window among them


class Film:
    """A source that is made up: textures that drift, with cuts and with frames that repeat."""

    path = "made-up.mp4"

    def __init__(self, *, variable=False, drift_when_sought=False):
        self._frames = list(_film(variable))
        self._from = 0
        self._drift_when_sought = drift_when_sought
        self.gone_to = []

    def go_to(self, time, index, *, seek=True):
        assert self._frames[index].time == time
        self._from = index
        self._sought = seek and self._drift_when_sought
        self.gone_to.append((index, seek))

    def frames(self):
        for frame in self._frames[self._from :]:
            sought = getattr(self, "_sought", False)
            yield replace(frame, pixels=frame.pixels * np.float32(0.5)) if sought else frame


def _film(variable):
    noise = np.random.default_rng(3)
    index, time = 0, Fraction(1, 7)
    for shot, length in enumerate(SHOTS):
        texture = np.kron(noise.random((3, 10, 60)), np.ones((1, 4, 4)))
        for place in range(length):
            moved = place - place % 3 if shot == 3 else place  # every frame of this shot comes three times
            pixels = texture[None, :, :32, moved : moved + 48].astype(np.float32)
            if shot == 4 and place in (5, 6):  # a flash, which is no cut
                pixels = 1 - pixels[:, :, ::-1]
            # Grain, so that no two frames are equal.
            pixels = np.clip(pixels + noise.normal(0, 0.002, pixels.shape).astype(np.float32), 0, 1)
            duration = Fraction(1 + (index % 3 if variable else 0), 24)
            yield Frame(pixels, time, duration, index)
            index, time = index + 1, time + duration


class Known:
    """A stand-in for any network, which tells every frame that it is given apart."""

    def __init__(self, name):
        self.network = network_named(name)
        self.runs = []

    def run(self, graph, **inputs):
        self.runs.append(graph)
        if self.network.kind is Kind.COLOURISE:
            return (inputs["picture"] * np.float32(0.9),)
        if graph == "features":
            return tuple(inputs["frame"].mean(keepdims=True) for _ in self.network.graph(graph).outputs)
        if graph == "flow":
            return inputs["a_level2"], inputs["b_level2"]
        if graph == "warp":
            t = inputs["t"].reshape(1, 1, 1, 1)
            return ((1 - t) * inputs["a"] + t * inputs["b"] + np.float32(0.1) * inputs["flow_ab"],)
        if graph == "pyramid":
            return (inputs["frame"],) * 3
        if graph == "align":
            return inputs["level1"], np.zeros(1, np.float32)
        if graph == "fusion":
            return (sum(np.float32(0.5 ** (i + 1)) * inputs[f"aligned_{i}"] for i in range(5)),)
        if graph == "enlarge":
            return (inputs["rebuilt"].repeat(4, axis=2).repeat(4, axis=3),)
        return tuple(inputs.values())  # what comes last, and gives what it is given


def result(film, order, settings, restart=None, count=None, **around):
    networks = [Known(name) for name in order]
    trail = Trail(restart)
    with closing(restored(film, networks, settings, Clock(), trail, restart, **around)) as frames:
        return list(islice(frames, count)), trail, networks


def same(frame, other):
    facts = [(f.time, f.duration, f.index, f.cut) for f in (frame, other)]
    return facts[0] == facts[1] and np.array_equal(frame.pixels, other.pixels)


CHAINS = {
    "interpolated": (("dain",), {}),
    "enlarged": (("edvr",), {}),
    "all": (("dain", "deoldify", "edvr-m"), {}),
    "interpolated last": (("edvr", "dain"), {}),
    "interpolated between": (("edvr", "dain", "deoldify"), {"cadence": Cadence(factor=Fraction(5, 2))}),
    "twice enlarged": (("edvr-m", "dain", "edvr-m"), {}),
    "on a grid": (("dain", "edvr"), {"cadence": Cadence(rate=Fraction(30))}),
    "on a coarse grid": (("dain", "edvr"), {"cadence": Cadence(rate=Fraction(7))}),
    "on a very coarse grid": (("dain",), {"cadence": Cadence(rate=Fraction(5, 2))}),
    "without repeats": (("dain", "edvr"), {"remove_duplicates": True}),
    "without repeats, enlarged first": (("edvr", "dain"), {"remove_duplicates": True}),
    "as one shot": (("dain", "edvr"), {"cuts": False, "remove_duplicates": True}),
    "as PaddleGAN": (("dain", "edvr"), {"parity": Parity.PPGAN}),
    "nothing": ((), {}),
}


@pytest.mark.parametrize("variable", [False, True], ids=["even", "variable"])
@pytest.mark.parametrize("chain", CHAINS)
def test_a_run_that_begins_again_gives_the_frames_it_would_have_given(chain, variable):
    order, options = CHAINS[chain]
    settings = Settings(order=order, render_factor=1, **options)
    whole, trail, _ = result(Film(variable=variable), order, settings)
    names = [network_named(name) for name in order]
    restarts = 0
    for place in range(0, len(whole), 1 if len(whole) < 20 else 9):
        restart = trail.restart(whole[place].time, names, settings.cadence)
        assert restart is not None
        # What differs would differ soon: nothing looks back further than this.
        rest, _, _ = result(Film(variable=variable), order, settings, restart, count=12)
        expected = whole[place : place + 12]
        assert [same(*pair) for pair in zip(rest, expected, strict=True)] == [True] * len(expected), place
        restarts += restart.marks[0].index > 0
    assert restarts >= 1


@pytest.mark.parametrize("order", [("dain", "edvr-m"), ("edvr-m", "dain"), ("deoldify",)])
def test_borders_and_the_last_size_come_out_the_same_wherever_a_run_begins(order):
    settings = Settings(order=order, render_factor=1)
    around = {"borders": Borders(6, 4, 0, 8), "size": Format(30, 26, None, Fraction(1, 24))}
    names = [network_named(name) for name in order]
    whole, trail, _ = result(Film(), order, settings, **around)
    assert {frame.pixels.shape for frame in whole} == {(1, 3, 26, 30)}
    for place in range(1, len(whole), 19):
        restart = trail.restart(whole[place].time, names, settings.cadence)
        rest, _, _ = result(Film(), order, settings, restart, count=5, **around)
        assert all(same(*pair) for pair in zip(rest, whole[place : place + 5], strict=True)), place


def test_cuts_are_found_again_wherever_a_run_begins():
    settings = Settings(order=("deoldify",), render_factor=1)
    names = [network_named(name) for name in settings.order]
    whole, trail, _ = result(Film(), settings.order, settings)
    for place in range(sum(SHOTS[:3]), len(whole)):
        restart = trail.restart(whole[place].time, names, settings.cadence)
        rest, _, _ = result(Film(), settings.order, settings, restart, count=5)
        assert [frame.cut for frame in rest] == [frame.cut for frame in whole[place : place + 5]], place


def test_a_trail_that_begins_in_the_middle_serves_the_next_restart():
    settings = Settings(order=("dain", "edvr"))
    names = [network_named(name) for name in settings.order]
    whole, trail, _ = result(Film(), settings.order, settings)
    first = trail.restart(whole[50].time, names, settings.cadence)
    _, second, _ = result(Film(), settings.order, settings, first)
    restart = second.restart(whole[80].time, names, settings.cadence)
    assert restart == trail.restart(whole[80].time, names, settings.cadence)
    # What came before the first restart is not known to it.
    assert second.restart(whole[44].time, names, settings.cadence) is None


def test_the_made_up_film_has_the_shots_that_it_is_meant_to_have():
    whole, _, _ = result(Film(), ("dain",), Settings(order=("dain",)))
    cuts = [frame.index for frame in whole if frame.cut]
    assert cuts == [2 * sum(SHOTS[:shot]) for shot in range(len(SHOTS))]


def test_what_only_leads_up_to_a_restart_is_not_computed():
    settings = Settings(order=("dain", "deoldify", "edvr"), render_factor=1)
    names = [network_named(name) for name in settings.order]
    whole, trail, _ = result(Film(), settings.order, settings)
    restart = trail.restart(whole[-20].time, names, settings.cadence)
    _, _, (dain, deoldify, edvr) = result(Film(), settings.order, settings, restart)
    assert edvr.runs.count("fusion") == 20
    # The window of the first one reaches four frames back at most, which lie in three pairs.
    assert 20 <= deoldify.runs.count("colour") <= 26
    assert 9 <= dain.runs.count("rectify") <= 13


def test_a_film_that_cannot_be_sought_in_exactly_is_decoded_from_its_beginning(caplog):
    settings = Settings(order=("dain",))
    whole, trail, _ = result(Film(), settings.order, settings)
    restart = trail.restart(whole[60].time, [network_named("dain")], settings.cadence)
    film = Film(drift_when_sought=True)
    rest, _, _ = result(film, settings.order, settings, restart)
    assert all(same(*pair) for pair in zip(rest, whole[60:], strict=True))
    assert [seek for _, seek in film.gone_to] == [True, False]
    assert "cannot be sought in exactly" in caplog.text


def test_another_film_is_refused():
    settings = Settings(order=("dain",))
    whole, trail, _ = result(Film(), settings.order, settings)
    restart = trail.restart(whole[60].time, [network_named("dain")], settings.cadence)
    marks = (*restart.marks[:-1], replace(restart.marks[-1], checksum=1))
    with pytest.raises(InputError, match="same frames as before"):
        result(Film(), settings.order, settings, replace(restart, marks=marks))
