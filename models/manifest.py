"""Every network that reel knows, one row each."""

from __future__ import annotations

from ..errors import ReelError
from .dain import DAIN
from .dain_depth import DAIN_DEPTH
from .dain_small import DAIN_S
from .deoldify import DEOLDIFY, DEOLDIFY_ARTISTIC
from .edvr import EDVR, EDVR_M
from .edvr_small import EDVR_S, EDVR_S_FILM
from .spec import Network

NETWORKS: tuple[Network, ...] = (
    DAIN,
    DAIN_DEPTH,
    DAIN_S,
    DEOLDIFY,
    DEOLDIFY_ARTISTIC,
    EDVR,
    EDVR_M,
    EDVR_S,
    EDVR_S_FILM,
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
