"""A study's bundle, read: `study.json`, which a run has written beside the explanations that it names.

    {"format": 1, "title": "…", "spec": {…},
     "arms": [{"name": "alone", "methods": [], "output": false}, …],
     "cases": [{"name": "…", "practice": false, "films": [{"film": "0f3c…", "patient": "…", "exam": "…", "label": "RCC",
                "size": [h, w], "sha256": "…", "root": "bundle" | "workspace"}], "truth": {"label": 0 | 1, "regions":
                [{"film": "0f3c…", "shape": {…}}], "why": "…"}, "output": {"0f3c…": {"class": 0.93, …}}}, …],
     "explanations": [{"case": "…", "film": "0f3c…", "method": "…", "state": "made" | "failed", "file": "maps/….npz",
                       "sha256": "…", "note": "…"}, …]}

`truth` is empty where nobody knows it.  Every method of an arm has a row for each film, also where it failed.  Nothing
in the file is believed unseen: it may come from another machine.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from explain_core.errors import InputError
from explain_core.formats import read_values
from explain_core.shapes import shape_of

FILE, FORMAT = "study.json", 1
MADE, FAILED = "made", "failed"
MOST_CASES, MOST_ARMS, MOST_BYTES = 5000, 8, 256 << 20
NAME, HASH = re.compile(r"[A-Za-z0-9][\w .-]{0,99}"), re.compile(r"[0-9a-f]{64}")
WORD = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Arm:
    """What the second step shows: explanations by `methods`, and the model's output where `output`."""

    name: str
    methods: tuple[str, ...]
    output: bool


@dataclass(frozen=True)
class Explanation:
    """Of a film of a case by a method; `sha256` of `file`, both empty where it `failed`, and `note` then says why."""

    case: str
    film: str
    method: str
    state: str
    file: str
    sha256: str
    note: str


@dataclass(frozen=True)
class Case:
    """`films`, `truth` and `output` as in the file."""

    name: str
    practice: bool
    films: tuple[Mapping[str, Any], ...]
    truth: Mapping[str, Any]
    output: Mapping[str, Any]


@dataclass(frozen=True)
class StudyBundle:
    folder: Path
    sha256: str
    title: str
    spec: Mapping[str, Any]
    arms: tuple[Arm, ...]
    cases: tuple[Case, ...]
    explanations: tuple[Explanation, ...]

    @property
    def methods(self) -> list[str]:
        """Of all arms, each once, by name."""
        return sorted({method for arm in self.arms for method in arm.methods})

    @property
    def blocked(self) -> dict[str, str]:
        """Cases that nobody would read, and why."""
        failed = [(one.case, one.method, one.note) for one in self.explanations if one.state == FAILED]
        return blocked_by(failed, self.cases if any(arm.output for arm in self.arms) else ())


