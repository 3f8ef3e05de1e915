"""`jsrt:DIR`: the chest radiographs of JSRT, with circles."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from pathlib import Path

import numpy as np

from explain_core.data.annotation import Annotation, Circle, Region
from explain_core.data.images import Picture, read_picture
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.files import bytes_of, folder_at, read_text, size_of, some
from explain_core.errors import ImageError

CLASSES = ("normal", "nodule")
SIDE, TOP = 2048, 4095
"""Raw films: pixels on each side, and the largest value."""
PIXEL = 0.175
"""Millimetres."""
FILE = re.compile(r"(JPC([LN])N\d{3})\.(IMG|PNG)", re.IGNORECASE)
FINDING = re.compile(
    r"(JPCLN\d{3})\.IMG\s+(\d)\s+([\d.]+)\s+\S+\s+\S+\s+(\d+)\s+(\d+)\s+(malignant|benign)\b", re.IGNORECASE
)


def read_jsrt(spec: str, argument: str) -> DataSet:
    """JPCLN….IMG with a nodule and JPCNN….IMG without, raw or as PNG, at any depth below DIR.

    CLNDAT_EN.TXT, at any depth too, places the nodules: a circle of the size that it states.  Without it
    nothing is marked.  Raises DataError.
    """
    folder = folder_at(spec, argument)
    nodules: dict[str, tuple[Circle, str]] = {}
    for table in sorted(folder.rglob("CLNDAT_EN.[Tt][Xx][Tt]")):
        nodules |= parse(read_text(table))
    films = {found[1].upper(): path for path in sorted(folder.rglob("*")) if (found := FILE.fullmatch(path.name))}
    items = (_item(name, path, nodules.get(name)) for name, path in sorted(films.items()))
    return DataSet(
        spec,
        some(spec, items, "films (JPCLN001.IMG …)"),
        CLASSES,
        citation="Shiraishi et al., Development of a digital image database for chest radiographs, AJR 2000.",
        terms="Research only; cite the source.",
        mapping="films",
    )


def parse(text: str) -> dict[str, tuple[Circle, str]]:
    """Each film's nodule, on the raw film's pixels, and whether it is malignant or benign."""
    found = {}
    for name, _, millimetres, x, y, severity in FINDING.findall(text):
        circle = Circle(float(y), float(x), float(millimetres) / PIXEL / 2)
        found[name.upper()] = circle, severity.lower()
    return found


def _item(name: str, path: Path, nodule: tuple[Circle, str] | None) -> Item:
    raw = path.suffix.upper() == ".IMG"
    has_nodule = name.startswith("JPCLN")
    return Item(
        name=name,
        load=partial(_raw if raw else read_picture, path),
        label=int(has_nodule),
        marks=partial(_marks, path, raw, nodule) if nodule or not has_nodule else None,
        flags=(nodule[1],) if nodule else (),
        size=bytes_of(path),
    )


def _raw(path: Path) -> Picture:
    """Big-endian 12 bits without a header; low values are bright."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"The film cannot be read ({error.strerror}): check that the file is there.") from None
    if len(data) != 2 * SIDE * SIDE:
        raise ImageError(f"{len(data)} bytes: a raw film has {2 * SIDE * SIDE}; download it again.")
    values = np.frombuffer(data, ">u2").reshape(1, SIDE, SIDE)
    pixels = (1 - values / np.float32(TOP)).clip(0, 1).astype(np.float32)
    pixels.flags.writeable = False
    return Picture(pixels, hashlib.sha256(data).hexdigest(), ("12 bits, inverted: low values are bright in this file",))


def _marks(path: Path, raw: bool, nodule: tuple[Circle, str] | None) -> Annotation:
    """Circles are brought to the size of a PNG that was made smaller."""
    size = (SIDE, SIDE) if raw else size_of(path)
    if nodule is None:
        return Annotation(size)
    scale, found = size[0] / SIDE, nodule[0]
    y, x = ((value + 0.5) * scale - 0.5 for value in (found.y, found.x))
    return Annotation(size, (Region(CLASSES[1], Circle(y, x, found.radius * scale)),))
