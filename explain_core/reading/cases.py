"""Cases of a study: phantoms drawn as films, or exams of the workspace; with the truth where it is known."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from explain_core.data.phantom import Phantom, phantom
from explain_core.data.sources import load_data
from explain_core.data.sources.phantoms import SIZE
from explain_core.dicom.film import Facts, Rescale
from explain_core.errors import DataError, InputError
from explain_core.films.exams import Exam, exams
from explain_core.films.network import Sight, sight
from explain_core.films.record import Record, pixel_hash, save, whole_records
from explain_core.models.classifier import InputSpec

BITS = 12
EXAMS = "films"
"""The data of a study that is made of the workspace's exams."""
Root = Literal["bundle", "workspace"]


@dataclass(frozen=True, eq=False)
class Shown:
    """A film of a case, and below which folder it lies."""

    record: Record
    films: Path
    root: Root

    def seen(self, input: InputSpec) -> Sight:
        """What a network with this input sees of it; raises ImageError, DataError."""
        return sight(self.record.open(self.films), input)

    def told(self) -> dict[str, Any]:
        one = self.record
        return {
            "film": one.film, "patient": one.patient, "exam": one.exam, "label": one.label, "size": list(one.size),
            "sha256": one.sha256, "root": self.root,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class StudyCase:
    """`truth`: label 0 or 1, regions and why; empty where nobody knows."""

    name: str
    films: tuple[Shown, ...]
    practice: bool = False
    truth: Mapping[str, Any] = field(default_factory=dict)


def read_cases(
    data: str, practice: str, bundle: Path, films: Path, truth: Mapping[str, Mapping[str, Any]]
) -> list[StudyCase]:
    """The cases of `data`, and those of `practice` (phantoms, or empty), which come first.

    `phantom:N,SEED` is drawn into `bundle`/films; `films` are the workspace's exams that nobody has to confirm any
    more, `films:PATIENT/EXAM,…` some of them.  Raises DataError, InputError.
    """
    tried = [replace_practice(case) for case in _phantoms(practice, bundle)] if practice else []
    asked = list(_exams(data, films, truth)) if data.partition(":")[0] == EXAMS else list(_phantoms(data, bundle))
    if twice := {case.name for case in tried} & {case.name for case in asked}:
        raise DataError(f"{practice} and {data} both have {min(twice)}: take another seed for practice.")
    return tried + asked


def replace_practice(case: StudyCase) -> StudyCase:
    return StudyCase(case.name, case.films, True, case.truth)


def read_truth(path: Path) -> dict[str, dict[str, Any]]:
    """As `truth_from`, of a file; raises InputError."""
    try:
        return truth_from(path.read_bytes(), str(path))
    except OSError:
        raise InputError(f"{path} cannot be read: give a CSV table of case and label.") from None


def truth_from(content: bytes, name: str) -> dict[str, dict[str, Any]]:
    """A table of the columns case (PATIENT/EXAM) and label (0 or 1), by case; `name` stands in errors.

    Raises InputError.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        for number, row in enumerate(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")), 2):
            case, label = (row.get("case") or "").strip(), (row.get("label") or "").strip()
            if not case or label not in ("0", "1") or case in found:
                raise InputError(f"{name}, line {number}: each case once, with the label 0 or 1.")
            found[case] = {"label": int(label), "regions": [], "why": (row.get("why") or "")[:500]}
    except (UnicodeDecodeError, csv.Error):
        raise InputError(f"{name} cannot be read: give a CSV table of case and label.") from None
    return found


def ready_exams(films: Path) -> list[str]:
    """PATIENT/EXAM of every exam that nobody has to confirm any more."""
    return _ready_ones(_by_name(films))


def _by_name(films: Path) -> dict[str, Exam]:
    return {f"{exam.patient}/{exam.name}": exam for exam in exams(whole_records(films))}


def _ready_ones(known: Mapping[str, Exam]) -> list[str]:
    return [name for name, exam in known.items() if _ready(exam)]


def _phantoms(spec: str, bundle: Path) -> Iterator[StudyCase]:
    if not spec.startswith("phantom:"):
        raise DataError(f"{spec}: a study is made of phantom:N,SEED or of {EXAMS}; docs/studies.md tells.")
    for item in load_data(spec):
        seed = int(re.sub(r"\D", "", item.name))
        drawn = phantom(seed, SIZE, label=seed % 2)
        record = _film(drawn, bundle / "films")
        name = f"phantom {record.film[:8]}"  # no seed: every second one has a lesion
        yield StudyCase(name, (Shown(record, bundle / "films", "bundle"),), truth=_known(drawn, record.film))


def _film(drawn: Phantom, films: Path) -> Record:
    """A phantom as a film of 12 bits, written where it is not there yet; its name tells nothing of it."""
    stored = np.rint(drawn.pixels * ((1 << BITS) - 1)).astype(np.uint16)
    sha256, content = pixel_hash(stored), io.BytesIO()
    name = hashlib.sha256(f"phantom film {sha256}".encode()).hexdigest()[:16]
    np.save(content, stored, allow_pickle=False)
    facts = Facts(BITS, "MONOCHROME2", inverse=False, rescale=Rescale(), laterality=drawn.side, view=drawn.view)
    record = Record(
        film=name, patient=f"phantom-{name}", exam="drawn", date="", state="ready", facts=facts,
        size=(stored.shape[0], stored.shape[1]), sha256=sha256, file=f"{name}.npy",
        offset=content.tell() - stored.nbytes, dtype=stored.dtype.name, kind="phantom",
    )  # fmt: skip
    if not record.path(films).exists():
        save(films, record, content.getvalue())
    return record


def _known(drawn: Phantom, film: str) -> dict[str, Any]:
    """Each part of the lesion's mask as the ellipse of the same moments."""
    parts, count = ndimage.label(drawn.lesion, np.ones((3, 3)))
    areas = np.bincount(parts.ravel())[1:]
    kept = [number + 1 for number in range(count) if areas[number] >= 0.1 * areas.max()]  # a spicule's end is no lesion
    regions = [{"film": film, "shape": {"ellipse": _ellipse(parts == number)}} for number in kept]
    return {"label": drawn.label, "regions": regions, "why": drawn.alt}


def _ellipse(mask: Any) -> dict[str, float]:
    rows, columns = np.nonzero(mask)
    x, y = columns + 0.5, rows + 0.5
    values, ways = np.linalg.eigh(np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12)
    return {
        "cx": float(x.mean()), "cy": float(y.mean()), "rx": float(2 * np.sqrt(values[1])),
        "ry": float(2 * np.sqrt(values[0])), "angle": float(np.degrees(np.arctan2(ways[1, 1], ways[0, 1]))),
    }  # fmt: skip


def _exams(data: str, films: Path, truth: Mapping[str, Mapping[str, Any]]) -> Iterator[StudyCase]:
    known = _by_name(films)
    wanted = [name for name in data.partition(":")[2].split(",") if name]
    for name in [*wanted, *truth]:
        if name not in known:
            raise InputError(f"There is no exam {name[:100]!r}: `rhoscope dicom list` names patients and exams.")
    chosen = wanted or _ready_ones(known)
    if not chosen:
        raise DataError("There is no exam that nobody has to confirm any more: `rhoscope dicom list` tells.")
    for name in chosen:
        exam = known[name]
        if not _ready(exam):
            raise DataError(f"Exam {name} has films to be confirmed by a person: confirm them on the page Review.")
        shown = tuple(Shown(film, films, "workspace") for film in _hung(exam))
        yield StudyCase(name.replace("/", " "), shown, truth=truth.get(name, {}))


def _hung(exam: Exam) -> Iterable[Record]:
    """The four views, or whatever there is where none of them is."""
    return exam.hung().values() or exam.films


def _ready(exam: Exam) -> bool:
    return all(film.state == "ready" for film in exam.films)
