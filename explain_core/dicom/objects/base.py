"""What all objects share: who made them, new identifiers, and a region as the standard's graphics."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from io import BytesIO
from typing import Any

import numpy as np
from highdicom import UID
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code as DicomCode

from explain_core import __version__
from explain_core.data.marked import Code, Marked, inside, on_film
from explain_core.errors import InputError
from explain_core.shapes import Ellipse

CAUTION = "Research use only, not for diagnosis"
MAKER = "Rhoscope"
SERIAL = "0"
"""No device made these: there is no serial number, and the standard wants one."""
SELECTED = Code("111099", "DCM", "Selected region")
"""What a region is that nobody gave a code: nothing is claimed of it."""
CONCEPT = Code("309825002", "SCT", "Spatial and Relational Concept")
SERIES = {"seg": 9001, "saliency": 9002, "gsps": 9003, "sr": 9004}
"""Series numbers far from those of films."""


def identifiers(kind: str) -> dict[str, Any]:
    """A new series of one instance, and who made it."""
    return {
        "series_instance_uid": UID(), "series_number": SERIES[kind], "sop_instance_uid": UID(), "instance_number": 1,
        "manufacturer": MAKER, "manufacturer_model_name": MAKER, "software_versions": __version__,
        "device_serial_number": SERIAL,
    }  # fmt: skip


def single(name: str) -> str:
    """A pseudonym as a person's name of one component."""
    return f"{name}^"


def size_of(film: Dataset) -> tuple[int, int]:
    return int(film.Rows), int(film.Columns)


def without(film: Dataset, *words: str) -> Dataset:
    """A header without some tags, which highdicom stumbles over; the one that was given stays as it is."""
    left = copy(film)
    for word in words:
        if word in left:
            delattr(left, word)
    return left


def coded(code: Code) -> DicomCode:
    return DicomCode(code.value, code.scheme, code.meaning)


def graphic(marked: Marked, size: tuple[int, int]) -> tuple[str, NDArray[np.float64]]:
    """ELLIPSE with both ends of its major, then of its minor axis, or a closed POLYLINE; points (n, 2) of column, row.

    The standard allows no point off the film: an ellipse whose axes end there becomes the outline of what lies on it,
    of 128 corners around, and other shapes are cut off.  Raises InputError for a region that is not on the film.
    """
    outline = on_film(marked.shape, size)
    if isinstance(marked.shape, Ellipse) and inside(marked.shape.axes(), size):
        return "ELLIPSE", np.array(marked.shape.axes(), np.float64)
    return "POLYLINE", np.array([*outline, outline[0]], np.float64)


def titled(marked: Sequence[Marked]) -> list[str]:
    """Names for regions, numbered, at most 64 characters; raises InputError where there are none."""
    if not marked:
        raise InputError("There is no region of this film: mark one, or name another film.")
    return [f"{number} {one.title}"[:64] for number, one in enumerate(marked, 1)]


def file_of(made: Dataset) -> bytes:
    """The bytes of a DICOM file."""
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
