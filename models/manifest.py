"""Every network that reel knows, one row each."""

from __future__ import annotations

from ..errors import ReelError
from .dain import DAIN
from .dain_depth import DAIN_DEPTH
from .deoldify import DEOLDIFY, DEOLDIFY_ARTISTIC
from .edvr import EDVR, EDVR_M
from .spec import Network

NETWORKS: tuple[Network, ...] = (
    DAIN,
    DAIN_DEPTH,
    DEOLDIFY,
    DEOLDIFY_ARTISTIC,
    EDVR,
    EDVR_M,
)


def network_named(name: str) -> Network:
    """Return the network of that name, in any case of letters.

    Raises:
        ReelError: There is none; the message lists those that there are.
    """
    for network in NETWORKS:
        if network.name == name.lower():
            return network
    known = ", ".join(network.name for network in NETWORKS)
    raise ReelError(f"There is no network called {name!r}.", f"Choose among: {known}.")
