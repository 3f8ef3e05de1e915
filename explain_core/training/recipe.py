"""What a network is trained by: a small declarative file, checked field by field.

    title = "Lipschitz + HHReLU"
    base = "ae-cifar10"                 # another recipe, of which only the differences are written

    [network]
    architecture = "preact-resnet"      # a row of ARCHITECTURES, and its knobs
    activation = "hhrelu"

    [input]
    size = 32

    [schedule]
    epochs = 200

    [terms.lipschitz]                   # rows of TERMS, and their knobs
    zeta = 0.5

    [terms]
    crop-and-flip = false               # leaves out what the base has

The page and the command line edit the same values: `terms.lipschitz.zeta=0.5`, `terms.kernels=true`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from explain_core.errors import InputError, ParamError, suggest
from explain_core.models.architectures import get_architecture
from explain_core.params import Params
from explain_core.training.schedule import InputParams, ScheduleParams
from explain_core.training.terms import TERMS, get_term

ARCHITECTURE = "architecture"
TEXTS = ("title", "source", "note")
DEEPEST = 8
"""How many recipes may stand upon each other."""

Values = dict[str, Any]
Chosen = TypeVar("Chosen", bound=Params)
Row = TypeVar("Row")


@dataclass(frozen=True)
class Recipe:
    """`architecture` with its knobs, `terms` by name in the order of TERMS; every value checked."""

    title: str
    source: str
    note: str
    architecture: str
    network: Params
    input: InputParams
    schedule: ScheduleParams
    terms: Mapping[str, Params]

    @classmethod
    def of(cls, values: Values) -> Recipe:
        """From the tables of a file; raises ParamError, which names the field."""
        known = (*TEXTS, "network", "input", "schedule", "terms")
        for name in values:
            if name not in known:
                raise ParamError(f"{name}: no such part of a recipe; {suggest(name, known)}")
        network = dict(_table(values, "network"))
        architecture = str(network.pop(ARCHITECTURE, ""))
        if not architecture:
            raise ParamError("network.architecture: missing; name a row of ARCHITECTURES.")
        terms = {name: knobs for name, knobs in _table(values, "terms").items() if knobs is not False}
        for name in terms:
            for other in _named("terms", get_term, name).excludes:
                if other in terms:
                    raise ParamError(f"terms.{name}: it cannot stand beside {other}; leave one of them out.")
        if not terms:
            raise ParamError("terms: none; a recipe needs one at least, cross-entropy.")
        return cls(
            title=str(values.get("title", "")),
            source=str(values.get("source", "")),
            note=str(values.get("note", "")),
            architecture=architecture,
            network=_built("network", _named("network.architecture", get_architecture, architecture).params, network),
            input=_built("input", InputParams, _table(values, "input")),
            schedule=_built("schedule", ScheduleParams, _table(values, "schedule")),
            terms={
                name: _built(f"terms.{name}", row.params, {} if terms[name] is True else _table(terms, name, "terms."))
                for name, row in TERMS.items()
                if name in terms
            },
        )

    def as_dict(self) -> Values:
        """Plain values of every field, ready for JSON; `Recipe.of` takes them back."""
        return {
            **{text: getattr(self, text) for text in TEXTS},
            "network": {ARCHITECTURE: self.architecture, **_set(self.network)},
            "input": _set(self.input),
            "schedule": _set(self.schedule),
            "terms": {name: _set(params) for name, params in self.terms.items()},
        }

    def as_toml(self) -> str:
        """The whole recipe as a file, without a base."""
        values = self.as_dict()
        lines = [f"{text} = {_toml(values[text])}" for text in TEXTS if values[text]]
        tables = {name: values[name] for name in ("network", "input", "schedule")}
        tables |= {f"terms.{name}": knobs for name, knobs in values["terms"].items()}
        for name, knobs in tables.items():
            lines += ["", f"[{name}]", *(f"{knob} = {_toml(value)}" for knob, value in knobs.items())]
        return "\n".join(lines) + "\n"


def recipe_names() -> tuple[str, ...]:
    """The recipes that ship with Rhoscope."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _shipped() if entry.name.endswith(".toml")))


