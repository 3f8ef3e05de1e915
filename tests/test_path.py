"""Curves along ρ, on answers whose figures are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explain_core.models.classifier import Kind
from explain_core.path import RHO_GRID, curve, decision_changed, nearest, ranking, stayed_inside
from explain_core.records import Answer, Provenance


def answer(
    rho: float | None, after: list[float] | None, *, moved: float = 0.0, before: tuple[float, ...] = (0.2, 0.8)
) -> Answer:
    origin = Provenance("ape", 1, {}, "demo", "", "", 1, "lesion", rho, 0, 1.0, 1.0, "cpu")
    pixels = np.full((1, 2, 2), 0.5, np.float32)
    changed = None if after is None else pixels + np.float32(moved)
    scores = None if after is None else np.array(after, np.float32)
    return Answer(pixels, pixels[0], np.array(before, np.float32), "", origin, changed, scores)


def test_a_curve_is_sorted_and_knows_its_first_flip() -> None:
    path = [answer(0.1, [0.9, 0.1]), answer(0.01, [0.3, 0.7]), answer(0.05, [0.6, 0.4]), answer(None, None)]
    found = curve(path, "softmax")
    assert found.rho == (0.01, 0.05, 0.1)
    assert found.probability == pytest.approx((0.7, 0.4, 0.1))
    assert found.flips_at == 0.05


def test_a_curve_without_a_flip_says_so() -> None:
    assert curve([answer(0.1, [0.4, 0.6])], "softmax").flips_at is None
    assert curve([], "softmax").rho == ()


@pytest.mark.parametrize(
    ("kind", "after", "changed"),
    [
        ("softmax", [0.6, 0.4], True),
        ("softmax", [0.4, 0.6], False),
        ("sigmoid", [0.9, 0.7], False),
        ("sigmoid", [0.1, 0.4], True),
    ],
)
def test_a_multi_label_decision_is_each_class_s_own(kind: Kind, after: list[float], changed: bool) -> None:
    assert decision_changed(answer(0.1, after), kind) is changed


@pytest.mark.parametrize(("moved", "inside"), [(0.1, False), (0.0985, False), (0.05, True), (0.0, True)])
def test_a_method_that_leaves_room_stayed_inside(moved: float, inside: bool) -> None:
    assert stayed_inside(answer(0.1, [0.5, 0.5], moved=moved)) is inside
    assert not stayed_inside(answer(None, [0.5, 0.5], moved=moved))


def test_the_grid_holds_the_values_that_people_ask_for() -> None:
    assert {0.01, 0.02, 0.05, 0.1} <= set(RHO_GRID)
    assert (min(RHO_GRID), max(RHO_GRID)) == (1e-4, 0.3)
    assert list(RHO_GRID) == sorted(RHO_GRID)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (0.05, 0.05),
        (0.051, 0.05),
        (1.0, 0.3),
        (1e-9, 1e-4),
        (0.0, 1e-4),
        (-3.0, 1e-4),
        (math.inf, 0.3),
        (math.nan, 1e-4),
    ],
)
def test_any_number_in_the_address_finds_a_place_on_the_slider(asked: float, found: float) -> None:
    assert nearest(asked) == found


def test_classes_are_ranked_by_probability() -> None:
    assert ranking(np.array([0.1, 0.7, 0.2], np.float32)) == [1, 2, 0]
