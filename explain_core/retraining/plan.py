"""What a retraining is to do, as its manifest will hold it.  Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from explain_core.errors import InputError
from explain_core.models import registry
from explain_core.models.card import read_card
from explain_core.retraining.params import RetrainParams


def plan_of(model: str, test: str, recipe: str, settings: Sequence[str]) -> dict[str, Any]:
    """What the manifest holds of the plan; `settings` with a dot are the recipe's.  Raises InputError, ParamError."""
    pairs = [one.partition("=") for one in settings]
    own = {knob: value for knob, _, value in pairs if "." not in knob}
    return {
        "test": test, "recipe": recipe_text(recipe, model), "params": RetrainParams.build(own).as_dict(),
        "settings": [one for one, (knob, _, _) in zip(settings, pairs, strict=True) if "." in knob],
    }  # fmt: skip


def recipe_text(name: str, model: str) -> str:
    """A recipe's text: of a file, of one that ships, or of the card of the network itself."""
    if name.endswith(".toml"):
        try:
            return Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise InputError(f"{name} cannot be read as text: give a recipe's file.") from None
    if name:
        if not (resources.files("explain_core.training") / "recipes" / f"{name}.toml").is_file():
            raise InputError(f"No recipe {name!r} ships: `rhoscope recipes` lists them, or give a .toml file.")
        return f'base = "{name}"\n'
    form, _, place = model.partition(":")
    if form == "trained":
        return read_card(Path(place)).card.recipe
    if model.startswith("registry/"):
        found, _, version = model.removeprefix("registry/").partition("@")
        return registry.find(found, version or None).describe().card.recipe
    raise InputError(f"{model} has no recipe of its own: name one with --recipe.")
