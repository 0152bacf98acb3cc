"""Which networks restore a film where nobody names them."""

import pytest
from reel.engine.pixels.parity import Parity
from reel.engine.runs.order import chosen_names, explained
from reel.engine.runs.settings import Settings

SHIPPED = {"dain-s", "edvr-s", "edvr-s-film"}

TABLE = {  # what has trained weights -> what runs
    "nothing exported, or on random weights only": (SHIPPED, "dain-s edvr-s-film"),
    "all official ones": ({*SHIPPED, "dain", "deoldify", "edvr"}, "deoldify dain edvr"),
    "dain": ({*SHIPPED, "dain"}, "dain edvr-s-film"),
    "deoldify": ({*SHIPPED, "deoldify"}, "deoldify dain-s edvr-s-film"),
    "edvr": ({*SHIPPED, "edvr"}, "dain-s edvr"),
    "dain and edvr": ({*SHIPPED, "dain", "edvr"}, "dain edvr"),
    "variants": (
        {*SHIPPED, "dain-depth", "deoldify-artistic", "edvr-m"},
        "deoldify-artistic dain-depth edvr-m",
    ),
    "both of a kind": ({*SHIPPED, "edvr", "edvr-m", "dain", "dain-depth"}, "dain edvr"),
    "a reel without networks of its own": (set(), "deoldify dain edvr"),
    "the same, with dain": ({"dain"}, "dain"),
}


@pytest.mark.parametrize(("trained", "order"), TABLE.values(), ids=TABLE)
def test_the_official_networks_run_and_what_is_missing_is_stood_in_for(trained, order) -> None:
    assert " ".join(chosen_names(trained)) == order


ARTISTIC = {
    "exported": ({*SHIPPED, "deoldify-artistic"}, "deoldify-artistic dain-s edvr-s-film"),
    "not exported, which is to be an error": (SHIPPED, "deoldify-artistic dain-s edvr-s-film"),
    "not exported, and deoldify is": ({*SHIPPED, "deoldify"}, "deoldify-artistic dain-s edvr-s-film"),
    "nothing at all": (set(), "deoldify-artistic dain edvr"),
}


@pytest.mark.parametrize(("trained", "order"), ARTISTIC.values(), ids=ARTISTIC)
def test_the_vivid_variant_colours_where_it_was_asked_for(trained, order) -> None:
    assert " ".join(chosen_names(trained, artistic=True)) == order


def test_ppgan_parity_has_ppgans_order() -> None:
    trained = {*SHIPPED, "dain", "deoldify-artistic", "edvr"}
    assert chosen_names(trained, parity=Parity.PPGAN) == ("dain", "deoldify-artistic", "edvr")
    assert Settings(parity=Parity.PPGAN).networks == ("dain", "deoldify", "edvr")
    assert Settings().networks == ("deoldify", "dain", "edvr")


LINES = {
    "dain deoldify edvr": None,
    "dain-depth deoldify-artistic edvr-m": None,
    "dain-s edvr-s-film": "dain, deoldify and edvr are not exported, so dain-s and edvr-s-film, small and "
    "part of reel, stand in and nothing is coloured; `reel-export` fetches the official weights.",
    "dain-s deoldify edvr": "dain is not exported, so dain-s, small and part of reel, stands in; "
    "`reel-export dain` fetches the official weights.",
    "dain edvr-m": "deoldify is not exported, so nothing is coloured; "
    "`reel-export deoldify` fetches the official weights.",
    "dain-s": "dain, deoldify and edvr are not exported, so dain-s, small and part of reel, stands in, "
    "nothing is coloured and nothing is enlarged; `reel-export` fetches the official weights.",
    "deoldify": "dain and edvr are not exported, so no frames are added and nothing is enlarged; "
    "`reel-export dain edvr` fetches the official weights.",
}


@pytest.mark.parametrize(("order", "line"), LINES.items())
def test_one_line_says_what_is_missing_and_how_to_fetch_it(order: str, line: str | None) -> None:
    assert explained(order.split()) == line


def test_random_weights_are_named_to_who_has_them() -> None:
    line = explained(["dain-s", "edvr-s-film"], rehearsed={"edvr", "dain", "edvr-m"})
    assert line is not None
    assert line.endswith(" Random weights run only if named: --order dain edvr.")
    assert explained(["dain", "deoldify", "edvr"], rehearsed={"edvr-m"}) is None
