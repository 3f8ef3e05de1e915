"""What readers said of a study's cases as labels to train on: frozen, with what was left out and why.

    {"format": 1, "study": "s", "setup": "…", "bundle": "…", "arm": "aided", "step": "final", "rule": "majority",
     "threshold": 50, "least": 2, "classes": ["normal", "lesion"],
     "cases": [{"case": "…", "label": 1, "readers": 3, "above": 2, "mean": 61.7, "films": [
         {"film": "0f3c…", "patient": "…", "exam": "…", "sha256": "…", "root": "bundle", "label": 1}, …]}, …],
     "left_out": {"too few readers": 2, "tied": 1, "films that no majority marked": 3},
     "cut_off": "2026-…", "head": "…", "by": "ada", "rhoscope": "0.1.0"}

Of each reader the version that counts of the locked step in one arm is taken, so nobody is counted twice; practice
cases are no part of it, and neither is the truth.  `label` is an index into `classes`.

A case may have several films, and a lesion need not be on each: of a case that is called positive a film is positive
where more than half of its readers drew a finding on it with a score of the threshold or above, and is left out
otherwise; a case of one film needs no mark.  Films of a case that is called negative are negative.

`explain_core/reading/pictures.py` makes a data set of it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import Any

from sqlalchemy.orm import Session

from annotations import audit
from annotations.database import Database
from annotations.files import write
from annotations.people import allowed
from annotations.reading.answers import FINAL, SCORE, STEPS
from annotations.reading.export import Read, told_in
from annotations.reading.overseeing import Overseer
from annotations.reading.studies import arms_of, cases_of, found
from annotations.reading.tables import CaseRow, StudyRow
from annotations.runs import now
from annotations.tables import AuditHeadRow
from explain_core import __version__
from explain_core.errors import InputError, ParamError, suggest

FILE, FORMAT = "reads.json", 1
NEGATIVE, POSITIVE = 0, 1
FEW, TIED, UNMARKED = "too few readers", "tied", "films that no majority marked"


def majority(scores: Sequence[float], threshold: float) -> int | None:
    """What more than half of the readers say; None in a tie."""
    above = sum(score >= threshold for score in scores)
    return None if 2 * above == len(scores) else int(2 * above > len(scores))


def mean(scores: Sequence[float], threshold: float) -> int | None:
    """Whether the mean over readers reaches the threshold."""
    return int(fmean(scores) >= threshold)


RULES: Mapping[str, Callable[[Sequence[float], float], int | None]] = MappingProxyType(
    {"majority": majority, "mean": mean}
)


@dataclass(frozen=True)
class Asked:
    """Which reads, and how several become one label.  `arm` may be empty where the study has one."""

    threshold: float
    arm: str = ""
    step: str = FINAL
    rule: str = "majority"
    least: int = 2
    classes: tuple[str, str] = ("normal", "lesion")

    def __post_init__(self) -> None:
        if not SCORE[0] < self.threshold <= SCORE[1]:
            raise ParamError(f"Threshold {self.threshold:g}: above {SCORE[0]}, to {SCORE[1]}, as scores are.")
        if self.step not in STEPS:
            raise ParamError(f"Step {self.step!r}: {suggest(self.step, STEPS)}")
        if self.rule not in RULES:
            raise ParamError(f"Rule {self.rule!r}: {suggest(self.rule, RULES)}")
        if self.least < 1:
            raise ParamError(f"{self.least} readers at least: give 1 or more.")
        if len(set(self.classes)) != 2 or not all(self.classes):
            raise ParamError(f"Classes {', '.join(self.classes)}: give two names, the negative one first.")


def freeze(
    database: Database, study: str, asked: Asked, *, by: str, out: Path, clock: Callable[[], datetime] = now
) -> dict[str, Any]:
    """Writes `out`/reads.json, which nothing changes any more, and notes its hash in the log; returns what is in it.

    Raises RightsError, StoreError, OutputError; InputError where there is nothing to learn, or the file is there.
    """
    Overseer(database, by).check(study)
    path = out.absolute() / FILE
    with ExitStack() as undo:
        with database.write() as session:
            allowed(session, by, "organise")
            row = found(session, study)
            database.hold(session, f"study {row.id}")
            moment = clock()
            told = _told(session, row, asked, by, moment)
            if path.exists():
                raise InputError(f"{path} is there already, and is never changed: name another folder.")
            content = (json.dumps(told, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
            write(path, content)
            undo.callback(path.unlink, missing_ok=True)
            audit.record(session, moment, by, audit.STUDY_LABELS, audit.file_detail(row.id, content))
        undo.pop_all()  # the transaction is committed: what was written stays
    return told


def _told(session: Session, row: StudyRow, asked: Asked, by: str, moment: datetime) -> dict[str, Any]:
    arm = _arm(session, row, asked.arm)
    by_case: dict[str, list[Read]] = defaultdict(list)
    for read in told_in(session, row).counting:
        if (read.arm, read.step) == (arm, asked.step):
            by_case[read.case].append(read)
    left_out: Counter[str] = Counter({FEW: 0, TIED: 0, UNMARKED: 0})
    every = [_case(case, by_case[case.name], asked, left_out) for case in cases_of(session, row) if not case.practice]
    cases = [one for one in every if one is not None]
    _check(cases, asked, left_out)
    return {
        "format": FORMAT, "study": row.name, "setup": row.setup_sha256, "bundle": row.bundle, "arm": arm,
        "step": asked.step, "rule": asked.rule, "threshold": asked.threshold, "least": asked.least,
        "classes": list(asked.classes), "cases": cases, "left_out": dict(left_out), "cut_off": moment.isoformat(),
        "head": session.get_one(AuditHeadRow, 1).hash, "by": by, "rhoscope": __version__,
    }  # fmt: skip


def _arm(session: Session, row: StudyRow, name: str) -> str:
    names = [arm.name for arm in arms_of(session, row)]
    if not name and len(names) > 1:
        raise InputError(f"{row.name} has the arms {', '.join(names)}, with other reads in each: name one.")
    if name and name not in names:
        raise InputError(f"Arm {name[:60]!r}: {suggest(name, names)}")
    return name or names[0]


def _case(case: CaseRow, reads: Sequence[Read], asked: Asked, left_out: Counter[str]) -> dict[str, Any] | None:
    """A case's label and its films'; None, counted, where there is none."""
    if len(reads) < asked.least:
        left_out[FEW] += 1
        return None
    scores = [float(read.answers["score"]) for read in reads]
    label = RULES[asked.rule](scores, asked.threshold)
    if label is None:
        left_out[TIED] += 1
        return None
    labelled = [film for film in case.films if label == NEGATIVE or len(case.films) == 1 or _marked(film, reads, asked)]
    left_out[UNMARKED] += len(case.films) - len(labelled)
    films = [
        {**{part: film[part] for part in ("film", "patient", "exam", "sha256", "root")}, "label": label}
        for film in labelled
    ]
    above = sum(score >= asked.threshold for score in scores)
    told = {"case": case.name, "label": label, "readers": len(reads), "above": above, "mean": round(fmean(scores), 3)}
    return {**told, "films": films}


def _marked(film: Mapping[str, Any], reads: Sequence[Read], asked: Asked) -> bool:
    """Whether more than half of these readers drew a finding on it that counts."""
    by = sum(
        any(one["film"] == film["film"] and one["score"] >= asked.threshold for one in read.answers["findings"])
        for read in reads
    )
    return 2 * by > len(reads)


def _check(cases: Sequence[Mapping[str, Any]], asked: Asked, left_out: Mapping[str, int]) -> None:
    counts = Counter(film["label"] for one in cases for film in one["films"])
    if not counts[NEGATIVE] or not counts[POSITIVE]:
        told = ", ".join(f"{counts[label]} {name}" for label, name in enumerate(asked.classes))
        without = ", ".join(f"{count} {why}" for why, count in left_out.items() if count) or "nothing left out"
        raise InputError(
            f"There is nothing to tell apart: {told} films ({without}). Have more cases read, or ask with another "
            "threshold, rule or number of readers."
        )
