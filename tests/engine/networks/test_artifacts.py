"""A device is given the export that it runs best."""

import logging
from dataclasses import dataclass

import pytest
from reel.engine.networks.artifacts import BestArtifacts
from reel.errors import StoreError
from reel.models.edvr import EDVR_M


@dataclass(frozen=True)
class Card:
    precision: str
    rehearsal: bool


@dataclass(frozen=True)
class Artifact:
    card: Card


class Held:
    """A store that holds these: precision, and whether on random weights."""

    def __init__(self, *held):
        self._held = [Artifact(Card(*each)) for each in held]

    def usable(self, network, *, precision):
        return [artifact for artifact in self._held if artifact.card.precision == precision]

    def find(self, network, *, precision):
        for artifact in self.usable(network, precision=precision):
            return artifact
        raise StoreError(f"there is no {precision}", "Make one.")


FULL, HALF = ("fp32", False), ("fp16", False)
RANDOM, RANDOM_HALF = ("fp32", True), ("fp16", True)


@pytest.mark.parametrize(
    ("held", "precisions", "expected"),
    [
        ([FULL, HALF], ("fp16", "fp32"), HALF),
        ([FULL, HALF], ("fp32",), FULL),
        ([FULL], ("fp16", "fp32"), FULL),
        ([HALF, FULL], ("fp32", "fp16"), FULL),
        ([FULL, RANDOM_HALF], ("fp16", "fp32"), FULL),
        ([RANDOM, RANDOM_HALF], ("fp16", "fp32"), RANDOM_HALF),
        ([RANDOM, HALF], ("fp16", "fp32"), HALF),
    ],
)
def test_given_weights_come_first_and_then_the_precision_that_runs_best(held, precisions, expected):
    found = BestArtifacts(Held(*held), precisions).find(EDVR_M)
    assert (found.card.precision, found.card.rehearsal) == expected


@pytest.mark.parametrize(("held", "precisions"), [([], ("fp16", "fp32")), ([HALF], ("fp32",))])
def test_what_is_asked_for_where_there_is_nothing_is_the_best(held, precisions):
    with pytest.raises(StoreError, match=f"no {precisions[0]}"):
        BestArtifacts(Held(*held), precisions).find(EDVR_M)


def test_a_precision_that_is_not_the_best_is_told_once(caplog):
    artifacts = BestArtifacts(Held(FULL), ("fp16", "fp32"))
    with caplog.at_level(logging.WARNING):
        artifacts.find(EDVR_M)
        artifacts.find(EDVR_M)
    (record,) = caplog.records
    assert "reel-export edvr-m --precision fp16" in record.getMessage()
    caplog.clear()
    BestArtifacts(Held(FULL, HALF), ("fp16", "fp32")).find(EDVR_M)
    assert not caplog.records
