"""A campaign's bundle, read: a folder of pictures and one `bundle.json`, which whoever made the items wrote.

    {"format": 1, "question": "unchanged", "title": "…", "spec": {…},
     "items": [{"name": "0001", "kind": "ask", "class": "cat", "truth": null, "repeats": null,
                "pictures": {"original": "pictures/0001-original.png", …}, "told": {…}}, …],
     "files": {"pictures/0001-original.png": "SHA-256", …}}

`kind` is ask, gold (its `truth` is known), repeat (of the item named by `repeats`) or practice.  `pictures` are at
least those that the question shows; `told` may say `why` the truth is what it is, for practice.  Nothing in it is
believed unseen: it may come from another machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from annotations.questions import Question, get_question
from explain_core.errors import InputError
from explain_core.formats import read_values

FILE, FORMAT = "bundle.json", 1
KINDS = ("ask", "gold", "repeat", "practice")
MOST_ITEMS = 1_000_000


@dataclass(frozen=True)
class BundleItem:
    """One thing to answer about; `pictures` are paths in the bundle's folder, `told` is its provenance."""

    name: str
    kind: str
    class_name: str
    pictures: Mapping[str, str]
    truth: str | None = None
    repeats: str | None = None
    told: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Bundle:
    folder: Path
    sha256: str
    question: Question
    title: str
    items: tuple[BundleItem, ...]
    spec: Mapping[str, Any]


def read_bundle(folder: Path, on_progress: Callable[[float], None] = lambda _: None) -> Bundle:
    """The bundle, every file of it compared with its hash; raises InputError."""
    path = folder / FILE
    values, sha256 = read_values(path, FORMAT, "the folder of a campaign's bundle", _fault)
    question = get_question(_text(path, values, "question"))
    found = values.get("items")
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_ITEMS:
        raise _fault(path, f"it needs 1 to {MOST_ITEMS} items")
    items = tuple(_item(path, item, question) for item in found)
    _check_names(path, items)
    _check_files(folder, items, values.get("files"), on_progress)
    spec = values.get("spec", {})
    if not isinstance(spec, dict):
        raise _fault(path, "its spec is no table")
    return Bundle(folder, sha256, question, _text(path, values, "title"), items, spec)


def _item(path: Path, values: Any, question: Question) -> BundleItem:
    if not isinstance(values, dict):
        raise _fault(path, "an item is no table")
    name, kind = _text(path, values, "name"), _text(path, values, "kind")
    if kind not in KINDS:
        raise _fault(path, f"item {name!r} is of kind {kind!r}, and there are {', '.join(KINDS)}")
    truth, repeats = values.get("truth"), values.get("repeats")
    if truth is not None:
        question.answer(str(truth))
    if kind == "gold" and truth is None:
        raise _fault(path, f"the gold item {name!r} has no truth")
    pictures = values.get("pictures")
    if not isinstance(pictures, dict) or not pictures:
        raise _fault(path, f"item {name!r} has no pictures")
    if lacking := [one for one, _ in question.pictures if one not in pictures]:
        raise _fault(path, f"item {name!r} has no {lacking[0]} picture, which {question.name!r} shows")
    for place in pictures.values():
        if not isinstance(place, str) or PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
            raise _fault(path, f"item {name!r} names a picture outside the bundle")
    told = values.get("told", {})
    return BundleItem(
        name, kind, _text(path, values, "class"), pictures, truth, repeats, told if isinstance(told, dict) else {}
    )


def _check_names(path: Path, items: tuple[BundleItem, ...]) -> None:
    names = {item.name for item in items}
    if len(names) < len(items):
        raise _fault(path, "two items have the same name")
    for item in items:
        if (item.kind == "repeat") != (item.repeats in names):
            raise _fault(path, f"item {item.name!r} repeats none of the others")


def _check_files(
    folder: Path, items: tuple[BundleItem, ...], hashes: Any, on_progress: Callable[[float], None]
) -> None:
    if not isinstance(hashes, dict):
        raise _fault(folder / FILE, "it lists no files")
    places = sorted({place for item in items for place in item.pictures.values()})
    for number, place in enumerate(places):
        try:
            with (folder / place).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{folder / place}: {error.strerror}; copy the whole bundle.") from None
        if found != hashes.get(place):
            raise InputError(f"{folder / place} is not the file that {FILE} lists: copy the bundle again.")
        on_progress((number + 1) / len(places))


def _text(path: Path, values: Mapping[str, Any], name: str) -> str:
    text = values.get(name)
    if not isinstance(text, str) or not text.strip() or len(text) > 200:
        raise _fault(path, f"{name!r} needs a text of at most 200 characters")
    return text


def _fault(path: Path, why: str) -> InputError:
    return InputError(f"{path}: {why}; make the bundle again.")
