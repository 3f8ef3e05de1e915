"""Recipes: every shipped one is valid, mistakes name their field, and a recipe written out is the same recipe."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.errors import InputError, ParamError
from explain_core.training.recipe import Recipe, load_recipe, parse_recipe, recipe_names
from explain_core.training.schedule import rate_at

SMALL = """
title = "Small"
[network]
architecture = "mlp"
[terms.cross-entropy]
"""


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_valid_and_written_out_the_same(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.title
    assert recipe.source
    assert parse_recipe(recipe.as_toml()).as_dict() == recipe.as_dict()
    assert Recipe.of(recipe.as_dict()) == recipe


def test_a_recipe_stands_on_its_base() -> None:
    base, both = load_recipe("ae-lipschitz"), load_recipe("ae-all")
    assert both.schedule == base.schedule
    assert both.terms["lipschitz"] == base.terms["lipschitz"]
    assert set(both.terms) - set(base.terms) == {"adversarial"}
    assert base.network.as_dict()["activation"] == "hhrelu"


def test_settings_change_fields_and_terms() -> None:
    changed = load_recipe(
        "ae-cifar10",
        ["schedule.epochs=3", "terms.kernels=true", "terms.crop-and-flip=false", "terms.lipschitz.zeta=0.5"],
    )
    assert changed.schedule.epochs == 3
    assert changed.terms["lipschitz"].as_dict()["zeta"] == 0.5
    assert set(changed.terms) == {"cross-entropy", "lipschitz", "kernels"}


def test_another_architecture_does_not_inherit_knobs(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('base = "ae-lipschitz"\n[network]\narchitecture = "lenet"\n')
    recipe = load_recipe(str(tmp_path / "mine.toml"))
    assert recipe.architecture == "lenet"
    assert recipe.network.as_dict()["activation"] == "relu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL + "[terms.lipshitz]", r"terms: No term 'lipshitz': did you mean 'lipschitz'"),
        (SMALL + "[terms.lipschitz]\nz = 7", r"terms\.lipschitz: z = 7: it must lie between 0 and 5"),
        (SMALL + "[terms.lipschitz]\nzz = 7", r"terms\.lipschitz: No parameter 'zz'"),
        (SMALL + "[schedule]\nepochs = 0", r"schedule: epochs = 0: it must lie between 1 and 10000"),
        (SMALL + "[schedule]\nepochs = 'ten'", r"schedule: epochs = 'ten': a whole number is needed"),
        (SMALL + "[schedule]\nkeep = 'best'", r"schedule: keep = 'best'.*validation"),
        (SMALL + "[shedule]\nepochs = 1", r"shedule: no such part of a recipe; did you mean 'schedule'"),
        (SMALL.replace("mlp", "mpl"), r"network\.architecture: No architecture 'mpl'"),
        (SMALL.replace('architecture = "mlp"', ""), r"network\.architecture: missing"),
        ('title = "x"\n[network]\narchitecture = "mlp"', r"terms: none"),
        (SMALL + "[input]\nchannels = 2", r"input: channels = 2: a network takes 1 \(grey\) or 3"),
        ("terms = 3\n[network]\narchitecture = 'mlp'", r"terms = 3: it must be a table"),
        ("title = ", r"no TOML"),
        ("base = 3", r"base = 3: it must name a recipe"),
        ("base = 'nobody'", r"No recipe 'nobody'"),
    ],
)
def test_mistakes_name_the_field(text: str, message: str) -> None:
    with pytest.raises((ParamError, InputError), match=message):
        parse_recipe(text)


def test_recipes_may_not_stand_on_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('base = "a.toml"')
    with pytest.raises(ParamError, match="at most 8"):
        load_recipe(str(tmp_path / "a.toml"))
    with pytest.raises(InputError, match="No such file"):
        load_recipe(str(tmp_path / "b.toml"))
    with pytest.raises(ParamError, match=r"PART\.FIELD=VALUE"):
        load_recipe("ae-cifar10", ["epochs=3"])


@given(st.text(max_size=200))
def test_any_text_is_a_recipe_or_a_mistake(text: str) -> None:
    try:
        parse_recipe(text)
    except (ParamError, InputError) as error:
        assert "\n" not in str(error)  # noqa: PT017 (either outcome is right)


def test_rates_rise_and_fall_where_the_paper_says() -> None:
    schedule = load_recipe("ae-cifar10").schedule
    assert rate_at(schedule, 0) == pytest.approx(0.02)
    assert rate_at(schedule, 5) == pytest.approx(0.11)
    assert [rate_at(schedule, epoch) for epoch in (10, 169.9, 170, 195)] == pytest.approx([0.2, 0.2, 0.02, 0.002])
    cosine = load_recipe("ae-cifar10", ["schedule.shape=cosine", "schedule.epochs=110"]).schedule
    assert [rate_at(cosine, epoch) for epoch in (10, 60, 110)] == pytest.approx([0.2, 0.1, 0.0])
