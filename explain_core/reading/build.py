"""A study's bundle: its films, every explanation that an arm shows, and `study.json`, which names each with its hash.

    FOLDER/bundle/study.json                       annotations/reading/bundle.py tells the form
    FOLDER/bundle/films/…                          phantoms, as films
    FOLDER/bundle/maps/<film>-<method>.npz         saliency float32 (h', w') in the network's grid, and how that lies on
                                                   the film: its size, the window (top, left, height, width), mirrored

What is made is kept: asked again in the same folder, only what failed or is missing is computed.  An explanation that
cannot be had has a row that says why; it blocks its case.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explain_core.engine.library import Held
from explain_core.engine.predictions import predict
from explain_core.errors import Cancelled, ParamError, RhoscopeError, TargetError, suggest
from explain_core.evaluation.asking import Asking
from explain_core.evaluation.folder import RunFolder
from explain_core.export import write
from explain_core.films.network import Sight
from explain_core.methods import get_method
from explain_core.reading.cases import Shown, StudyCase
from explain_core.reading.maps import packed

FILE, FORMAT, MAPS = "study.json", 1, "maps"
TOP = "top1"
MOST_ARMS, NAME = 8, re.compile(r"[A-Za-z0-9-]{1,40}")
"""As annotations/reading/bundle.py takes them: what it would refuse is refused before anything is computed."""
OnProgress = Callable[[float], None]


@dataclass(frozen=True)
class Arm:
    """What the second step of a read shows: explanations by these methods, and the model's output where `output`."""

    name: str
    methods: tuple[str, ...]
    output: bool = False


def arm_from(text: str) -> Arm:
    """NAME=METHOD,…[+output]; NAME= shows nothing.  Raises ParamError.

    >>> arm_from("aided=gradcam,rise+output")
    Arm(name='aided', methods=('gradcam', 'rise'), output=True)
    """
    name, sign, rest = text.partition("=")
    rest, plus, more = rest.partition("+")
    if not name or not sign or (plus and more != "output"):
        raise ParamError(f"Arm {text[:60]!r}: the form is NAME=METHOD,METHOD+output, and NAME= shows nothing.")
    methods = tuple(get_method(one).name for one in rest.split(",") if one)
    if len(set(methods)) < len(methods):
        raise ParamError(f"Arm {text[:60]!r} names a method twice.")
    return Arm(name, methods, bool(plus))


def arms_from(texts: Sequence[str]) -> list[Arm]:
    """Each as `arm_from` reads it, under names that a bundle may have, no two alike; raises ParamError."""
    arms = [arm_from(text) for text in texts]
    if not 1 <= len(arms) <= MOST_ARMS:
        raise ParamError(f"{len(arms)} arms: a study has 1 to {MOST_ARMS}.")
    for arm in arms:
        if not NAME.fullmatch(arm.name):
            raise ParamError(f"Arm {arm.name[:60]!r}: letters, digits and dashes, at most 40.")
    if len({arm.name for arm in arms}) < len(arms):
        raise ParamError("Two arms have the same name: give each its own.")
    return arms


def build(
    held: Held, cases: Sequence[StudyCase], arms: Sequence[Arm], folder: Path, *, spec: Mapping[str, Any],
    title: str, target: str = TOP, seed: int = 0, on_progress: OnProgress = lambda _: None,
    on_fault: Callable[[str], None] = lambda _: None,
) -> Path:  # fmt: skip
    """The bundle's folder.  `target`: `top1`, what the network decides, or a class by name.

    Raises TargetError, ParamError, OutputError; DataError for a folder of another build.
    """
    bundle = folder / "bundle"
    methods = sorted({method for arm in arms for method in arm.methods})
    which = _target(held, target)
    work = [(case, film) for case in cases for film in case.films]
    outputs: dict[str, dict[str, Any]] = {case.name: {} for case in cases}
    rows: list[dict[str, Any]] = []
    for number, (case, film) in enumerate(work):
        try:
            seen = film.seen(held.card.input)
            told = predict(held, [seen.pixels])[0]
        except Cancelled:
            raise
        except RhoscopeError as error:
            rows += [_failed(case, film, method, error) for method in methods]
            on_fault(f"{case.name}: {error}")
            continue
        outputs[case.name][film.record.film] = {
            name: round(float(p), 6) for name, p in zip(held.card.classes, told, strict=True)
        }
        of = int(told.argmax()) if which is None else which
        for place, method in enumerate(methods):
            row = _explained(held, case, film, method, seen, of, bundle, seed)
            if row["state"] == "failed":
                on_fault(f"{case.name}, {method}: {row['note']}")
            rows.append(row)
            on_progress((number + (place + 1) / len(methods)) / len(work))
    values = {
        "format": FORMAT, "title": title, "spec": {**spec, "model_sha256": held.card.sha256},
        "arms": [{"name": arm.name, "methods": list(arm.methods), "output": arm.output} for arm in arms],
        "cases": [_case(case, outputs[case.name]) for case in cases], "explanations": rows,
    }  # fmt: skip
    write(bundle / FILE, (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode())
    return bundle


def carry_out(
    held: Held, cases: Callable[[Path], list[StudyCase]], arms: Sequence[Arm], folder: Path, *,
    spec: Mapping[str, Any], title: str, target: str, seed: int, on_progress: OnProgress,
    on_fault: Callable[[str], None],
) -> Path:  # fmt: skip
    """`build` in a folder that belongs to this very question; cases are drawn below the bundle that they get."""
    asked = {**spec, "model_sha256": held.card.sha256, "title": title}
    with closing(RunFolder(folder, asked)):
        return build(
            held, cases(folder / "bundle"), arms, folder, spec=spec, title=title, target=target, seed=seed,
            on_progress=on_progress, on_fault=on_fault,
        )  # fmt: skip


def _explained(
    held: Held, case: StudyCase, film: Shown, method: str, seen: Sight, target: int, bundle: Path, seed: int
) -> dict[str, Any]:
    path = bundle / MAPS / f"{film.record.film}-{method}.npz"
    try:
        if not path.exists():
            write(path, packed(Asking(held, method, seed=seed)([seen.pixels], [target])[0].saliency, seen))
    except Cancelled:
        raise
    except RhoscopeError as error:
        return _failed(case, film, method, error)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    told = {"state": "made", "file": f"{MAPS}/{path.name}", "sha256": sha256, "note": ""}
    return {"case": case.name, "film": film.record.film, "method": method, **told, "target": held.card.classes[target]}


def _failed(case: StudyCase, film: Shown, method: str, error: RhoscopeError) -> dict[str, Any]:
    told = {"state": "failed", "file": "", "sha256": "", "note": str(error)[:500], "target": ""}
    return {"case": case.name, "film": film.record.film, "method": method, **told}


def _case(case: StudyCase, output: Mapping[str, Any]) -> dict[str, Any]:
    films: Iterable[dict[str, Any]] = [film.told() for film in case.films]
    return {
        "name": case.name,
        "practice": case.practice,
        "films": films,
        "truth": dict(case.truth),
        "output": dict(output),
    }


def _target(held: Held, name: str) -> int | None:
    if name == TOP:
        return None
    if name not in held.card.classes:
        raise TargetError(f"{held.card.spec} has no class {name!r}: {suggest(name, [TOP, *held.card.classes])}")
    return held.card.classes.index(name)
