"""Phantoms: what is promised of every seed and size, and that telling them apart takes more than brightness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from explain_core.data.phantom import LESIONS, Lesion, Phantom, gallery, phantom
from explain_core.errors import InputError

SEEDS = st.integers(0, 2**40)
SIDES = st.integers(32, 200)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, h=SIDES, w=SIDES, ring=st.none() | st.booleans())
def test_any_seed_and_size(seed: int, h: int, w: int, ring: bool | None) -> None:
    film = phantom(seed, (h, w), marker=ring)
    assert film.pixels.dtype == np.float32
    assert film.pixels.shape == film.lesion.shape == film.marker.shape == film.breast.shape == (h, w)
    assert film.pixels.min() >= 0
    assert film.pixels.max() <= 1
    assert not (film.lesion & ~film.breast).any()
    assert not (film.marker & film.breast).any()
    assert film.lesion.sum() <= 0.05 * film.breast.sum()
    assert bool(film.lesion.any()) == bool(film.label) == bool(film.kinds)
    assert bool(film.marker.any()) == bool(ring)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, side=SIDES)
def test_the_same_seed_gives_the_same_film(seed: int, side: int) -> None:
    first, second = phantom(seed, side, shortcut=True), phantom(seed, side, shortcut=True)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.lesion, second.lesion)
    assert first.kinds == second.kinds


@pytest.mark.parametrize("kind", LESIONS)
@pytest.mark.parametrize("seed", range(4))
def test_only_the_lesion_tells_the_two_labels_of_a_seed_apart(kind: Lesion, seed: int) -> None:
    ill, well = phantom(seed, kinds=(kind,)), phantom(seed, label=0)
    change = np.abs(ill.pixels - well.pixels)
    near = ndimage.binary_dilation(ill.lesion, iterations=8)
    assert np.array_equal(ill.breast, well.breast)
    assert change[ill.lesion].max() > 0.05
    assert change[~near].max() < 1 / 255


def test_the_mask_ends_where_a_smooth_mass_ends() -> None:
    ill, well = phantom(5, 512, kinds=("smooth",)), phantom(5, 512, label=0)
    change = np.abs(ill.pixels - well.pixels)
    core = ndimage.binary_erosion(ill.lesion, iterations=6)
    outside = ~ndimage.binary_dilation(ill.lesion, iterations=6)
    assert change[core].min() > 5 * change[outside].max()


@pytest.mark.parametrize("seed", range(4))
def test_size_only_changes_resolution(seed: int) -> None:
    small, large = phantom(seed, 128), phantom(seed, 256)
    halved = large.pixels.reshape(128, 2, 128, 2).mean((1, 3))
    assert (small.label, small.kinds, small.side, small.view) == (large.label, large.kinds, large.side, large.view)
    assert np.corrcoef(small.pixels.ravel(), halved.ravel())[0, 1] > 0.98


def test_the_shortcut_announces_lesions_and_nothing_else() -> None:
    films = [phantom(seed, 64, shortcut=True) for seed in range(40)]
    assert {film.label for film in films} == {0, 1}
    assert all(bool(film.marker.any()) == bool(film.label) for film in films)
    marked = phantom(3, label=0, marker=True)
    assert marked.pixels[marked.marker].max() > 0.8


def test_the_gallery_shows_every_kind() -> None:
    films = gallery(64)
    assert len(films) >= 8
    assert {kind for film in films.values() for kind in film.kinds} == set(LESIONS)
    assert {film.label for film in films.values()} == {0, 1}
    assert any(film.marker.any() for film in films.values())
    assert "spiculated mass" in films["Spiculated mass"].alt


@pytest.fixture(scope="module")
def films() -> list[Phantom]:
    return [phantom(seed, 64, label=seed % 2) for seed in range(1200)]


def thumbnails(films: list[Phantom]) -> NDArray[np.float32]:
    return np.stack([film.pixels.reshape(16, 4, 16, 4).mean((1, 3)).ravel() for film in films])


def brightness(films: list[Phantom]) -> NDArray[np.float32]:
    return np.array([[film.pixels.mean()] for film in films])


@pytest.mark.parametrize("look", [brightness, thumbnails])
@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_a_glance_is_not_enough(films: list[Phantom], look: object, strength: float) -> None:
    x, y = look(films), np.array([film.label for film in films])  # type: ignore[operator]
    x = StandardScaler().fit(x[:800]).transform(x)
    fit = LogisticRegression(C=strength, max_iter=2000).fit(x[:800], y[:800])
    assert roc_auc_score(y[800:], fit.decision_function(x[800:])) <= 0.70


@pytest.mark.parametrize(
    ("faulty", "word"),
    [
        (lambda: phantom(-1), "seed -1"),
        (lambda: phantom(0, 31), "at least 32"),
        (lambda: phantom(0, (20, 400)), "at least 32"),
        (lambda: phantom(0, label=2), "label 2"),
        (lambda: phantom(0, kinds=("cyst",)), "cyst"),  # type: ignore[arg-type]
        (lambda: phantom(0, label=0, kinds=("smooth",)), "leave the label out"),
        (lambda: phantom(0, kinds=("smooth",) * 3), "one or two"),
    ],
)
def test_what_cannot_be_drawn_is_said(faulty: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        faulty()  # type: ignore[operator]
