"""Write what PyTorch makes of the starter networks with seeded weights, for the tests to compare Paddle with.

    python training/reference.py

Needed again only when a network's definition changes. What it makes of trained weights ``keep.py`` writes.
"""

from __future__ import annotations

import numpy as np
import torch
from keep import EXAMPLES, NETWORKS, example
from reel.export.rehearsal import rehearsal_weights
from reel.models.dain_small import DAIN_S
from reel.models.edvr_small import EDVR_S


def main() -> None:
    torch.set_num_threads(1)
    EXAMPLES.mkdir(exist_ok=True)
    for network in (EDVR_S, DAIN_S):
        net = NETWORKS[network.name]()
        layout = {n: tuple(p.shape) for n, p in net.named_parameters()}
        weights = rehearsal_weights(network, layout)
        net.load_state_dict({name: torch.from_numpy(weights[name]) for name in layout})
        np.savez_compressed(EXAMPLES / f"{network.name}-seeded.npz", **example(network.name, net))


if __name__ == "__main__":
    main()
