"""Registered models: `registry/NAME@VERSION` is WORKSPACE/models/NAME/VERSION/, and never changes.

The workspace is RHOSCOPE_HOME, or `.rhoscope` in the user's home.  A version is a whole number from 1.
Without one, `registry/NAME` is the current version: the one promoted last (promotions.py), or the highest where
none was.  Whoever keeps a list of them besides, the folders are the truth.  Reading the list needs no torch.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explain_core.errors import OutputError, ParamError, SpecError, WeightsError, suggest
from explain_core.models.card import CARD, WEIGHTS, Described, card_text, check_weights, read_card
from explain_core.models.folders import unfinished
from explain_core.models.promotions import Promotion, check_told, note, promotions

if TYPE_CHECKING:
    from explain_core.models.classifier import Classifier

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
VERSION = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class Registered:
    """One version of a registered model; its card is read when it is asked for."""

    name: str
    version: int
    folder: Path

    @property
    def spec(self) -> str:
        return f"registry/{self.name}@{self.version}"

    def describe(self) -> Described:
        """Raises WeightsError where the card is damaged."""
        return read_card(self.folder)


def workspace() -> Path:
    """RHOSCOPE_HOME, or `.rhoscope` in the user's home."""
    return Path(os.environ.get("RHOSCOPE_HOME") or Path.home() / ".rhoscope").expanduser().absolute()


def register(folder: Path, name: str, *, extra: Mapping[str, Any] | None = None) -> int:
    """Copies a trained network into the workspace under its name's next version, which it returns.

    `extra` joins the card's own.  Raises ParamError for a name that is none, SpecError or WeightsError for
    a folder that cannot be loaded, OutputError where the workspace cannot be written.
    """
    from explain_core.models.trained import load_trained

    check_name(name)
    load_trained(folder)
    return _copied(folder, name, extra or {})


def promote(folder: Path, name: str, *, by: str, why: str) -> Promotion:
    """Registers a trained network as the next version, and makes it the current one of its name.

    That it can be loaded was found when it was written; here its hash is compared.  Raises what `register` does.
    """
    check_name(name)
    before, _ = current(name)
    check_told(by, why)
    check_weights(folder)
    version = _copied(folder, name, {"promoted": {"by": by, "why": why}})
    return note(workspace() / "models" / name, version, before, by=by, why=why)


def roll_back(name: str, *, by: str, why: str) -> Promotion:
    """Makes the version current again that was so before the last promotion; raises SpecError, ParamError."""
    shelf = workspace() / "models" / name
    made = promotions(shelf) if NAME.fullmatch(name) else []
    if not made or made[-1].before not in _versions(shelf):
        raise SpecError(f"registry/{name} has no promotion that could be undone: name a model that was promoted.")
    return note(shelf, made[-1].before or 0, made[-1].version, by=by, why=why)


def _copied(folder: Path, name: str, extra: Mapping[str, Any]) -> int:
    described = read_card(folder)
    card = replace(described.card, extra={**described.card.extra, **extra})
    shelf = workspace() / "models" / name
    with unfinished(shelf / "new") as made:
        shutil.copyfile(folder / WEIGHTS, made / WEIGHTS)
        (made / CARD).write_text(card_text(replace(described, card=card)), encoding="utf-8")
        for file in (WEIGHTS, CARD):
            (made / file).chmod(0o444)
        return _shelve(made, shelf)


def _shelve(made: Path, shelf: Path) -> int:
    """Renames to the next free version: of two who register at once, the second takes the one after."""
    version = max(_versions(shelf), default=0) + 1
    while True:
        try:
            made.rename(shelf / str(version))
            return version
        except OSError:
            if not (shelf / str(version)).exists():
                raise
            version += 1


def check_name(name: str) -> None:
    """Raises ParamError unless the name is of letters, digits and dashes."""
    if not NAME.fullmatch(name):
        raise ParamError(
            f"The name {name!r}: up to 64 letters (a to z), digits and dashes, the first no dash; choose such a name."
        )


def registered() -> list[Registered]:
    """Every version of every registered model, by name and version."""
    shelves = _entries(workspace() / "models")
    return [
        Registered(shelf.name, version, shelf / str(version))
        for shelf in sorted(shelves)
        if NAME.fullmatch(shelf.name)
        for version in sorted(_versions(shelf))
    ]


def for_clinicians() -> list[Registered]:
    """What may be offered where people read pictures: registered models whose cards are whole, and nothing else."""
    return [entry for entry in registered() if _whole(entry)]


def _whole(entry: Registered) -> bool:
    try:
        entry.describe()
    except WeightsError:
        return False
    return (entry.folder / WEIGHTS).is_file()


def find(name: str, version: str | None = None) -> Registered:
    """A registered model by name, its current version unless one is given; raises SpecError."""
    known = registered()
    versions = {entry.version: entry for entry in known if entry.name == name}
    if not versions:
        names = sorted({entry.name for entry in known})
        remedy = suggest(name, names) if names else "nothing is registered here yet; register a trained network first."
        raise SpecError(f"No registered model {name!r}: {remedy}")
    if version is None:
        return versions[current(name)[0] or max(versions)]
    if not VERSION.fullmatch(version) or int(version) not in versions:
        raise SpecError(f"No version {version!r} of registry/{name}: there is {', '.join(map(str, versions))}.")
    return versions[int(version)]


def registry_classifier(spec: str, name: str, version: str | None) -> Classifier:
    """The classifier of a registered model; raises SpecError or WeightsError."""
    from explain_core.models.trained import load_trained

    return load_trained(find(name, version).folder, spec)


def current(name: str) -> tuple[int | None, Promotion | None]:
    """The current version of a name, None where there is none; and the decision that made it so, if there was one."""
    shelf = workspace() / "models" / name
    known = _versions(shelf)
    made = [promotion for promotion in promotions(shelf) if promotion.version in known]
    return (made[-1].version, made[-1]) if made else (max(known, default=None), None)


def _versions(shelf: Path) -> list[int]:
    return [int(entry.name) for entry in _entries(shelf) if VERSION.fullmatch(entry.name)]


def _entries(folder: Path) -> list[Path]:
    """The folders in a folder, none where it is not there; raises OutputError where it cannot be read."""
    try:
        return [entry for entry in folder.iterdir() if entry.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"Cannot read {folder}: {error.strerror}; set RHOSCOPE_HOME to a folder of yours.") from None
