"""Versions are counted, the same content is the same version, and nothing is changed afterwards."""

from __future__ import annotations

import pytest

from annotations.database import Database
from annotations.registry import Dataset, Model, Registry
from explain_core.errors import InputError
from tests.annotations.conftest import START, Clock


@pytest.fixture
def registry(database: Database, clock: Clock) -> Registry:
    return Registry(database, clock)


def films(registry: Registry, version: int, sha256: str, name: str = "films") -> Dataset:
    return registry.add_dataset(name, version, spec="folder:films", sha256=sha256, n=2, manifest={"file": "1.json"})


def noted(registry: Registry, version: int, sha256: str) -> Model:
    return registry.add_model(
        "robust",
        version,
        sha256=sha256,
        folder="models/robust/1",
        recipe="[terms]",
        data_sha256="d",
        metrics={"a": 0.5},
    )


def test_a_data_set_is_noted_once(registry: Registry, clock: Clock) -> None:
    first = films(registry, 1, "1")
    assert first == Dataset("films", 1, "folder:films", "1", 2, {"file": "1.json"}, START)
    clock.pass_by(1)
    second = films(registry, 2, "2")
    assert films(registry, 1, "1") == first
    with pytest.raises(InputError, match="another version 1 already"):
        films(registry, 1, "2")
    assert films(registry, 1, "1", "other").version == 1
    assert [(found.name, found.version) for found in registry.datasets()] == [("films", 2), ("films", 1), ("other", 1)]
    assert (registry.dataset("films"), registry.dataset("films", 1)) == (second, first)


def test_a_model_is_noted_once(registry: Registry) -> None:
    first = noted(registry, 1, "1")
    assert first == Model("robust", 1, "1", "models/robust/1", "[terms]", "d", {"a": 0.5}, START)
    assert noted(registry, 1, "1") == first
    with pytest.raises(InputError, match="another version 1 already"):
        noted(registry, 1, "2")
    second = noted(registry, 2, "2")
    assert registry.models() == [second, first]
    assert (registry.model("robust"), registry.model("robust", 1)) == (second, first)


def test_what_does_not_fit_is_said(registry: Registry) -> None:
    with pytest.raises(InputError, match="No data set 'films': there are none"):
        registry.dataset("films")
    films(registry, 1, "1")
    with pytest.raises(InputError, match="did you mean 'films'"):
        registry.dataset("film")
    with pytest.raises(InputError, match="No version 2 of the data set 'films'"):
        registry.dataset("films", 2)
    for name in ("", "../films", "-films", "f" * 65):
        with pytest.raises(InputError, match="letters"):
            films(registry, 1, "1", name)
