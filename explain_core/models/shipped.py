"""The networks that ship with Rhoscope beside the embedded two, each a folder of weights and a card as training writes
it: `shipped/NAME` for `explain_core/weights/NAME`.  To add one, train it, copy its folder there, and name it in that
folder's README.
"""

from __future__ import annotations

from pathlib import Path

from explain_core.errors import SpecError, suggest
from explain_core.models.card import CARD
from explain_core.models.classifier import Classifier

FOLDER = Path(__file__).parent.parent / "weights"


def shipped() -> tuple[str, ...]:
    """The names, sorted."""
    return tuple(sorted(card.parent.name for card in FOLDER.glob(f"*/{CARD}")))


def load_shipped(name: str) -> Classifier:
    """The network of a name, on the CPU, in eval mode; raises SpecError, and WeightsError where it is damaged."""
    from explain_core.models.trained import load_trained

    if name not in shipped():
        raise SpecError(f"No network {name!r} ships with Rhoscope: {suggest(name, shipped())}")
    return load_trained(FOLDER / name, f"shipped/{name}")
