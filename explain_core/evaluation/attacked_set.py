"""A data set attacked once, for a network to be trained on again (Sparse paper, Table 1: clean and attacked pictures).

    FILE.npz   x uint16 (n, h, w, c), y and classes as the data has them, lost (n,) whether the class was lost,
               rmse (n,) of each change, asked: model, data, attack and its parameters as JSON

`npz:FILE` reads it; `SPEC + npz:FILE` is the pictures and their attacked copies as one set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.attacks import get_attack
from explain_core.data.sources import DataSet
from explain_core.engine.library import Held
from explain_core.engine.predictions import predict
from explain_core.errors import DataError, OutputError
from explain_core.evaluation.asking import Asking
from explain_core.evaluation.cases import cases_of
from explain_core.records import Answer

AT_ONCE = 64
LEVELS = 65_535


def attack_set(
    held: Held,
    data: DataSet,
    attack: str,
    out: Path,
    *,
    knobs: Mapping[str, Any] | None = None,
    rho: float | None = None,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda _: None,
) -> dict[str, float]:
    """Attacks every picture on its own label and writes all; returns the share lost and the mean RMSE.

    Raises ParamError for an unknown attack or knob, DataError for a picture that cannot be used, has no label, or
    another size than the others, OutputError where the file cannot be written.
    """
    row = get_attack(attack)
    params = row.params.build(knobs or {}).as_dict()
    ask = Asking(held, row.name, knobs=params, rho=rho, seed=seed)
    answers: list[tuple[NDArray[np.uint16], bool, float]] = []
    for start in range(0, len(data), AT_ONCE):
        some = data[start : start + AT_ONCE]
        answers += map(_told, ask(*_asked(held, some)))
        on_progress(min(1.0, (start + AT_ONCE) / len(data)))
    pictures, lost, sizes = zip(*answers, strict=True)
    if len({picture.shape for picture in pictures}) > 1:
        raise DataError(f"{data.spec}: pictures of several sizes make no array; choose a model that takes one size.")
    asked = {"model": held.card.spec, "sha256": held.card.sha256, "data": data.spec, "attack": row.name, "rho": rho,
             "params": params, "seed": seed}  # fmt: skip
    arrays: dict[str, Any] = {
        "x": np.stack(pictures), "y": np.array([item.label for item in data]), "lost": np.array(lost),
        "rmse": np.array(sizes), "asked": np.array(json.dumps(asked)),
    }  # fmt: skip
    _write(out, arrays | ({"classes": np.array(data.classes)} if data.classes else {}))
    return {"lost": float(np.mean(lost)), "rmse": float(np.mean(sizes))}


def _asked(held: Held, data: DataSet) -> tuple[list[Any], list[int]]:
    """Pixels and labels of every picture; raises DataError where one has none."""
    found = cases_of(data, held.model, predict=lambda pixels: predict(held, pixels))
    if found.left_out:
        raise DataError(found.left_out[0])
    for case in found.cases:
        if case.label is None:
            raise DataError(f"{data.spec}: {case.name} has no label that the model knows; an attack needs one.")
    return [case.pixels for case in found.cases], [int(case.label or 0) for case in found.cases]


def _told(answer: Answer) -> tuple[NDArray[np.uint16], bool, float]:
    """The picture (h, w, c), whether its class is lost on it, and the RMSE of the change."""
    shown = answer.input if answer.perturbed is None else answer.perturbed
    after = answer.before if answer.after is None else answer.after
    levels = np.rint(np.moveaxis(shown, 0, -1).astype(np.float64) * LEVELS).astype(np.uint16)
    return levels, int(np.argmax(after)) != answer.provenance.target, answer.rmse or 0.0


def _write(out: Path, arrays: Mapping[str, Any]) -> None:
    unfinished = out.with_name(out.name + ".part")
    try:
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **arrays)
        unfinished.replace(out)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputError(f"{out} cannot be written ({error.strerror}): choose another place.") from None
