"""What a shell asks, from the texts that were typed; every mistake is found before anything is computed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explain_core.data.sources.dicom import FILMS
from explain_core.errors import InputError, ParamError, suggest
from explain_core.methods import METHODS, get_method
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier
from explain_core.params import Params, check_rho

Rhos = tuple[float | None, ...]


@dataclass(frozen=True)
class Asked:
    """What is asked of every picture.

    `knobs` maps every method asked to the parameters that differ from its defaults; `rhos` empty
    means each method's own default; `target` is an index, a class name, `top1` or `top2`; `memory` GiB.
    """

    knobs: Mapping[str, Mapping[str, Any]]
    target: int | str = "top1"
    rhos: Rhos = ()
    seed: int = 0
    memory: float | None = None


def rhos_for(method: Method, rhos: Rhos) -> Rhos:
    """The ρ that a method is asked at: none where it has none, its default where it needs one."""
    if method.rho == "none":
        return (None,)
    wanted = rhos or (method.default_rho,)
    if method.rho == "always":
        wanted = tuple(method.default_rho if rho is None else rho for rho in wanted)
    return tuple(dict.fromkeys(wanted))


def pictures_in(paths: Sequence[Path]) -> list[Path]:
    """The pictures meant: files as they are (found or not), folders by what is in them; raises InputError."""
    files: list[Path] = []
    for path in paths:
        found = [path]
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if file.suffix.lower() in FILMS)
            if not found:
                raise InputError(f"No picture in {path}: {', '.join(FILMS)} are read.")
        files += found
    return files


def rho_from(text: str) -> float | None:
    """A ρ, or `none`; raises ParamError."""
    if text.lower() == "none":
        return None
    try:
        return check_rho(float(text))
    except ValueError:
        raise ParamError(f"--rho {text}: a number, or none, is needed.") from None


def size_from(text: str) -> tuple[int, int]:
    """(h, w) out of `HxW`; raises ParamError."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if not found:
        raise ParamError(f"--size {text}: height x width in pixels is needed, for example 224x224.")
    return int(found[1]), int(found[2])


def methods_named(names: Sequence[str]) -> list[str]:
    """The methods meant, each once; all of them where none is named.  Raises ParamError."""
    return list(dict.fromkeys(get_method(name).name for name in names or METHODS))


def knobs_from(names: Sequence[str], settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each method's parameters out of METHOD.KNOB=VALUE texts; raises ParamError."""
    return settings_of({name: get_method(name).params for name in names}, settings)


def settings_of(schemas: Mapping[str, type[Params]], settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The typed values that NAME.KNOB=VALUE texts give to each schema; raises ParamError."""
    texts: dict[str, dict[str, str]] = {name: {} for name in schemas}
    for setting in settings:
        left, equals, value = setting.partition("=")
        name, dot, knob = left.partition(".")
        if not equals or not dot:
            raise ParamError(f"--set {setting}: METHOD.KNOB=VALUE is needed, for example ape.steps=50.")
        if name not in texts:
            raise ParamError(f"--set {setting}: {name!r} is not asked; {suggest(name, schemas)}")
        texts[name][knob] = value
    return {name: _typed(name, schemas[name], given) for name, given in texts.items()}


def _typed(name: str, schema: type[Params], given: Mapping[str, str]) -> dict[str, Any]:
    try:
        built = schema.build(given).as_dict()
    except ParamError as error:
        raise ParamError(f"{name}: {error}") from None
    return {knob: built[knob] for knob in given}


def applying(
    knobs: Mapping[str, dict[str, Any]], model: Classifier, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """All methods were meant, so those that cannot explain this model are left out and named, and no fault."""
    why = {name: METHODS[name].cannot(model) for name in knobs}
    for name, reason in why.items():
        if reason:
            say(f"without {name}: {reason}")
    return {name: given for name, given in knobs.items() if not why[name]}
