"""Films that are pictures or DICOM files, as CBIS-DDSM and INbreast come."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from explain_core.data.annotation import Bits
from explain_core.data.images import SUFFIXES, Picture, read_picture
from explain_core.data.sources.files import mask_at, size_of
from explain_core.dicom.decode import shared_decoder
from explain_core.dicom.film import unit

DICOM = ".dcm"
FILMS = (DICOM, *sorted(SUFFIXES))
"""Endings of films, the first preferred."""


def film_at(path: Path) -> Picture:
    """A film in its stored grey values, scaled by its bit depth; bright is dense.  Raises ImageError."""
    return _read_dicom(path) if path.suffix.lower() == DICOM else read_picture(path)


def film_size(path: Path) -> tuple[int, int]:
    """Height and width from the header alone; raises ImageError."""
    return shared_decoder().header(path)[0] if path.suffix.lower() == DICOM else size_of(path)


def film_mask(path: Path) -> Bits:
    """What is marked in a mask: every pixel (h, w) that is not black; raises ImageError."""
    if path.suffix.lower() != DICOM:
        return mask_at(path)
    marked: Bits = _read_dicom(path).pixels[0] > 0
    return marked


def _read_dicom(path: Path) -> Picture:
    film = shared_decoder().film(path)
    notes = [f"{film.facts.bits} bits, stored values"]
    if film.facts.photometric == "MONOCHROME1":
        notes.append("inverted: low values are bright in this file")
    pixels = np.ascontiguousarray(unit(film)[None])
    pixels.flags.writeable = False
    return Picture(pixels, film.sha256, tuple(notes))
