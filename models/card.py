"""The card of an exported network: what it is, where it comes from, and what was measured of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

EXPORT_REVISION = 4
"""Raised whenever the graphs that an export yields change: what is older is then exported anew."""

CARD = "card.json"


@dataclass(frozen=True, slots=True)
class GraphFile:
    """One ONNX file of an artifact: its name in the folder, its size in bytes and its sha256."""

    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a network's graphs are from Paddle on one input: largest, mean and relative L2 difference.

    ``largest`` is the largest value that one node of a float16 graph handed to another, of 65504 at most.
    """

    height: int
    width: int
    maximum: float
    mean: float
    relative_l2: float
    largest: float | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What an artifact is and where it comes from.

    Attributes:
        network: Its name in the manifest.
        precision: ``fp32`` or ``fp16``.
        revision: ``EXPORT_REVISION`` at the time.
        weights: File name or address of the weights, or ``rehearsal``.
        weights_sha256: Digest of the weights.
        rehearsal: Whether the weights are random, so that the pictures mean nothing.
        versions: Versions of the libraries that made the graphs.
        created: When, ISO 8601, UTC.
        graphs: The files by graph name.
        parity: What was measured against Paddle before the artifact was stored.
    """

    network: str
    precision: str
    revision: int
    weights: str
    weights_sha256: str
    rehearsal: bool
    versions: dict[str, str]
    created: str
    graphs: dict[str, GraphFile]
    parity: tuple[Parity, ...]

    @property
    def key(self) -> str:
        """Digest of all that the graphs depend on, 16 hexadecimal digits."""
        return artifact_key(self.network, self.precision, self.weights_sha256, self.versions, self.revision)


def artifact_key(
    network: str,
    precision: str,
    weights_sha256: str,
    versions: dict[str, str],
    revision: int = EXPORT_REVISION,
) -> str:
    """Return the digest, 16 hexadecimal digits, of all that exported graphs depend on."""
    facts = [network, precision, revision, weights_sha256, sorted(versions.items())]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def export_command(card: Card) -> str:
    """Return what a user types to export the like of this card."""
    rehearsal = " --rehearsal" if card.rehearsal else ""
    return f"reel-export {card.network}{precision_option(card.precision)}{rehearsal}"


def precision_option(precision: str) -> str:
    """Return what asks for a precision; nothing for the one that is made unless another is asked for."""
    return "" if precision == "fp32" else f" --precision {precision}"


def write_card(path: Path, card: Card) -> None:
    """Write a card to a file, as JSON."""
    path.write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")


def read_card(path: Path) -> Card | None:
    """Return the card in a file, or None where it is not one that this version wrote."""
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        fields["graphs"] = {name: GraphFile(**graph) for name, graph in fields["graphs"].items()}
        fields["parity"] = tuple(Parity(**parity) for parity in fields["parity"])
        card = Card(**fields)
        return card if _is_sound(card) else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _is_sound(card: Card) -> bool:
    """Whether a card read from a file has what is relied upon later; may raise as reading it may."""
    kinds: list[tuple[object, type]] = [(card.created, str), (card.weights, str), (card.rehearsal, bool)]
    # The names are followed: none may lead out of the folder.
    names = [graph.file for graph in card.graphs.values()]
    inside = all(name not in ("", "..") and Path(name).name == name for name in names)
    typed = all(isinstance(value, kind) for value, kind in kinds)
    return inside and typed and bool(card.parity) and bool(card.key)
