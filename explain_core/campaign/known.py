"""The true answers about phantoms, where what a lesion adds is known to the pixel.

Of an adversarial change δ = (c, h, w), averaged over channels:

    with a lesion      what is left of it: 1 + ⟨δ, s⟩ / ⟨s, s⟩, s the lesion alone
    without one        1 − what was drawn: the brightest disc of a mass's size in δ, over a mass's brightness

Two thirds or more is *unchanged*, one third or less *changed*, between is *unsure*.  A cluster of calcifications that
was drawn into a film without lesions is not seen: it is no disc.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from explain_core.campaign.simulated import erring, read_asked
from explain_core.data.sources.phantoms import lesion_alone
from explain_core.errors import DataError
from explain_core.records import Floats

RADIUS, BRIGHTNESS = 13, 0.15
"""Of the masses that phantoms have at 256 pixels, about the median: in pixels, and on the scale of [0, 1]."""
UNCHANGED, CHANGED = 2 / 3, 1 / 3


def known_answers(folder: Path, *, error: float, seed: int) -> dict[str, str]:
    """By item of the kind `ask`; raises DataError for what is no bundle, or not about phantoms at their own size."""
    items, arrays = read_asked(folder)
    found = {}
    for item in items:
        name = item["name"]
        change = (arrays[f"{name}.adversarial"] - arrays[f"{name}.original"]).mean(0)
        found[name] = _answer(left(change, lesion_alone(_source(item))))
    return erring(found, error, seed)


def left(change: Floats, lesion: Floats) -> float:
    """How much of what the picture (h, w) showed is left after the change (h, w); 1 where nothing has changed."""
    if change.shape != lesion.shape:
        raise DataError(
            f"The examples have {change.shape[1]} × {change.shape[0]} pixels, the phantoms {lesion.shape[1]} × "
            f"{lesion.shape[0]}: take a network that sees them at their own size."
        )
    energy = float((lesion**2).sum())
    if energy:
        return 1 + float((change * lesion).sum()) / energy
    y, x = np.ogrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disc = (x**2 + y**2 <= RADIUS**2).astype(np.float64)
    return 1 - float(ndimage.convolve(change.astype(np.float64), disc / disc.sum(), mode="constant").max()) / BRIGHTNESS


def _answer(share: float) -> str:
    return "unchanged" if share >= UNCHANGED else "changed" if share <= CHANGED else "unsure"


def _source(item: dict[str, Any]) -> str:
    return str(item.get("told", {}).get("source", ""))
