"""Manifests: a data set as it was, `manifest:NAME[@VERSION]`, in WORKSPACE/data/NAME/VERSION.json.

A manifest names the spec that its pictures are read by, and every item: name, label, size in bytes and, where
that was asked for, the SHA-256 of the decoded picture.  It is written once and never changed: what has changed
becomes the next version of its name.  No item's name names a patient, so no manifest does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

from filelock import FileLock

from explain_core.data.images import image_key
from explain_core.data.sources import TOGETHER, DataSet, Item, load_data
from explain_core.data.sources.base import Label, set_sha256
from explain_core.errors import DataError, ImageError, OutputError, ParamError, suggest
from explain_core.models.registry import NAME, VERSION, check_name, workspace
from explain_core.params import fingerprint

FORMAT = 1
MOST_DECODED = 50_000
"""A larger set is kept without its pictures' hashes: decoding it would take hours."""
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Entry:
    """An item of a manifest; `sha256` is that of its decoded pixels, None where they were not read."""

    name: str
    label: Label | None
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A version of a data set; `sha256` is that of the set, as in `DataSet.sha256`."""

    name: str
    version: int
    spec: str
    sha256: str
    classes: tuple[str, ...] | None
    created: str
    items: tuple[Entry, ...]

    @property
    def n(self) -> int:
        return len(self.items)

    @property
    def decoded(self) -> bool:
        """Whether its pictures' hashes are known."""
        return all(item.sha256 for item in self.items)

    def label(self, item: Entry) -> str:
        """An item's label in words, a dash where it has none."""
        if item.label is None:
            return "–"
        if self.classes is not None and isinstance(item.label, int) and 0 <= item.label < len(self.classes):
            return self.classes[item.label]
        return str(item.label)

    @cached_property
    def content(self) -> str:
        """SHA-256 of everything that makes it this version and no other."""
        items = [[item.name, item.label, item.size, item.sha256] for item in self.items]
        return fingerprint(self.spec, self.classes, items)


@dataclass(frozen=True)
class Differences:
    """What a data set has become since its manifest: names of items, each of them once."""

    gone: tuple[str, ...]
    new: tuple[str, ...]
    relabelled: tuple[str, ...]
    changed: tuple[str, ...]
    classes: bool

    def __bool__(self) -> bool:
        return bool(self.gone or self.new or self.relabelled or self.changed or self.classes)

    def lines(self, most: int = 5) -> list[str]:
        """A line for each kind of difference, with the first names; one that says so where there is none."""
        told = {"gone": self.gone, "new": self.new, "another label": self.relabelled, "another picture": self.changed}
        found = [f"{what}: {_some(names, most)}" for what, names in told.items() if names]
        return found + (["the names of the classes are others"] if self.classes else []) or ["nothing has changed"]


def make_manifest(
    name: str, spec: str, *, pictures: bool = False, on_progress: Progress | None = None
) -> tuple[Manifest, bool]:
    """Reads a data set and keeps its manifest under `name`; also says whether that is a new version.

    The same content again is the version that is there.  With `pictures`, every picture is decoded and hashed,
    of sets of up to MOST_DECODED.  Raises ParamError for a name that is none, DataError or ImageError for a set
    that cannot be read, OutputError where the workspace cannot be written.
    """
    check_name(name)
    spec = TOGETHER.join(in_full(part.strip()) for part in spec.split(TOGETHER))
    data = load_data(spec)
    items = tuple(_entries(data, pictures, on_progress))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    made = Manifest(name, 0, spec, data.sha256, data.classes, created, items)
    shelf = workspace() / "data" / name
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with FileLock(shelf / ".lock"):
            return _shelve(made, shelf)
    except OSError as error:
        raise OutputError(f"Cannot write {shelf}: {error.strerror}; set RHOSCOPE_HOME to a folder of yours.") from None


def verify(manifest: Manifest, *, on_progress: Progress | None = None) -> Differences:
    """Reads the data set again, its pictures too where their hashes are known; raises DataError or ImageError."""
    data = load_data(manifest.spec)
    entries = _entries(data, manifest.decoded, on_progress)
    was, now = {item.name: item for item in manifest.items}, {item.name: item for item in entries}
    both = [(was[name], now[name]) for name in was if name in now]
    return Differences(
        gone=tuple(name for name in was if name not in now),
        new=tuple(name for name in now if name not in was),
        relabelled=tuple(old.name for old, new in both if old.label != new.label),
        changed=tuple(old.name for old, new in both if (old.size, old.sha256) != (new.size, new.sha256)),
        classes=manifest.classes != data.classes,
    )


