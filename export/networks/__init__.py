"""The networks in Paddle, one file each. Importing one of them imports Paddle."""

from __future__ import annotations

from collections.abc import Callable

from ..recipe import Recipe


def recipe_for(name: str) -> Recipe:
    """Build the network of that name in Paddle, with any weights; KeyError where there is none."""
    from .dain import DainRecipe
    from .dain_depth import DainDepthRecipe
    from .deoldify import DeoldifyRecipe
    from .edvr import EdvrRecipe

    recipes: dict[str, Callable[[], Recipe]] = {
        "dain": DainRecipe,
        "dain-depth": DainDepthRecipe,
        "deoldify": lambda: DeoldifyRecipe(artistic=False),
        "deoldify-artistic": lambda: DeoldifyRecipe(artistic=True),
        "edvr": lambda: EdvrRecipe(channels=128, blocks=40),
        "edvr-m": lambda: EdvrRecipe(channels=64, blocks=10),
    }
    return recipes[name]()