class HasOutput(Protocol):
    """A case, in a bundle or in the database."""

    @property
    def name(self) -> str: ...
    @property
    def films(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def output(self) -> Mapping[str, Any]: ...


def blocked_by(failed: Iterable[tuple[str, str, str]], told: Iterable[HasOutput]) -> dict[str, str]:
    """Of each case the first reason: explanations that `failed` (case, method, note), or, of cases whose model's output
    is `told` in an arm, films of which the model said nothing."""
    lost: dict[str, str] = {}
    for name, method, note in failed:
        lost.setdefault(name, f"{method}: {note}")
    for case in told:
        if any(film["film"] not in case.output for film in case.films):
            lost.setdefault(case.name, "the model said nothing of a film")
    return lost


def read_study(folder: Path) -> StudyBundle:
    """The bundle, every explanation compared with its hash; raises InputError."""
    path = folder / FILE
    give = "the folder that `rhoscope study build` wrote"
    values, sha256 = read_values(path, FORMAT, give, _fault, MOST_BYTES)
    try:
        bundle = StudyBundle(
            folder, sha256, str(values["title"])[:200], dict(values["spec"]),
            tuple(_arm(row) for row in values["arms"]), tuple(_case(row) for row in values["cases"]),
            tuple(_explanation(row) for row in values["explanations"]),
        )  # fmt: skip
    except InputError as error:
        raise _fault(path, str(error).rstrip(".")) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _fault(path, "a part of it is missing or of another kind") from None
    _check(path, bundle)
    for one in bundle.explanations:
        check_file(folder, one.file, one.sha256, one.state)
    return bundle


def check_file(folder: Path, file: str, sha256: str, state: str) -> None:
    """Raises InputError where an explanation's file is not the one whose hash was locked."""
    if state == FAILED:
        return
    try:
        with (folder / file).open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{folder / file}: {error.strerror}; copy the whole bundle.") from None
    if found != sha256:
        raise InputError(f"{folder / file} is not the explanation that {FILE} lists: build the study again.")


def _arm(row: Any) -> Arm:
    methods = tuple(_matches(WORD, method) for method in row["methods"])
    if len(set(methods)) < len(methods) or not isinstance(row["output"], bool):
        raise ValueError
    return Arm(_matches(WORD, row["name"])[:40], methods, row["output"])


def _case(row: Any) -> Case:
    films = tuple({
        "film": _matches(WORD, film["film"]), "patient": _matches(WORD, film["patient"]),
        "exam": _matches(WORD, film["exam"]), "label": str(film["label"])[:8],
        "size": [int(film["size"][0]), int(film["size"][1])], "sha256": _matches(HASH, film["sha256"]),
        "root": {"bundle": "bundle", "workspace": "workspace"}[film["root"]],
    } for film in row["films"])  # fmt: skip
    if not films or not isinstance(row["practice"], bool) or not isinstance(row["output"], dict):
        raise ValueError
    return Case(_matches(NAME, row["name"]), row["practice"], films, _truth(row["truth"], films), row["output"])


def _truth(row: Any, films: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    if row == {}:
        return {}
    regions = [{"film": region["film"], "shape": region["shape"]} for region in row.get("regions", [])]
    names = {film["film"] for film in films}
    for region in regions:
        shape_of(region["shape"])
    if row["label"] not in (0, 1) or any(region["film"] not in names for region in regions):
        raise ValueError
    return {"label": int(row["label"]), "regions": regions, "why": str(row.get("why", ""))[:500]}


def _explanation(row: Any) -> Explanation:
    state = {MADE: MADE, FAILED: FAILED}[row["state"]]
    file = str(row["file"]) if state == MADE else ""
    if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
        raise InputError("an explanation names a file outside the bundle.")
    sha256 = _matches(HASH, row["sha256"]) if state == MADE else ""
    note = str(row.get("note", ""))[:500]
    return Explanation(
        str(row["case"]), _matches(WORD, row["film"]), _matches(WORD, row["method"]), state, file, sha256, note
    )


def _check(path: Path, bundle: StudyBundle) -> None:
    """Raises InputError where names come twice, or an arm shows what no row tells of."""
    if not 1 <= len(bundle.arms) <= MOST_ARMS or not 1 <= len(bundle.cases) <= MOST_CASES:
        raise _fault(path, f"it needs 1 to {MOST_ARMS} arms and 1 to {MOST_CASES} cases")
    for names in ([arm.name for arm in bundle.arms], [case.name for case in bundle.cases]):
        if len(set(names)) < len(names):
            raise _fault(path, "two arms, or two cases, have the same name")
    told = [(one.case, one.film, one.method) for one in bundle.explanations]
    wanted = {
        (case.name, film["film"], method) for case in bundle.cases for film in case.films for method in bundle.methods
    }
    if len(set(told)) < len(told) or set(told) != wanted:
        raise _fault(path, "its explanations are not one for each film and method")


def _matches(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(value)
    return value


def _fault(path: Path, why: str) -> InputError:
    return InputError(f"{path}: {why}; build the study again.")
