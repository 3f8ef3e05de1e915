"""A retraining's manifest, read: everything that it rests on, frozen when a named person started it.

    {"format": 1, "campaign": "…", "bundle": {"folder": "…", "sha256": "…"}, "accept": "unchanged",
     "spec": {"model": "…", "model_sha256": "…", "data": "…", …}, "cut_off": "…", "rule": "majority",
     "labels": [{"item": "0001", "answer": "unchanged", …}, …], "raters": {"people": 3, "simulated": 0},
     "plan": {"recipe": "TOML", "settings": ["PART.FIELD=VALUE", …], "test": "SPEC", "params": {…}}, …}

`annotations/retraining.py` writes it.  Nothing in it is believed unseen: it may come from another machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explain_core.errors import InputError, ParamError
from explain_core.formats import read_values
from explain_core.retraining.params import RetrainParams

FILE, FORMAT = "manifest.json", 1


@dataclass(frozen=True)
class Manifest:
    """`chosen` are the items whose settled answer is the accepted one; `model`, `data`, `test` are specs; `raters` says
    whether people answered, or networks in their place.
    """

    sha256: str
    campaign: str
    bundle: Path
    bundle_sha256: str
    chosen: tuple[str, ...]
    model: str
    model_sha256: str
    data: str
    test: str
    recipe: str
    settings: tuple[str, ...]
    params: RetrainParams
    raters: str


def read_manifest(path: Path) -> Manifest:
    """Raises InputError."""
    values, sha256 = read_values(path, FORMAT, "the manifest of a retraining", _fault)
    try:
        spec, plan, bundle = (_of(values, name, dict) for name in ("spec", "plan", "bundle"))
        accept = _of(values, "accept", str)
        answers = [(_of(one, "item", str), _of(one, "answer", str)) for one in _of(values, "labels", list)]
        return Manifest(
            sha256=sha256,
            campaign=_of(values, "campaign", str),
            bundle=Path(_of(bundle, "folder", str)),
            bundle_sha256=_of(bundle, "sha256", str),
            chosen=tuple(item for item, answer in answers if answer == accept),
            model=_of(spec, "model", str),
            model_sha256=_of(spec, "model_sha256", str),
            data=_of(spec, "data", str),
            test=_of(plan, "test", str),
            recipe=_of(plan, "recipe", str),
            settings=tuple(str(one) for one in _of(plan, "settings", list)),
            params=RetrainParams.build(_of(plan, "params", dict)),
            raters=_raters(values.get("raters")),
        )
    except (KeyError, TypeError, ParamError) as error:
        raise _fault(path, f"{error}") from None


def _raters(counts: Any) -> str:
    if counts is None:  # frozen before they were counted
        return "raters of an unknown kind"
    kinds = {"people": "people", "simulated": "simulated raters"}
    return " and ".join(words for kind, words in kinds.items() if _of(counts, kind, int)) or "a named person"


def _of(values: Any, name: str, kind: type) -> Any:
    if not isinstance(values, dict) or not isinstance(values.get(name), kind):
        raise TypeError(f"{name!r} is no {kind.__name__}")
    return values[name]


def _fault(path: Path, why: str) -> InputError:
    return InputError(f"{path}: {why}; freeze the retraining again.")
