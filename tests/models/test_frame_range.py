"""Shapes of engines' inputs, from the sizes of the frames that they are to take."""

from __future__ import annotations

from reel.models.frame_range import frame_ranges, input_ranges
from reel.models.manifest import NETWORKS


def test_frames_of_every_network_come_out_whole_in_every_graph() -> None:
    for network in NETWORKS:
        for frames in frame_ranges(network, [(480, 640), (1080, 1920), (577, 719), (2, 2)]) + frame_ranges(
            network
        ):
            for graph in network.graphs:
                ranges = input_ranges(network, graph, frames)
                assert [given.name for given in ranges] == [tensor.name for tensor in graph.inputs]
                for given in ranges:
                    assert given.covers(given.usual)
                    assert given.least <= given.usual <= given.most
