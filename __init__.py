"""reel restores old film: interpolation, colour and super-resolution in one streaming pass.

    import reel
    reel.restore("film.mp4", "restored.mp4", order=["dain", "deoldify", "edvr"], times=2)

Nothing is loaded until it is used: ``import reel`` costs milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine.restore import restore
    from .engine.runs.settings import Settings
    from .errors import ReelError

__all__ = ["ReelError", "Settings", "__version__", "restore"]

__version__ = "0.1.0"

_HOMES = {"ReelError": ".errors", "Settings": ".engine.runs.settings", "restore": ".engine.restore"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
