"""Weights that come with reel are read where it is installed."""

from dataclasses import replace

import numpy as np
import pytest
from reel.errors import WeightsError
from reel.export import download, exporter
from reel.models.dain_small import DAIN_S
from reel.models.spec import ShippedWeights
from reel.models.store import Store, file_digest

NETWORK = replace(DAIN_S, weights=(ShippedWeights("mine.npz"),))


def test_shipped_weights_are_found_without_a_download(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SHIPPED", tmp_path)
    np.savez(tmp_path / "mine.npz", weight=np.zeros(3, np.float16))
    weights = exporter.official_weights(NETWORK, Store(tmp_path / "store"))
    assert (weights.path, weights.label) == (tmp_path / "mine.npz", "mine.npz")
    assert weights.sha256 == file_digest(tmp_path / "mine.npz")
    assert not (tmp_path / "store").exists()


def test_shipped_weights_that_are_missing_are_said_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SHIPPED", tmp_path)
    with pytest.raises(WeightsError, match=r"mine\.npz is missing where reel is installed"):
        exporter.official_weights(NETWORK, Store(tmp_path / "store"))
