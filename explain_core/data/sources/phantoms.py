"""`phantom:N,SEED`: synthetic mammograms, drawn when they are read."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache, partial

from explain_core.data.annotation import Annotation, Region
from explain_core.data.images import Picture
from explain_core.data.phantom import Phantom, phantom
from explain_core.data.sources.base import DataSet, Item
from explain_core.errors import DataError

CLASSES = ("normal", "lesion")
SIZE = 256
FIRST, APART = 20_000_000, 100_000
"""Training of the embedded networks draws from far below, so that none of these was ever seen."""


def read_phantoms(spec: str, argument: str) -> DataSet:
    """N phantoms of 256 × 256, every second one with lesions, each from a seed of its own; raises DataError."""
    found = re.fullmatch(r"(\d{1,6}),(\d{1,6})", argument.replace(" ", ""))
    if not found or not 1 <= int(found[1]) <= APART:
        raise DataError(f"{spec}: the form is phantom:N,SEED with N from 1 to {APART}, for example phantom:60,0.")
    first = FIRST + APART * int(found[2])
    return DataSet(
        spec,
        tuple(_item(first + i, i % 2) for i in range(int(found[1]))),
        CLASSES,
        citation="Synthetic mammograms by Rhoscope.",
        terms="Free.",
        mapping="films",
    )


def _item(seed: int, label: int) -> Item:
    return Item(f"phantom {seed}", partial(_picture, seed, label), label, partial(_marks, seed, label))


@lru_cache(maxsize=4)
def _drawn(seed: int, label: int) -> Phantom:
    """Picture and marks are asked for one after the other."""
    return phantom(seed, SIZE, label=label)


def _picture(seed: int, label: int) -> Picture:
    film = _drawn(seed, label)
    pixels = film.pixels[None].copy()
    pixels.flags.writeable = False
    return Picture(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), (film.alt,))


def _marks(seed: int, label: int) -> Annotation:
    film = _drawn(seed, label)
    regions = (Region("lesion", film.lesion),) if film.lesion.any() else ()
    return Annotation(film.lesion.shape, regions)
