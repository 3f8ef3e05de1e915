"""The library as tables of texts, for the page and the command line; read without torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from explain_core.data.manifest import Manifest, find, versions
from explain_core.errors import RhoscopeError
from explain_core.models.card import Described
from explain_core.models.registry import Registered, current, registered

MOST_METRICS = 3


def models() -> tuple[list[dict[str, str]], list[str]]:
    """A row for each registered model, the newest version first; and what is wrong with those that have none."""
    rows, faults = [], []
    for entry in sorted(registered(), key=lambda entry: (entry.name, -entry.version)):
        try:
            rows.append(model_row(entry, entry.describe()))
        except RhoscopeError as error:
            faults.append(str(error))
    return rows, faults


def model_row(entry: Registered, told: Described) -> dict[str, str]:
    card = told.card
    return {
        "Name": entry.name,
        "Version": str(entry.version),
        "Current": "yes" if current(entry.name)[0] == entry.version else "",
        "Recipe": recipe_title(card.recipe) or ("imported" if card.extra.get("imported") else "–"),
        "Network": card.architecture,
        "Classes": str(len(told.handling.classes)),
        "Figures": figures(card.metrics),
        "Data": card.data_sha256[:12] or "–",
        "Made": card.created[:16].replace("T", " "),
        "Size": size_text(sum(file.stat().st_size for file in _files(entry.folder))),
    }


def datasets() -> tuple[list[dict[str, str]], list[str]]:
    """A row for each manifest, the newest version first; and what is wrong with those that have none."""
    rows, faults = [], []
    for name, version in sorted(versions(), key=lambda one: (one[0], -one[1])):
        try:
            rows.append(dataset_row(find(name, str(version))))
        except RhoscopeError as error:
            faults.append(str(error))
    return rows, faults


def dataset_row(manifest: Manifest) -> dict[str, str]:
    return {
        "Name": manifest.name,
        "Version": str(manifest.version),
        "Items": str(manifest.n),
        "Classes": str(len(manifest.classes)) if manifest.classes else "–",
        "Pictures hashed": "yes" if manifest.decoded else "no",
        "SHA-256": manifest.sha256[:12],
        "Made": manifest.created[:16].replace("T", " "),
        "Spec": manifest.spec,
    }


def facts(entry: Registered, told: Described) -> dict[str, str]:
    """Everything on a card but its recipe, in words."""
    card, how = told.card, told.handling
    size = f"any, {how.smallest} or more a side" if how.size is None else f"{how.size[1]} × {how.size[0]} pixels"
    return {
        "Spec": entry.spec,
        "Current version": _standing(entry),
        "Network": f"{card.architecture}" + (f" ({_pairs(card.knobs)})" if card.knobs else ""),
        "Classes": ", ".join(how.classes),
        "Output": how.kind,
        "Input": f"{size}, {'grey' if how.channels == 1 else 'colour'}",
        "Films": f"{how.views}; {how.greys}",
        "Mean, deviation": "each picture's own" if how.standardise else f"{_numbers(how.mean)}; {_numbers(how.std)}",
        "Figures": figures(card.metrics, most=None),
        "Trained on": card.data or "not known",
        "Data's SHA-256": _halves(card.data_sha256) or "not known",
        "Seed": str(card.seed) if card.recipe else "not known",
        "Made": card.created,
        **{name.capitalize(): str(value) for name, value in card.extra.items() if value is not True},
        "Versions": _pairs(told.versions),
        "Weights' SHA-256": _halves(told.weights_sha256),
        "Model's SHA-256": _halves(told.model_sha256),
    }


def _standing(entry: Registered) -> str:
    """Whether this is what the name alone stands for, since when, by whom and why."""
    version, made = current(entry.name)
    told = "this one" if version == entry.version else f"{version}"
    return told if made is None else f"{told}, since {made.at[:16].replace('T', ' ')} UTC by {made.by}: {made.why}"


def recipe_title(recipe: str) -> str:
    """The title in a recipe's text, or nothing."""
    try:
        return str(tomllib.loads(recipe).get("title", ""))
    except tomllib.TOMLDecodeError:
        return ""


def figures(metrics: Mapping[str, float | None], most: int | None = MOST_METRICS) -> str:
    told = [f"{name} {value:.3g}" for name, value in list(metrics.items())[:most] if value is not None]
    return ", ".join(told) or "–"


def size_text(count: int) -> str:
    """Bytes in the unit that suits.

    >>> size_text(1_500_000)
    '1.5 MB'
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.is_file()]


def _halves(sha256: str) -> str:
    """With a gap, where a narrow table can break it."""
    return f"{sha256[:32]} {sha256[32:]}".strip()


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
