"""INbreast: a property list of outlines for each film, AllXML/NUMBER.xml, or the folder of them.

Points are those of OsiriX, taken as positions whose whole numbers are pixel centres.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explain_core.data.marked import Marked
from explain_core.data.readers.base import Marks, Reader, in_data, marked
from explain_core.data.sources.inbreast import findings_of
from explain_core.errors import DataError
from explain_core.shapes import Ellipse, Freehand, Shape

LARGEST = 64 << 20
KINDS = {
    "mass": "mass", "calcification": "calcification", "calcifications": "calcification", "cluster": "cluster",
    "asymmetry": "asymmetry", "distortion": "distortion", "assymetry": "asymmetry",
}  # fmt: skip


def read(path: Path) -> list[Marks]:
    """Outlines, and for each single point (a calcification) a circle of one pixel; no anatomy.  Raises DataError."""
    files = sorted(one for one in path.glob("*.xml") if not one.name.startswith(".")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path.name} holds no .xml: give INbreast's AllXML, or one of its files.")
    return [Marks(one.stem, tuple(_regions(one))) for one in files]


def _regions(path: Path) -> list[Marked]:
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path.name} is larger than 64 MiB, and no outline file of INbreast.")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}); check that it is there.") from None
    with in_data(path.name):
        return [
            marked(shape, name, KINDS.get(name.strip().lower(), ""))
            for name, points in findings_of(data, path.name)
            for shape in _shapes(points + 0.5)
        ]


def _shapes(points: NDArray[np.float64]) -> list[Shape]:
    if len(points) > 2:
        return [Freehand(tuple((float(x), float(y)) for x, y in points))]
    return [Ellipse(float(x), float(y), 0.5, 0.5, 0) for x, y in points]


READER = Reader("inbreast", "INbreast", "AllXML, or one .xml of it", tried=False, read=read)
