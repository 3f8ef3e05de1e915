"""Films that are pictures or uncompressed DICOM files, as CBIS-DDSM and INbreast come."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explain_core.data.annotation import Bits
from explain_core.data.images import MAX_PIXELS, SUFFIXES, Picture, read_picture
from explain_core.data.sources.files import mask_at, size_of
from explain_core.errors import ImageError

if TYPE_CHECKING:
    from pydicom import Dataset

DICOM = ".dcm"
FILMS = (DICOM, *sorted(SUFFIXES))
"""Endings of films, the first preferred."""


def film_at(path: Path) -> Picture:
    """A film in its stored grey values, scaled by its bit depth; bright is dense.  Raises ImageError."""
    return _read_dicom(path) if path.suffix.lower() == DICOM else read_picture(path)


def film_size(path: Path) -> tuple[int, int]:
    """Height and width from the header alone; raises ImageError."""
    if path.suffix.lower() != DICOM:
        return size_of(path)
    header = _opened(path, pixels=False)
    return int(header.get("Rows", 0)), int(header.get("Columns", 0))


def film_mask(path: Path) -> Bits:
    """What is marked in a mask: every pixel (h, w) that is not black; raises ImageError."""
    if path.suffix.lower() != DICOM:
        return mask_at(path)
    marked: Bits = _read_dicom(path).pixels[0] > 0
    return marked


def _read_dicom(path: Path) -> Picture:
    film = _opened(path, pixels=True)
    rows, columns, depth = (int(film.get(name, 0)) for name in ("Rows", "Columns", "BitsStored"))
    if rows * columns > MAX_PIXELS:
        raise ImageError(
            f"{columns} × {rows} pixels: at most {MAX_PIXELS / 1e6:g} megapixels are read; make it smaller."
        )
    if film.get("SamplesPerPixel") != 1 or int(film.get("NumberOfFrames", None) or 1) != 1 or not 1 <= depth <= 16:
        raise ImageError("The DICOM file is no single grey picture of up to 16 bits; give one that is.")
    try:
        stored = film.pixel_array.astype(np.int64)
    except Exception as error:  # decoders raise whatever a damaged file makes them trip over
        why = type(error).__name__
        raise ImageError(f"The DICOM file cannot be decoded ({why}): save it uncompressed, or as 16-bit PNG.") from None
    low = -(1 << (depth - 1)) if film.get("PixelRepresentation") == 1 else 0
    values = ((stored - low) / ((1 << depth) - 1)).clip(0, 1).astype(np.float32)
    notes = [f"{depth} bits, stored values"]
    if film.get("PhotometricInterpretation") == "MONOCHROME1":
        values = 1 - values
        notes.append("inverted: low values are bright in this file")
    pixels = np.ascontiguousarray(values[None])
    pixels.flags.writeable = False
    return Picture(pixels, hashlib.sha256(path.read_bytes()).hexdigest(), tuple(notes))


def _opened(path: Path, *, pixels: bool) -> Dataset:
    from pydicom import dcmread

    try:
        return dcmread(path, stop_before_pixels=not pixels)
    except OSError as error:
        raise ImageError(f"The film cannot be read ({error.strerror}): check that the file is there.") from None
    except Exception as error:  # a damaged header can trip anything
        raise ImageError(f"Not a DICOM file, or damaged ({type(error).__name__}): download it again.") from None
