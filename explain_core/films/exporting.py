"""Regions and maps of an imported film as DICOM objects.  To add a kind: its row in OBJECTS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from explain_core.data.marked import Marked
from explain_core.data.window import Window
from explain_core.errors import DataError, InputError, suggest
from explain_core.export import LEDGER, write
from explain_core.films.record import Record
from explain_core.records import Floats

if TYPE_CHECKING:
    from pydicom import Dataset

    from explain_core.dicom.objects.sr import Observer


@dataclass(frozen=True)
class Given:
    """What goes into an object: `marked` regions, `values` a map (h, w) in [0, 1] and its `title`, who drew."""

    marked: Sequence[Marked] = ()
    values: Floats | None = None
    title: str = "saliency"
    observer: Observer | None = None


@dataclass(frozen=True)
class Object:
    """A kind of object, what it is made of, and how."""

    name: str
    title: str
    needs: Literal["regions", "map"]
    make: Callable[[Dataset, Record, Given], Dataset]


def _seg(film: Dataset, record: Record, given: Given) -> Dataset:
    from explain_core.dicom.objects.seg import segmentation

    return segmentation(film, given.marked)


def _saliency(film: Dataset, record: Record, given: Given) -> Dataset:
    from explain_core.dicom.objects.seg import saliency

    if given.values is None:
        raise InputError("A saliency object is made of a map, and there is none: give one.")
    return saliency(film, given.values, given.title)


def _gsps(film: Dataset, record: Record, given: Given) -> Dataset:
    from explain_core.dicom.objects.gsps import presentation

    return presentation(film, given.marked, inverse=record.facts.inverse)


def _sr(film: Dataset, record: Record, given: Given) -> Dataset:
    from explain_core.dicom.objects.sr import report

    return report(film, given.marked, given.observer)


ROWS = (
    Object("seg", "Segmentation, binary", "regions", _seg),
    Object("saliency", "Segmentation, fractional", "map", _saliency),
    Object("gsps", "Greyscale presentation state", "regions", _gsps),
    Object("sr", "Structured report", "regions", _sr),
)
OBJECTS = MappingProxyType({row.name: row for row in ROWS})


def export_object(kind: str, films: Path, record: Record, given: Given, out: Path) -> None:
    """Writes a DICOM file about a film, under a temporary name first.

    Raises InputError for a kind that there is not, a plain picture, a film in quarantine, a region off the film or a
    map of another size; DataError where the film's file is gone; OutputError.
    """
    from explain_core.dicom.objects.base import file_of, single

    if kind not in OBJECTS:
        raise InputError(f"Kind {kind!r}: {suggest(kind, OBJECTS)}")
    film = header(films, record)
    pseudonym, film.PatientName = film.PatientName, single(str(film.PatientName))
    made = OBJECTS[kind].make(film, record, given)
    made.PatientName = pseudonym
    write(out, file_of(made))


def header(films: Path, record: Record) -> Dataset:
    """The de-identified film without its pixel data; raises as `export_object` does."""
    from pydicom import dcmread

    if not all(record.uids):
        raise InputError(
            f"Film {record.film} came as a plain picture, which has no DICOM identifiers: nothing can refer to it; "
            "import the DICOM file, or keep its regions as JSON."
        )
    if record.state == "quarantined":
        raise InputError(f"Film {record.film} is in quarantine: look at it, and release it first.")
    try:
        film = dcmread(record.folder(films) / record.file, stop_before_pixels=True)
    except (OSError, ValueError, AttributeError):
        raise DataError(f"Film {record.film}: its file is gone or cut off; import it again.") from None
    if not film.get("Modality"):  # a report refers to nothing without one
        film.Modality = "MG" if record.kind.startswith(MAMMOGRAM) else "OT"
    return film


MAMMOGRAM = "Digital Mammography"
LARGEST_MAP = 1 << 30


def film_map(path: Path, record: Record) -> tuple[Floats, Mapping[str, Any]]:
    """A map (h, w) on a film's own grid, and what is known of where it came from, which may be nothing.

    A map that `rhoscope explain film:NAME` wrote is brought back from what the network saw.  Raises InputError for a
    map of another film or size, and as `read_map` does.
    """
    values, origin = read_map(path), origin_of(path)
    if origin and origin.get("image_sha256") != record.sha256:
        raise InputError(f"The map is not of film {record.film}: explain it as film:{record.film}.")
    if origin.get("seen"):
        values = _placed(values, origin["seen"])
    if values.shape != record.size:
        raise InputError(f"A map of {values.shape} for a film of {record.size} pixels (h, w): place it on its grid.")
    return values, origin


def _placed(values: Floats, seen: Mapping[str, Any]) -> Floats:
    try:
        told = dict(seen)
        mirrored = told.pop("mirrored")
        height, width = told.pop("size")
        window = Window((int(height), int(width)), **{name: float(value) for name, value in told.items()})
        placed = window.place(values, 0.0)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        raise InputError("What the network saw of the film is told wrongly: explain the film again.") from None
    return np.ascontiguousarray(placed[:, ::-1]) if mirrored else placed


def origin_of(path: Path) -> Mapping[str, Any]:
    """What `explanations.jsonl` beside a map's folder tells of it; empty where there is none."""
    try:
        lines = (path.parent.parent / LEDGER).read_text(encoding="utf-8").splitlines()
        found = [line for line in map(json.loads, lines) if line.get("file") == f"{path.parent.name}/{path.name}"]
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    return found[-1] if found else {}


def read_map(path: Path) -> Floats:
    """A map (h, w) of a .npy file, or `saliency` of a .npz as `rhoscope explain` writes it, as it is.

    Raises InputError for anything else; nothing is unpickled.
    """
    try:
        if path.stat().st_size > LARGEST_MAP:
            raise InputError("The map's file is larger than 1 GiB: give one (h, w) array of a film.")
        found = np.load(path, allow_pickle=False)
        values = found["saliency"] if isinstance(found, np.lib.npyio.NpzFile) else found
    except (OSError, ValueError, KeyError, EOFError, SyntaxError, MemoryError):
        raise InputError("The map's file is no .npy, and no .npz with `saliency`: write it with numpy.save.") from None
    if values.ndim != 2 or values.dtype.kind not in "fiub" or not values.size:
        raise InputError(f"The map has the shape {values.shape} and type {values.dtype}: (h, w) numbers are needed.")
    return np.asarray(values, np.float32)


def unit_map(values: Floats) -> Floats:
    """|values| over the largest, in [0, 1]; raises InputError for values that are no numbers, or all 0."""
    strength = np.abs(values)
    largest = float(strength.max())
    if not np.isfinite(largest) or largest == 0:
        raise InputError("The map has values that are no numbers, or is 0 everywhere: explain the film again.")
    return np.asarray(strength / largest, np.float32)
