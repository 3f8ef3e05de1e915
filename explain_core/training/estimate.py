"""What a training run will take, before it is begun: counted in passes, never guessed in seconds.

A pass is one picture through the network and back.  A step makes one for each of its pictures, and what its terms
add; time follows only where a run of the same kind has been seen on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explain_core.data.sources import load_data
from explain_core.errors import DataError
from explain_core.training.pictures import class_names, labels_of
from explain_core.training.recipe import Recipe
from explain_core.training.terms import TERMS

FORWARD = 0.5
"""Of a pass, for the pictures that are held out."""
SHOWN = 12


@dataclass(frozen=True)
class Found:
    """What a data set holds for training: pictures, as many as would be drawn, and its classes."""

    spec: str
    n: int | None
    pictures: int
    classes: tuple[str, ...]

    @property
    def told(self) -> str:
        """In one line."""
        more = f" and {len(self.classes) - SHOWN} more" if len(self.classes) > SHOWN else ""
        return f"{self.pictures:,} pictures, {len(self.classes)} classes: {', '.join(self.classes[:SHOWN])}{more}."


@dataclass(frozen=True)
class Estimate:
    """`seen` pictures in all epochs; `a_step` passes for each of them; `passes` in all, checks on held-out ones too."""

    learnt: int
    held_out: int
    steps: int
    seen: int
    a_step: float
    passes: float
    parts: Mapping[str, float]


def look(data: str, n: int | None, recipe: Recipe) -> Found:
    """Reads what is said of the pictures, not the pictures; raises DataError for what cannot be trained on."""
    items = load_data(data)
    items = items if n is None else items.sample(n, recipe.schedule.seed)
    if len(items) < 2:
        raise DataError(f"{data}: {len(items)} pictures; training needs two at least.")
    found = class_names(items)
    names = recipe.input.names or found
    if len(found) > len(names):
        raise DataError(f"input.classes names {len(names)} classes, but {data} has {len(found)}; name them all.")
    if any(item.label is not None for item in items):  # marks are read one by one, and take longer
        labels_of(items, names)
    return Found(data, n, len(items), names)


def estimate(recipe: Recipe, pictures: int) -> Estimate:
    """Of a run on so many pictures."""
    schedule = recipe.schedule
    held_out = round(schedule.validation * pictures)
    learnt = max(1, pictures - held_out)
    steps = max(1, learnt // schedule.batch) * schedule.epochs
    seen = steps * min(schedule.batch, learnt)
    added = {name: TERMS[name].passes(params) for name, params in recipe.terms.items()}
    parts = {name: passes for name, passes in added.items() if passes}
    a_step = 1 + sum(parts.values())
    return Estimate(learnt, held_out, steps, seen, a_step, seen * a_step + FORWARD * held_out * schedule.epochs, parts)


def alike(recipe: Recipe, other: Mapping[str, Any]) -> bool:
    """Whether the recipe of another run, in plain values, makes steps that take as long."""
    own = recipe.as_dict()
    same = all(own[part] == other.get(part) for part in ("network", "input", "terms"))
    there = other.get("schedule", {})
    return same and all(own["schedule"][name] == there.get(name) for name in ("batch", "precision", "optimiser"))


def fields(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A recipe's plain values by their whole names, such as `terms.lipschitz.zeta`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= fields(value, f"{above}{name}.") or {f"{above}{name}": True}
        else:
            found[f"{above}{name}"] = value
    return found


def differing(recipes: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row for each field in which these recipes differ, texts aside; a field that one has not is a dash."""
    flat = {name: fields(values) for name, values in recipes.items()}
    names = dict.fromkeys(name for found in flat.values() for name in found if "." in name)
    rows = []
    for name in names:
        values = {run: str(found.get(name, "–")) for run, found in flat.items()}
        if len(set(values.values())) > 1:
            rows.append({"field": name, **values})
    return rows
