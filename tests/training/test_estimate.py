"""Passes counted by hand, and what a data set is told to hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explain_core.errors import DataError
from explain_core.training.catalogue import PAPERS, catalogue
from explain_core.training.estimate import alike, differing, estimate, fields, look
from explain_core.training.recipe import load_recipe, recipe_names

SMALL = ("schedule.epochs=3", "schedule.batch=8", "schedule.validation=0.2")


@pytest.fixture
def data(tmp_path: Path) -> str:
    np.savez(tmp_path / "few.npz", x=np.zeros((50, 8, 8), np.uint8), y=np.arange(50) % 3)
    return f"npz:{tmp_path / 'few.npz'}"


def test_a_plain_recipe_makes_one_pass_a_picture() -> None:
    taken = estimate(load_recipe("ae-cifar10", SMALL), 50)
    assert (taken.learnt, taken.held_out) == (40, 10)
    assert (taken.steps, taken.seen) == (3 * 5, 3 * 40)
    assert (taken.a_step, taken.passes) == (1, 3 * 40 + 3 * 10 / 2)


def test_terms_add_their_passes() -> None:
    more = ("terms.adversarial.share=0.5", "terms.adversarial.steps=8", "terms.lipschitz.outputs=2")
    taken = estimate(load_recipe("ae-cifar10", (*SMALL, *more, "schedule.validation=0")), 50)
    assert taken.parts == {"adversarial": 4, "lipschitz": 4}
    assert taken.passes == 3 * 48 * 9  # of 50 pictures, whole batches of 8


def test_a_set_smaller_than_a_batch_is_one() -> None:
    taken = estimate(load_recipe("ae-cifar10", ("schedule.epochs=2",)), 10)
    assert (taken.steps, taken.seen) == (2, 20)


def test_what_a_data_set_holds(data: str) -> None:
    recipe = load_recipe("ae-cifar10", ("input.classes=red, green, blue",))
    assert look(data, None, recipe).told == "50 pictures, 3 classes: red, green, blue."
    assert look(data, 20, recipe).pictures == 20
    assert look(data, 20, load_recipe("ae-cifar10", ("input.classes=",))).classes == ("0", "1", "2")


def test_data_that_cannot_be_trained_on(data: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names 2 classes, but"):
        look(data, None, load_recipe("ae-cifar10", ("input.classes=red, green",)))
    with pytest.raises(DataError, match="two at least"):
        look(data, 1, load_recipe("ae-cifar10"))
    np.savez(tmp_path / "one.npz", x=np.zeros((5, 8, 8), np.uint8), y=np.zeros(5, int))
    with pytest.raises(DataError, match="1 class"):
        look(f"npz:{tmp_path / 'one.npz'}", None, load_recipe("ae-cifar10", ("input.classes=",)))


def test_runs_alike_take_as_long() -> None:
    recipe = load_recipe("ae-cifar10", SMALL)
    assert alike(recipe, load_recipe("ae-cifar10", (*SMALL, "schedule.epochs=9")).as_dict())
    assert not alike(recipe, load_recipe("ae-cifar10", (*SMALL, "schedule.batch=9")).as_dict())
    assert not alike(recipe, load_recipe("ae-lipschitz", SMALL).as_dict())
    assert not alike(recipe, {})


def test_the_fields_in_which_recipes_differ() -> None:
    first, second = load_recipe("ae-cifar10", SMALL), load_recipe("ae-cifar10", (*SMALL, "terms.lipschitz.z=1"))
    rows = {row["field"]: row for row in differing({"a": first.as_dict(), "b": second.as_dict()})}
    assert rows["terms.lipschitz.z"] == {"field": "terms.lipschitz.z", "a": "–", "b": "1.0"}
    assert all(name.startswith("terms.lipschitz.") for name in rows)
    assert differing({"a": first.as_dict(), "b": first.as_dict()}) == []
    assert fields({"a": {"b": {}, "c": 1}}) == {"a.b": True, "a.c": 1}


def test_every_recipe_is_found_under_its_paper() -> None:
    found = [name for recipes in catalogue().values() for name in recipes]
    assert sorted(found) == list(recipe_names())
    assert set(PAPERS) <= set(catalogue())
