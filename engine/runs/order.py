"""Which networks restore a film where nobody names them: the official ones, as far as they are exported.

Small networks that come with reel stand in for those that are missing, so that a film can be restored before
anything is fetched. Nothing stands in for a colouriser: what has no colour keeps none. ``edvr-s-film`` is the
one that enlarges, since old film is soft, grainy and compressed; ``edvr-s`` is for clean material, by name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...models.manifest import NETWORKS
from ...models.spec import PRECISIONS
from ...models.store import Store
from ..pixels.parity import Parity
from .settings import OFFICIAL, OFFICIAL_AS_PPGAN

# For each of these what is taken instead, the best first; the last one of a row may come with reel.
_INSTEAD = {
    "dain": ("dain-depth", "dain-s"),
    "deoldify": ("deoldify-artistic",),
    "edvr": ("edvr-m", "edvr-s-film"),
}
STARTERS = ("dain-s", "edvr-s-film")
_WITHOUT = {
    "dain": "no frames are added",
    "deoldify": "nothing is coloured",
    "edvr": "nothing is enlarged",
}


@dataclass(frozen=True, slots=True)
class DefaultOrder:
    """What restores a film where nobody says what.

    Attributes:
        names: Of networks, first to last.
        why: One line on what is missing, what stands in for it, and the command that fetches it; None where
            nothing is.
    """

    names: tuple[str, ...]
    why: str | None


def default_order(store: Store, *, artistic: bool = False, parity: Parity = Parity.CORRECT) -> DefaultOrder:
    """Return what restores a film with what a store has and what comes with reel.

    Args:
        store: The store.
        artistic: Whether DeOldify's vivid variant was asked for.
        parity: PaddleGAN's order is another one.
    """
    found = [
        (n.name, a.card.rehearsal) for n in NETWORKS for p in PRECISIONS for a in store.usable(n, precision=p)
    ]
    trained = {name for name, rehearsal in found if not rehearsal}
    names = chosen_names(trained, artistic=artistic, parity=parity)
    return DefaultOrder(names, explained(names, rehearsed={name for name, _ in found} - trained))


def chosen_names(
    trained: Collection[str], *, artistic: bool = False, parity: Parity = Parity.CORRECT
) -> tuple[str, ...]:
    """Return the networks that restore a film.

    Random weights are for those who ask for them by name: a rehearsal never takes the place of a network
    that was trained. Only where nothing was, the official networks are named, whatever there is of them.

    Args:
        trained: Networks that can run on weights that mean something.
        artistic: Whether DeOldify's vivid variant was asked for, which must then be there.
        parity: PaddleGAN's order is another one.
    """
    order = OFFICIAL_AS_PPGAN if parity is Parity.PPGAN else OFFICIAL
    colourisers = ("deoldify-artistic",) if artistic else ("deoldify", *_INSTEAD["deoldify"])
    places = [colourisers if name == "deoldify" else (name, *_INSTEAD[name]) for name in order]
    chosen = [next((name for name in place if name in trained), None) for place in places]
    if not any(chosen):
        return tuple(place[0] for place in places)
    if artistic:
        chosen[order.index("deoldify")] = "deoldify-artistic"
    return tuple(name for name in chosen if name is not None)


def explained(names: Sequence[str], *, rehearsed: Collection[str] = ()) -> str | None:
    """Return one line on what a default order does without; None where that is nothing.

    Args:
        names: As ``chosen_names`` gives them.
        rehearsed: Networks that are exported on random weights alone.
    """
    there = {official: {official, *_INSTEAD[official]} & {*names} for official in _WITHOUT}
    missing = [official for official in _WITHOUT if not there[official] - {*STARTERS}]
    if not missing:
        return None
    small = [name for name in names if name in STARTERS]
    so = [f"{_listed(small)}, small and part of reel, {_verb(small, 'stands', 'stand')} in"] if small else []
    so += [_WITHOUT[official] for official in missing if not there[official]]
    command = " ".join(["reel-export", *(missing if len(missing) < len(_WITHOUT) else ())])
    line = (
        f"{_listed(missing)} {_verb(missing, 'is', 'are')} not exported, so {_listed(so)}; "
        f"`{command}` fetches the official weights."
    )
    left = [name for name in missing if name in rehearsed]
    return f"{line} Random weights run only if named: --order {' '.join(left)}." if left else line


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _verb(names: Sequence[str], one: str, several: str) -> str:
    return one if len(names) == 1 else several