def load_recipe(name: str, settings: Iterable[str] = ()) -> Recipe:
    """A recipe by its name or its file, with `PART.FIELD=VALUE` changed; raises InputError or ParamError."""
    return _changed(_read(name, None, DEEPEST), settings)


def parse_recipe(text: str, folder: Path | None = None, settings: Iterable[str] = ()) -> Recipe:
    """A recipe from its text, with `PART.FIELD=VALUE` changed; a base beside it is looked for in `folder`."""
    return _changed(_based(_parsed(text, "the recipe"), folder, DEEPEST), settings)


def _changed(values: Values, settings: Iterable[str]) -> Recipe:
    for setting in settings:
        _change(values, setting)
    return Recipe.of(values)


def _read(name: str, folder: Path | None, depth: int) -> Values:
    shipped = {entry.name: entry for entry in _shipped()}
    file = Path(name) if folder is None else folder / name
    if f"{name}.toml" in shipped:
        text = shipped[f"{name}.toml"].read_text("utf-8")
    elif name.endswith(".toml"):
        try:
            text, folder = file.read_text("utf-8"), file.parent
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not text"
            raise InputError(f"Recipe {name}: {why}; give a recipe's name or a .toml file.") from None
    else:
        raise InputError(f"No recipe {name!r}: {suggest(name, recipe_names())} Or give a .toml file.")
    return _based(_parsed(text, name), folder, depth)


def _based(values: Values, folder: Path | None, depth: int) -> Values:
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str) or depth == 0:
        raise ParamError(f"base = {base!r}: it must name a recipe, at most {DEEPEST} upon each other.")
    return _over({**_read(base, folder, depth - 1), "source": ""}, values)  # published figures are of one recipe only


def _over(below: Values, above: Values) -> Values:
    """`above` laid over `below`, table by table; another architecture does not inherit knobs."""
    merged = dict(below)
    for name, value in above.items():
        under = merged.get(name)
        if (
            isinstance(value, dict)
            and isinstance(under, dict)
            and value.get(ARCHITECTURE)
            in (
                None,
                under.get(ARCHITECTURE),
            )
        ):
            merged[name] = _over(under, value)
        else:
            merged[name] = value
    return merged


def _change(values: Values, setting: str) -> None:
    """`terms.lipschitz.zeta=0.5`, `schedule.epochs=20`, `terms.kernels=true`."""
    path, equals, text = setting.partition("=")
    *tables, field = path.strip().split(".")
    if not equals or not tables or not all((*tables, field)):
        raise ParamError(f"--set {setting!r}: the form is PART.FIELD=VALUE, such as schedule.epochs=20.")
    place = values
    for table in tables:
        inner = place.get(table)
        place[table] = place = dict(inner) if isinstance(inner, dict) else {}
    switch = {"true": True, "false": False}.get(text.strip().lower()) if tables == ["terms"] else None
    place[field] = text.strip() if switch is None else switch


def _parsed(text: str, name: str) -> Values:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParamError(f"{name} is no TOML: {' '.join(str(error).split())}.") from None


def _table(values: Mapping[str, Any], name: str, within: str = "") -> Values:
    table = values.get(name, {})
    if not isinstance(table, dict):
        raise ParamError(f"{within}{name} = {table!r}: it must be a table of fields, [{within}{name}].")
    return table


def _built(place: str, params: type[Chosen], values: Values) -> Chosen:
    try:
        return params.build(values)
    except ParamError as error:
        raise ParamError(f"{place}: {error}") from None


def _named(place: str, get: Callable[[str], Row], name: str) -> Row:
    try:
        return get(name)
    except ParamError as error:
        raise ParamError(f"{place}: {error}") from None


def _set(params: Params) -> Values:
    """Fields with a value; one that is left to the method stays away, as TOML has no word for nothing."""
    return {name: value for name, value in params.as_dict().items() if value is not None}


def _toml(value: str | bool | float) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shipped() -> Iterable[Any]:
    return resources.files("explain_core.training").joinpath("recipes").iterdir()
