"""Parameters declared once: the dataclass is the schema.

The page draws it, the command line parses it, the constructor checks it, the cache hashes it and
the export writes it.  A field is `Annotated[type, rule, "help"]`, where the rule is a `Range`, a
`Choice` or a `Pattern`; `float | None` is a number that may be left to the method (`auto`).

    @dataclass(frozen=True)
    class GradCamParams(Params):
        steps: Annotated[int, Range(5, 500, 5), "Gradient steps."] = 35
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Self, cast

from explain_core.errors import ParamError, suggest

AUTO = "auto"


@dataclass(frozen=True)
class Range:
    """A closed interval of numbers; `step` and `log` only tell a slider how to move."""

    low: float
    high: float
    step: float | None = None
    unit: str = ""
    log: bool = False

    def fault(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return "a finite number is needed"
        if not self.low <= value <= self.high:
            return f"it must lie between {self.low:g} and {self.high:g}{self.unit and ' ' + self.unit}"
        return None


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    options: tuple[str, ...]

    def fault(self, value: Any) -> str | None:
        return None if value in self.options else f"it must be one of {', '.join(self.options)}"


@dataclass(frozen=True)
class Pattern:
    """A text of a stated form, such as a layer range."""

    regex: str
    hint: str

    def fault(self, value: Any) -> str | None:
        if isinstance(value, str) and re.fullmatch(self.regex, value):
            return None
        return f"it must be {self.hint}"


@dataclass(frozen=True)
class Knob:
    """One parameter as the page and the command line see it."""

    name: str
    kind: type
    default: Any
    rule: Range | Choice | Pattern | None
    optional: bool
    help: str

    def fault(self, value: Any) -> str | None:
        """Why `value` may not stand here, or None."""
        if value is None:
            return None if self.optional else "a value is needed"
        if self.kind is bool:
            return None if isinstance(value, bool) else "it must be true or false"
        if self.kind is int and (isinstance(value, bool) or not isinstance(value, int)):
            return "a whole number is needed"
        return self.rule.fault(value) if self.rule else None

    def parse(self, text: str) -> Any:
        """The typed value of a command-line text; raises ParamError."""
        if self.optional and text.lower() in (AUTO, "none", ""):
            return None
        try:
            if self.kind is bool:
                return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
            return self.kind(text)
        except (ValueError, KeyError):
            wanted = {int: "a whole number", float: "a number", bool: "true or false"}.get(self.kind, "text")
            raise ParamError(f"{self.name} = {text!r}: {wanted} is needed.") from None


@dataclass(frozen=True)
class Params:
    """Base of every parameter set; frozen, checked when built, hashable."""

    def __post_init__(self) -> None:
        for knob in knobs(type(self)):
            value = getattr(self, knob.name)
            if knob.kind is float and isinstance(value, int) and not isinstance(value, bool):
                object.__setattr__(self, knob.name, float(value))
            fault = knob.fault(value)
            if fault:
                raise ParamError(f"{knob.name} = {value!r}: {fault}.")

    @classmethod
    def build(cls, values: Mapping[str, Any]) -> Self:
        """From names and typed values, or texts (which are parsed); unknown names raise ParamError."""
        known = {knob.name: knob for knob in knobs(cls)}
        for name in values:
            if name not in known:
                raise ParamError(f"No parameter {name!r}: {suggest(name, known)}")
        return cls(
            **{
                name: known[name].parse(value) if isinstance(value, str) and known[name].kind is not str else value
                for name, value in values.items()
            }
        )

    @property
    def search(self) -> str:
        """How a figure was looked for, in one line, to stand beside it."""
        return ", ".join(f"{name}={value}" for name, value in self.as_dict().items())

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def knobs(cls: type[Params]) -> tuple[Knob, ...]:
    """The schema of a parameter set, in declaration order."""
    return _knobs(cast(Hashable, cls))


@cache
def _knobs(cls: Any) -> tuple[Knob, ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_knob(field.name, hints[field.name], field.default) for field in fields(cls))


def _knob(name: str, hint: Any, default: Any) -> Knob:
    annotations: tuple[Any, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *rest = typing.get_args(hint)
        annotations = tuple(rest)
    members = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    kind = next(member for member in members if member is not type(None))
    rule = next((note for note in annotations if isinstance(note, (Range, Choice, Pattern))), None)
    text = next((note for note in annotations if isinstance(note, str)), "")
    if default is MISSING:
        raise TypeError(f"parameter {name} needs a default")
    return Knob(name, kind, default, rule, type(None) in members, text)


def fingerprint(*parts: Any) -> str:
    """A short SHA-256 of plain values and dataclasses, stable between processes."""
    text = json.dumps(parts, sort_keys=True, default=_plain, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, **asdict(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"cannot fingerprint a {type(value).__name__}")


RHO = Range(1e-5, 1.0, unit="(RMS of the change, pixels in [0, 1])", log=True)


def check_rho(rho: float | None) -> float | None:
    """ρ as it may be used: None, or a root mean square of the change in (0, 1]."""
    if rho is None:
        return None
    fault = RHO.fault(rho)
    if fault:
        raise ParamError(f"rho = {rho!r}: {fault}; 'none' leaves it out where a method allows that.")
    return float(rho)
