"""Registered models and data sets as rows: what can be listed, compared and joined without torch.

A name has versions, counted from 1, and no row is ever changed.  The files are the truth: a model's weights and
card lie in the folder that its row names, a data set's manifest in the file that its row's `manifest` names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NoReturn

from sqlalchemy import select

from annotations.database import Database
from annotations.runs import now
from annotations.tables import DatasetRow, ModelRow
from explain_core.errors import InputError, suggest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@dataclass(frozen=True)
class Model:
    """`recipe` is the recipe's text, `data_sha256` that of the training data, `metrics` plain values."""

    name: str
    version: int
    sha256: str
    folder: str
    recipe: str
    data_sha256: str
    metrics: Mapping[str, Any]
    created: datetime


@dataclass(frozen=True)
class Dataset:
    """`spec` says where its `n` items are, `sha256` is that of the set, `manifest` says where they are listed."""

    name: str
    version: int
    spec: str
    sha256: str
    n: int
    manifest: Mapping[str, Any]
    created: datetime


class Registry:
    """The two tables; the methods raise StoreError, and InputError for a name or version that does not fit."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database, self._clock = database, clock

    def add_model(
        self, name: str, version: int, *, sha256: str, folder: str, recipe: str, data_sha256: str,
        metrics: Mapping[str, Any],
    ) -> Model:  # fmt: skip
        """Notes a version whose folder was made; said twice, it is noted once."""
        _check_name(name)
        with self._database.write() as session:
            self._database.hold(session, "models")
            row = session.scalar(select(ModelRow).where(ModelRow.name == name, ModelRow.version == version))
            if row is None:
                row = ModelRow(
                    name=name, version=version, sha256=sha256, folder=folder, recipe=recipe, data_sha256=data_sha256,
                    metrics=dict(metrics), created=self._clock(),
                )  # fmt: skip
                session.add(row)
            elif row.sha256 != sha256:
                raise InputError(f"Model {name} has another version {version} already: register it as the next one.")
            return _model(row)

    def add_dataset(
        self, name: str, version: int, *, spec: str, sha256: str, n: int, manifest: Mapping[str, Any]
    ) -> Dataset:
        """Notes a version whose manifest was written; said twice, it is noted once."""
        _check_name(name)
        with self._database.write() as session:
            self._database.hold(session, "datasets")
            row = session.scalar(select(DatasetRow).where(DatasetRow.name == name, DatasetRow.version == version))
            if row is None:
                row = DatasetRow(
                    name=name, version=version, spec=spec, sha256=sha256, n=n, manifest=dict(manifest),
                    created=self._clock(),
                )  # fmt: skip
                session.add(row)
            elif row.sha256 != sha256:
                raise InputError(f"Data set {name} has another version {version} already: keep it as the next one.")
            return _dataset(row)

    def models(self) -> list[Model]:
        """By name, the newest version of each first."""
        with self._database.read() as session:
            return [_model(row) for row in session.scalars(select(ModelRow).order_by(ModelRow.name, -ModelRow.version))]

    def datasets(self) -> list[Dataset]:
        """By name, the newest version of each first."""
        asked = select(DatasetRow).order_by(DatasetRow.name, -DatasetRow.version)
        with self._database.read() as session:
            return [_dataset(row) for row in session.scalars(asked)]

    def model(self, name: str, version: int | None = None) -> Model:
        """This version, or the newest."""
        known = self.models()
        found = [model for model in known if model.name == name and version in (None, model.version)]
        return found[0] if found else _missing("model", name, version, [model.name for model in known])

    def dataset(self, name: str, version: int | None = None) -> Dataset:
        """This version, or the newest."""
        known = self.datasets()
        found = [dataset for dataset in known if dataset.name == name and version in (None, dataset.version)]
        return found[0] if found else _missing("data set", name, version, [dataset.name for dataset in known])


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InputError(f"Name {name!r}: up to 64 letters (a to z), digits and dashes, the first no dash.")


def _model(row: ModelRow) -> Model:
    return Model(**{item.name: getattr(row, item.name) for item in fields(Model)})


def _dataset(row: DatasetRow) -> Dataset:
    return Dataset(**{item.name: getattr(row, item.name) for item in fields(Dataset)})


def _missing(what: str, name: str, version: int | None, known: list[str]) -> NoReturn:
    if version is not None and name in known:
        raise InputError(f"No version {version} of the {what} {name!r}: leave it out for the newest.")
    raise InputError(f"No {what} {name!r}: {suggest(name, dict.fromkeys(known))}")
