"""What is told of a network trained here, beside its weights: `card.json`, read without torch.

    FOLDER/model.safetensors   the weights
    FOLDER/card.json           architecture and knobs, classes and input, recipe, data, metrics, versions

Nothing in it is believed unseen: a card may come from another machine, or from someone's editor.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from explain_core.errors import ParamError, WeightsError

FORMAT = 1
CARD, WEIGHTS = "card.json", "model.safetensors"
LARGEST_SIDE = 65_536
T = TypeVar("T")


@dataclass(frozen=True)
class Card:
    """Where a network comes from; `extra` is whatever else its maker wants told, in plain values.

    `recipe` is the recipe's text, `data` the spec of the training pictures, `created` a date and time;
    figures among `metrics` that are not finite are written as null.
    """

    architecture: str
    knobs: Mapping[str, Any]
    recipe: str
    data: str
    data_sha256: str
    metrics: Mapping[str, float | None]
    seed: int
    created: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Handling:
    """How pixels go in and what comes out, as in a Classifier and its InputSpec.

    Older cards have no `standardise`, `views` and `greys`.
    """

    classes: tuple[str, ...]
    kind: str
    channels: int
    size: tuple[int, int] | None
    resize: int | None
    smallest: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    standardise: bool = False
    views: str = "as stored"
    greys: str = "stored range"


@dataclass(frozen=True)
class Described:
    """The whole of a `card.json`.

    `weights_sha256` is of the weights' file, `model_sha256` that of the classifier in records when it
    was written; `versions` are those of Rhoscope and torch.
    """

    card: Card
    handling: Handling
    weights_sha256: str
    model_sha256: str
    versions: Mapping[str, str]


def card_text(described: Described) -> str:
    """The file's text; raises ParamError for values that JSON has no form for."""
    card = asdict(described.card)
    card["metrics"] = {name: _finite(value) for name, value in described.card.metrics.items()}
    values = {
        "format": FORMAT,
        **card,
        "handling": asdict(described.handling),
        "weights_sha256": described.weights_sha256,
        "model_sha256": described.model_sha256,
        "versions": dict(described.versions),
    }
    try:
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ParamError(f"{error}: a card holds plain values only; leave that out.") from None


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def read_card(folder: Path) -> Described:
    """The card of a folder; raises WeightsError."""
    path = folder / CARD
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}; give the folder of a network that was trained here.") from None
    except (ValueError, RecursionError):
        raise WeightsError(f"{path} is damaged: it is no JSON; restore it, or train again.") from None
    if not isinstance(values, dict):
        raise WeightsError(f"{path} is no card: it holds no names; restore it, or train again.")
    if values.get("format") != FORMAT:
        raise WeightsError(
            f"{path} has format {str(values.get('format'))[:20]}, this Rhoscope reads {FORMAT}; update Rhoscope, "
            f"or train again."
        )
    reader = Reader(path, values)
    return Described(
        Card(
            architecture=reader.get("architecture", str),
            knobs=reader.get("knobs", dict),
            recipe=reader.get("recipe", str),
            data=reader.get("data", str),
            data_sha256=reader.get("data_sha256", str),
            metrics=reader.metrics(),
            seed=reader.get("seed", int),
            created=reader.get("created", str),
            extra=reader.get("extra", dict),
        ),
        Reader(path, reader.get("handling", dict)).handling(),
        reader.get("weights_sha256", str),
        reader.get("model_sha256", str),
        reader.get("versions", dict),
    )


def check_weights(folder: Path) -> None:
    """Raises WeightsError unless a folder's weights are those that its card was written for."""
    path = folder / WEIGHTS
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}; restore it, or train again.") from None
    if found != read_card(folder).weights_sha256:
        raise WeightsError(f"{path} is not the file that {CARD} was written for; restore both, or train again.")


@dataclass(frozen=True)
class Reader:
    """Typed values of a table of a card; every fault is a WeightsError that names the key."""

    path: Path
    values: Mapping[str, Any]

    def get(self, name: str, kind: type[T]) -> T:
        if name not in self.values:
            raise self.fault(name, "it is missing")
        value = self.values[name]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.fault(name, f"a {type(value).__name__} stands where a {kind.__name__} is needed")
        return value

    def fault(self, name: str, why: str) -> WeightsError:
        return WeightsError(f"{self.path}: {name!r}: {why}; restore the card, or train again.")

    def metrics(self) -> dict[str, float | None]:
        metrics = self.get("metrics", dict)
        if any(value is not None and not _is_number(value) for value in metrics.values()):
            raise self.fault("metrics", "a figure is no number")
        return metrics

    def handling(self) -> Handling:
        classes = self.get("classes", list)
        if not all(isinstance(name, str) for name in classes):
            raise self.fault("classes", "a name is no text")
        return Handling(
            classes=tuple(classes),
            kind=self.get("kind", str),
            channels=self.get("channels", int),
            size=self._size(),
            resize=None if self.values.get("resize") is None else self._side("resize", self.get("resize", int)),
            smallest=self._side("smallest", self.get("smallest", int)),
            mean=self._numbers("mean"),
            std=self._numbers("std"),
            standardise=self._switch("standardise"),
            views=self._word("views", "as stored"),
            greys=self._word("greys", "stored range"),
        )

    def _word(self, name: str, default: str) -> str:
        return default if self.values.get(name) is None else self.get(name, str)

    def _switch(self, name: str) -> bool:
        value = self.values.get(name, False)
        if not isinstance(value, bool):
            raise self.fault(name, "true or false is needed")
        return value

    def _size(self) -> tuple[int, int] | None:
        if self.values.get("size") is None:
            return None
        size = self.get("size", list)
        if len(size) != 2:
            raise self.fault("size", "height and width are needed")
        return self._side("size", size[0]), self._side("size", size[1])

    def _side(self, name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_SIDE:
            raise self.fault(name, f"a whole number of pixels is needed, 1 to {LARGEST_SIDE}")
        return value

    def _numbers(self, name: str) -> tuple[float, ...]:
        numbers = self.get(name, list)
        if not numbers or not all(_is_number(number) for number in numbers):
            raise self.fault(name, "finite numbers are needed, one for each channel")
        return tuple(float(number) for number in cast(list[float], numbers))


def _is_number(value: Any) -> bool:
    """Whether float() makes a finite number of it; an integer of JSON may be too large for that."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= 1e300
