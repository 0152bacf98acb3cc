"""The networks in Paddle, one file each. Importing one of them imports Paddle."""

from __future__ import annotations

from collections.abc import Callable

from ..recipe import Recipe


def recipe_for(name: str) -> Recipe:
    """Build the network of that name in Paddle, with any weights; KeyError where there is none."""
    from .dain import DainRecipe
    from .dain_depth import DainDepthRecipe
    from .dain_small import SmallDainRecipe
    from .deoldify import DeoldifyRecipe
    from .edvr import EdvrRecipe
    from .edvr_small import SmallEdvrRecipe

    recipes: dict[str, Callable[[], Recipe]] = {
        "dain": DainRecipe,
        "dain-depth": DainDepthRecipe,
        "dain-s": SmallDainRecipe,
        "deoldify": lambda: DeoldifyRecipe(artistic=False),
        "deoldify-artistic": lambda: DeoldifyRecipe(artistic=True),
        "edvr": lambda: EdvrRecipe(channels=128, blocks=40),
        "edvr-m": lambda: EdvrRecipe(channels=64, blocks=10),
        "edvr-s": SmallEdvrRecipe,
        "edvr-s-film": SmallEdvrRecipe,
    }
    return recipes[name]()
