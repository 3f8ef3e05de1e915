"""`mias:DIR`: the mammograms of mini-MIAS, with circles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from explain_core.data.annotation import Annotation, Circle, Region
from explain_core.data.images import read_picture
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.files import beneath, bytes_of, folder_at, read_table, read_text, size_of, some
from explain_core.errors import DataError

CLASSES = ("normal", "benign", "malignant")
LAST_ROW = 1023
"""Info.txt counts rows of the 1024 × 1024 films from below."""
INFO = re.compile(r"(mdb(\d{3}))\s+([FGD])\s+([A-Z]{4})(?:\s+([BM]))?(?:\s+(\d+)\s+(\d+)\s+(\d+))?.*")


@dataclass(frozen=True)
class Finding:
    """A row: `circle` is None for normal films and for findings that are all over the breast."""

    ref: str
    file: str
    kind: str
    severity: int
    circle: Circle | None


def read_mias(spec: str, argument: str) -> DataSet:
    """Films listed in annotations.csv, else in the data set's own Info.txt; labels normal, benign, malignant.

    A film with several findings has the worst one's label.  A pair of films, odd and even, is one patient.
    The kinds of abnormality are flags.  Raises DataError.
    """
    folder = folder_at(spec, argument)
    lists = [path for name in ("annotations.csv", "Info.txt") if (path := folder / name).is_file()]
    if not lists:
        raise DataError(f"{spec} has neither annotations.csv nor Info.txt; give the folder of mini-MIAS.")
    findings = findings_of(lists[0])
    films = (list(group) for _, group in groupby(findings, key=lambda finding: finding.ref))
    return DataSet(
        spec,
        some(spec, (_item(folder, film) for film in films), "films"),
        CLASSES,
        citation="Suckling et al., The Mammographic Image Analysis Society digital mammogram database, 1994.",
        terms="Research only; cite the source; do not pass the films on.",
        mapping="films",
    )


def findings_of(path: Path) -> list[Finding]:
    """The rows of annotations.csv, or the lines of the data set's own Info.txt; raises DataError."""
    return list(_from_table(path) if path.suffix.lower() == ".csv" else _from_info(path))


def _from_table(path: Path) -> Iterator[Finding]:
    for row in read_table(path, ("file", "ref", "abnormality", "severity", "x", "y_image", "radius")):
        place = [row[name] for name in ("x", "y_image", "radius")]
        try:
            circle = Circle(float(place[1]), float(place[0]), float(place[2])) if all(place) else None
        except ValueError:
            raise DataError(f"{path.name}: {row['ref']} has {', '.join(place)}; three numbers are needed.") from None
        yield Finding(row["ref"], row["file"], row["abnormality"], _severity(row["severity"]), circle)


def _from_info(path: Path) -> Iterator[Finding]:
    for line in read_text(path).splitlines():
        found = INFO.fullmatch(line.strip())
        if found:
            ref, _, _, kind, severity, x, y, radius = found.groups()
            circle = Circle(LAST_ROW - float(y), float(x), float(radius)) if x else None
            yield Finding(ref, f"{ref}.pgm", kind, _severity(severity or ""), circle)


def _severity(letter: str) -> int:
    """An index into CLASSES."""
    return {"B": 1, "M": 2}.get(letter, 0)


def _item(folder: Path, film: list[Finding]) -> Item:
    path = beneath(folder, film[0].file)
    number = re.sub(r"\D", "", film[0].ref)
    return Item(
        name=film[0].ref,
        load=partial(read_picture, path),
        label=max(finding.severity for finding in film),
        marks=partial(_marks, path, film),
        patient=str((int(number) + 1) // 2) if number else None,
        flags=tuple(dict.fromkeys(finding.kind.lower() for finding in film)),
        size=bytes_of(path),
    )


def _marks(path: Path, film: list[Finding]) -> Annotation:
    regions = (Region(CLASSES[finding.severity], finding.circle) for finding in film if finding.circle)
    return Annotation(size_of(path), tuple(regions))