def versions() -> list[tuple[str, int]]:
    """Names and versions of the manifests there are, unread; raises OutputError."""
    try:
        shelves = sorted((workspace() / "data").iterdir())
        files = [file for shelf in shelves if NAME.fullmatch(shelf.name) and shelf.is_dir() for file in shelf.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise OutputError(f"Cannot read the data sets' folder: {error.strerror}; see RHOSCOPE_HOME.") from None
    numbered = [file for file in files if file.suffix == ".json" and VERSION.fullmatch(file.stem)]
    return sorted((file.parent.name, int(file.stem)) for file in numbered)


def find(name: str, version: str | None = None) -> Manifest:
    """A manifest by name, its newest version unless one is given; raises DataError."""
    known = versions()
    there = [number for known_name, number in known if known_name == name]
    if not there:
        raise DataError(f"No data set {name!r} in the library: {suggest(name, dict.fromkeys(one for one, _ in known))}")
    if version is None:
        return _read(_path(name, max(there)))
    if not VERSION.fullmatch(version) or int(version) not in there:
        raise DataError(f"No version {version!r} of manifest:{name}: there is {', '.join(map(str, there))}.")
    return _read(_path(name, int(version)))


def _entries(data: DataSet, pictures: bool, on_progress: Progress | None) -> Iterator[Entry]:
    if pictures and len(data) > MOST_DECODED:
        raise ParamError(f"{data.spec} has {len(data)} pictures; at most {MOST_DECODED} are hashed: leave that out.")
    for place, item in enumerate(data, 1):
        yield Entry(item.name, item.label, item.size, _key(data, item) if pictures else None)
        if on_progress:
            on_progress(place / len(data))


def _key(data: DataSet, item: Item) -> str:
    try:
        return image_key(item.read().pixels)
    except ImageError as error:
        raise DataError(f"{data.spec}, item {item.name!r}: {error}") from None


def _shelve(made: Manifest, shelf: Path) -> tuple[Manifest, bool]:
    """The version that has this content, or a new file; the shelf is held."""
    there = [version for name, version in versions() if name == made.name]
    for version in reversed(there):
        earlier = _read(_path(made.name, version))
        if earlier.content == made.content:
            return earlier, False
    path = _path(made.name, max(there, default=0) + 1)
    part = shelf / f".{uuid4().hex[:8]}.part"
    try:
        part.write_text(as_text(made), encoding="utf-8")
        part.chmod(0o444)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    return _read(path), True


def as_text(manifest: Manifest) -> str:
    """The file of a manifest, JSON."""
    values = {name: getattr(manifest, name) for name in ("spec", "sha256", "classes", "created", "n", "content")}
    items = [[item.name, item.label, item.size, item.sha256] for item in manifest.items]
    return json.dumps({"format": FORMAT, **values, "items": items}, ensure_ascii=False)


def _path(name: str, version: int) -> Path:
    return workspace() / "data" / name / f"{version}.json"


def _read(path: Path) -> Manifest:
    """A manifest from its file, which must be what was written; raises DataError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            _damaged(path, f"it has format {str(values['format'])[:20]}, this Rhoscope reads {FORMAT}")
        classes = None if values["classes"] is None else tuple(map(str, values["classes"]))
        items = tuple(_entry(item) for item in values["items"])
        texts: Mapping[str, str] = {name: str(values[name]) for name in ("spec", "sha256", "created")}
    except OSError as error:
        _damaged(path, str(error.strerror))
    except (ValueError, KeyError, TypeError, RecursionError):
        _damaged(path, "it is damaged")
    made = Manifest(path.parent.name, int(path.stem), classes=classes, items=items, **texts)
    if made.content != values.get("content") or set_sha256(classes, _triples(items)) != made.sha256:
        _damaged(path, "its items are not those it was written with")
    return made


def _entry(values: Any) -> Entry:
    name, label, size, sha256 = values
    kinds = (isinstance(name, str), label is None or isinstance(label, (int, str)), isinstance(size, int))
    if not all(kinds) or not (sha256 is None or re.fullmatch("[0-9a-f]{64}", sha256)):
        raise ValueError(name)
    return Entry(name, label, size, sha256)


def _triples(items: Iterable[Entry]) -> Iterator[tuple[str, int, Label | None]]:
    return ((item.name, item.size, item.label) for item in items)


def _damaged(path: Path, why: str) -> NoReturn:
    where = f"The manifest {path.parent.name}, version {path.stem}"
    raise DataError(f"{where}, cannot be used: {why}; restore it from a backup, or make it again under another name.")


def in_full(spec: str) -> str:
    """The spec with the path of a file or folder that is there in full, so that it can be read from anywhere.

    After a path and a comma there may be a number, as in `jsrt-crops:DIR,4`.
    """
    form, colon, argument = spec.partition(":")
    if form == "manifest":
        raise DataError(f"{spec}: a manifest is made of the data themselves; give the spec that they are read by.")
    before, _, _ = argument.rpartition(",")
    try:
        for text in (argument, "" if before.isdecimal() else before):
            path = Path(text).expanduser()
            if colon and text and path.exists():
                return f"{form}:{path.absolute()}{argument[len(text) :]}"
    except (OSError, ValueError, RuntimeError):  # a text that no file can have as its name
        pass
    return spec


def _some(names: tuple[str, ...], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} ({', '.join(names[:most])}{more})"
