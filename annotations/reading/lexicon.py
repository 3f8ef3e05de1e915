"""The coded fields of a read, from a TOML file that a site may edit: codes with short words, and no more.

assets/lexicon.toml tells the form.  A study keeps the whole lexicon that it was set up with, and its hash: that of the
fields as they are, whatever the file's comments and spaces.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from explain_core.errors import InputError

FILE = Path(__file__).with_name("assets") / "lexicon.toml"
MOST_BYTES, MOST_FIELDS, MOST_CHOICES, LONGEST = 1 << 20, 50, 100, 64
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
CASE, FINDING = "case", "finding"


@dataclass(frozen=True)
class Choice:
    """A code of a coding scheme (SCT, DCM, BI, 99LOCAL), at most 16 and 16 characters, and what readers see."""

    scheme: str
    code: str
    words: str


@dataclass(frozen=True)
class Field:
    """Asked of the case or of each finding; `when` names a field above and the codes after which it is asked."""

    name: str
    title: str
    about: str
    choices: tuple[Choice, ...]
    ordered: bool = False
    when: tuple[str, tuple[str, ...]] | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(choice.code for choice in self.choices)

    def asked(self, given: Mapping[str, Any]) -> bool:
        """Whether it is to be answered beside these answers."""
        return self.when is None or given.get(self.when[0]) in self.when[1]


@dataclass(frozen=True)
class Lexicon:
    name: str
    version: str
    fields: tuple[Field, ...]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def about(self, what: str) -> dict[str, Field]:
        """The fields about `case` or `finding`, by name, in their order."""
        return {field.name: field for field in self.fields if field.about == what}

    def record(self) -> dict[str, Any]:
        """As `lexicon_from` reads it."""
        return {"name": self.name, "version": self.version, "field": [_record(field) for field in self.fields]}


def read_lexicon(path: Path | None = None) -> Lexicon:
    """A site's file, or Rhoscope's own; raises InputError with the place of what is wrong."""
    path = path or FILE
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _fault(f"{path} has more than {MOST_BYTES >> 20} MiB")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name a lexicon, a TOML file.") from None
    except (ValueError, RecursionError) as error:
        raise _fault(f"{path} is no TOML ({str(error)[:100]})") from None
    return lexicon_from(values)


def lexicon_from(values: Mapping[str, Any]) -> Lexicon:
    """Of values as TOML or JSON has them; raises InputError."""
    unknown = set(values) - {"name", "version", "field"}
    if unknown:
        raise _fault(f"{min(unknown)!r} is no part of it: there are name, version and field")
    rows = values.get("field")
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_FIELDS:
        raise _fault(f"it needs 1 to {MOST_FIELDS} tables [[field]]")
    fields: dict[str, Field] = {}
    for row in rows:
        field = _field(row, fields)
        if field.name in fields:
            raise _fault(f"there are two fields {field.name!r}")
        fields[field.name] = field
    return Lexicon(
        _text(values, "name", "the lexicon"), _text(values, "version", "the lexicon"), tuple(fields.values())
    )


def _field(row: Any, above: Mapping[str, Field]) -> Field:
    if not isinstance(row, dict) or not NAME.fullmatch(str(row.get("name", ""))):
        raise _fault("a field needs a name: a small letter, then small letters, digits and _, at most 40")
    name = str(row["name"])
    where = f"the field {name!r}"
    if unknown := set(row) - {"name", "title", "about", "choices", "ordered", "when"}:
        raise _fault(f"{where} has {min(unknown)!r}: there are name, title, about, choices, ordered and when")
    about, ordered, choices = row.get("about"), row.get("ordered", False), row.get("choices")
    if about not in (CASE, FINDING):
        raise _fault(f"{where} is about {about!r}: it is {CASE!r} or {FINDING!r}")
    if not isinstance(ordered, bool):
        raise _fault(f"{where}: ordered is true or false")
    if not isinstance(choices, list) or not 2 <= len(choices) <= MOST_CHOICES:
        raise _fault(f"{where} needs 2 to {MOST_CHOICES} choices")
    made = tuple(_choice(choice, where) for choice in choices)
    if len({choice.code for choice in made}) < len(made):
        raise _fault(f"{where} has a code twice")
    return Field(name, _text(row, "title", where), about, made, ordered, _when(row.get("when"), about, above, where))


def _choice(values: Any, where: str) -> Choice:
    if not isinstance(values, list) or len(values) != 3 or not all(isinstance(one, str) and one for one in values):
        raise _fault(f"{where}: a choice is [scheme, code, words], three texts, and not {str(values)[:60]}")
    if len(values[0]) > 16 or len(values[1]) > 16 or len(values[2]) > LONGEST:
        raise _fault(
            f"{where}: scheme and code have at most 16 characters, words at most {LONGEST}: {values[1][:30]!r}"
        )
    return Choice(*values)


def _when(values: Any, about: str, above: Mapping[str, Field], where: str) -> tuple[str, tuple[str, ...]] | None:
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != 2 or not isinstance(values[1], list) or not values[1]:
        raise _fault(f"{where}: when is [field, [codes]]")
    asked = above.get(str(values[0]))
    if asked is None or asked.about != about:
        raise _fault(f"{where}: when names {str(values[0])[:40]!r}, and must name a field above it about the {about}")
    for code in values[1]:
        if code not in asked.codes:
            raise _fault(f"{where}: when names the code {str(code)[:30]!r}, which {asked.name!r} does not have")
    return asked.name, tuple(values[1])


def _text(values: Mapping[str, Any], name: str, where: str) -> str:
    text = values.get(name)
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise _fault(f"{where} needs a {name}, a text of at most {LONGEST} characters")
    return text


def _record(field: Field) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": field.name, "title": field.title, "about": field.about, "ordered": field.ordered,
        "choices": [[choice.scheme, choice.code, choice.words] for choice in field.choices],
    }  # fmt: skip
    return made if field.when is None else {**made, "when": [field.when[0], list(field.when[1])]}


def _fault(why: str) -> InputError:
    return InputError(f"The lexicon cannot be used: {why}.")
