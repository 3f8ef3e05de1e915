"""Keeps the tables of models and data sets in step with the folders, which are the truth.

The tables are handed in, as `annotations.registry.Registry`: nothing here knows a database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from explain_core.data import manifest
from explain_core.errors import RhoscopeError
from explain_core.models.registry import registered, workspace


class Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> int: ...


class Rows(Protocol):
    """The two tables; the methods raise StoreError, and InputError for a version that is noted otherwise."""

    def add_model(
        self, name: str, version: int, *, sha256: str, folder: str, recipe: str, data_sha256: str,
        metrics: Mapping[str, Any],
    ) -> Named: ...  # fmt: skip
    def add_dataset(
        self, name: str, version: int, *, spec: str, sha256: str, n: int, manifest: Mapping[str, Any]
    ) -> Named: ...
    def models(self) -> Sequence[Named]: ...
    def datasets(self) -> Sequence[Named]: ...


@dataclass(frozen=True)
class Step:
    """What stands between files and rows: names whose files are gone, and faults in one line each."""

    missing_models: tuple[str, ...]
    missing_data: tuple[str, ...]
    faults: tuple[str, ...]


def keep_in_step(rows: Rows) -> Step:
    """Notes every model and manifest that has no row yet, and says which rows have no files; raises StoreError."""
    faults: list[str] = []
    there, noted = _models(rows, faults)
    data, known = _datasets(rows, faults)
    return Step(_without(noted, there), _without(known, data), tuple(faults))


def _models(rows: Rows, faults: list[str]) -> tuple[set[tuple[str, int]], Sequence[Named]]:
    entries, noted = registered(), rows.models()
    known = {(row.name, row.version) for row in noted}
    for entry in entries:
        if (entry.name, entry.version) in known:
            continue
        try:
            told = entry.describe()
        except RhoscopeError as error:
            faults.append(str(error))
            continue
        rows.add_model(
            entry.name, entry.version, sha256=told.weights_sha256, folder=str(entry.folder), recipe=told.card.recipe,
            data_sha256=told.card.data_sha256, metrics=told.card.metrics,
        )  # fmt: skip
    return {(entry.name, entry.version) for entry in entries}, noted


def _datasets(rows: Rows, faults: list[str]) -> tuple[set[tuple[str, int]], Sequence[Named]]:
    versions, noted = manifest.versions(), rows.datasets()
    known = {(row.name, row.version) for row in noted}
    for name, version in versions:
        if (name, version) in known:
            continue
        try:
            found = manifest.find(name, str(version))
        except RhoscopeError as error:
            faults.append(str(error))
            continue
        file = {"file": str(workspace() / "data" / name / f"{version}.json"), "content": found.content}
        rows.add_dataset(name, version, spec=found.spec, sha256=found.sha256, n=found.n, manifest=file)
    return set(versions), noted


def _without(rows: Sequence[Named], there: set[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(f"{row.name}@{row.version}" for row in rows if (row.name, row.version) not in there)
