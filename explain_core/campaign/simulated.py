"""A simulated rater: another network that answers a campaign's questions in people's place, to try the loop out.

It is no person, and whatever rests on its answers must say so.  It looks at the adversarial picture alone:
*unchanged* where it finds the original class with `sure` at least, *changed* where it finds another class so,
*unsure* between.  With probability `error` it gives one of the other answers instead.  Where pictures are
phantoms, the truth itself may answer (known.py).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from explain_core.campaign.bundle import EXAMPLES, FILE
from explain_core.campaign.params import UNCHANGED
from explain_core.engine.library import Held
from explain_core.engine.predictions import predict
from explain_core.errors import DataError, TargetError
from explain_core.records import SIMULATED, Floats

ANSWERS = ("unchanged", "unsure", "changed")
AT_ONCE = 256


def answers(folder: Path, held: Held, *, sure: float, error: float, seed: int) -> dict[str, str]:
    """By item of the kind `ask`.

    Raises DataError for a folder that is no bundle, TargetError for a class that the network does not know.
    """
    items, arrays = read_asked(folder)
    found = {}
    for start in range(0, len(items), AT_ONCE):
        some = items[start : start + AT_ONCE]
        for item, p in zip(some, predict(held, [arrays[f"{item['name']}.adversarial"] for item in some]), strict=True):
            found[item["name"]] = _answer(np.asarray(p), _place(held, item["class"]), sure)
    return erring(found, error, seed)


def read_asked(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Floats]]:
    """A bundle's items of the kind `ask`, and their pixels by NAME.original and NAME.adversarial; raises DataError."""
    try:
        bundle = json.loads((folder / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        raise DataError(f"{folder} is no campaign's bundle: give the folder that holds {FILE}.") from None
    if bundle["question"] != UNCHANGED:
        raise DataError(f"{folder} asks {bundle['question']!r}: networks answer about changed pictures alone.")
    items = [item for item in bundle["items"] if item["kind"] == "ask"]
    try:
        return items, load_file(folder / EXAMPLES)
    except (OSError, SafetensorError) as fault:
        raise DataError(f"{folder / EXAMPLES}: {fault}; copy the whole bundle.") from None


def erring(answers: Mapping[str, str], error: float, seed: int) -> dict[str, str]:
    """With probability `error` another answer, in the items' order."""
    draw = np.random.default_rng(seed)
    return {name: _other(answer, draw) if draw.random() < error else answer for name, answer in answers.items()}


def as_table(found: Mapping[str, str], name: str) -> str:
    """The table that `rhoscope labels import` reads."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["item", "rater", "answer"])
    writer.writerows([item, f"{SIMULATED} {name}", answer] for item, answer in found.items())
    return buffer.getvalue()


def _answer(p: Any, label: int, sure: float) -> str:
    if float(p.max()) < sure:
        return "unsure"
    return "unchanged" if int(p.argmax()) == label else "changed"


def _other(answer: str, draw: np.random.Generator) -> str:
    others = [one for one in ANSWERS if one != answer]
    return others[int(draw.integers(2))]


def _place(held: Held, name: str) -> int:
    if name not in held.card.classes:
        raise TargetError(f"{held.card.spec} has no class {name!r}: take a network with the campaign's classes.")
    return held.card.classes.index(name)
