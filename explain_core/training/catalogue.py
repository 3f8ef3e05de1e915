"""The recipes that ship with Rhoscope, by the paper that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from explain_core.training.recipe import Recipe, load_recipe, recipe_names

PAPERS: Mapping[str, str] = {
    "AE": "Woods, Chen & Teuscher, Adversarial explanations for understanding image classification decisions and "
    "improved neural network robustness, Nature Machine Intelligence 2019.",
    "NM": "Li & Wang, Noise modulation: let your model interpret itself.",
    "Sparse": "Schwartz, Alparslan & Kim, Regularization and sparsity for adversarial robustness and stable "
    "attribution, 2020.",
}
OTHER = "Rhoscope"


@cache
def catalogue() -> Mapping[str, Mapping[str, Recipe]]:
    """Recipes by name under their paper, in the order of the papers' names."""
    found: dict[str, dict[str, Recipe]] = {paper: {} for paper in (*PAPERS, OTHER)}
    for name in recipe_names():
        recipe = load_recipe(name)
        found[paper_of(recipe)][name] = recipe
    return {paper: recipes for paper, recipes in found.items() if recipes}


def paper_of(recipe: Recipe) -> str:
    """The short name of its paper, by which its source begins."""
    short = recipe.source.partition(",")[0].strip()
    return short if short in PAPERS else OTHER
