"""reel restores old film: interpolation, colour and super-resolution in one streaming pass."""

from __future__ import annotations

__version__ = "0.1.0"
