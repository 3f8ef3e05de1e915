"""The workspace in one file: registered models, manifests, recipes, the database and the runs' records.

SQLite writes its own copy (VACUUM INTO), so that nobody needs to stop meanwhile.  Of runs, checkpoints are left out
unless they are asked for, and so are files of more than 64 MiB that are neither networks nor examples of campaigns.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from annotations.archive import CHUNK, CONTENTS, DATABASE, Contents, Member, database_file, member_path, places
from annotations.workspace import database_url, home, runs_folder
from explain_core.errors import ArchiveError, InputError, OutputError, StoreError

SMALL = 64 << 20
KEPT, CHECKPOINT = ("model.safetensors", "examples.safetensors"), "checkpoint"
"""Of any size: networks, and the examples of campaigns, without which labels retrain nothing."""
PACKED = {".safetensors", ".png", ".npz", ".zip"}
"""What is compressed already, or cannot be."""


@dataclass(frozen=True)
class Backup:
    """A backup that was written; `notes` say what it does not hold, a line each."""

    path: Path
    files: int
    bytes: int
    notes: tuple[str, ...]


def backups_folder() -> Path:
    """Where the page puts backups; they are in no backup themselves."""
    return home() / "backups"


def write_backup(out: Path, *, checkpoints: bool = False, on_progress: Callable[[float], None] | None = None) -> Backup:
    """Writes the workspace into a zip file, which appears under its name when it is whole.

    Raises InputError where `out` is there already or there is nothing to keep, OutputError where it cannot be
    written, StoreError where the database cannot be read.
    """
    if out.exists():
        raise InputError(f"{out} is there already: give another name.")
    notes: list[str] = []
    part = out.with_name(f".{out.name}.{uuid4().hex[:8]}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as kept:
            found = [*_database(Path(kept), notes), *_found(checkpoints, notes)]
            if not found:
                raise InputError(f"The workspace {home()} holds nothing yet: there is nothing to back up.")
            files = _pack(part, found, on_progress)
        part.replace(out)
    except OSError as error:
        raise OutputError(f"Cannot write {out}: {error.strerror}; give a place that you may write to.") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return Backup(out, len(files), out.stat().st_size, tuple(notes))


def _database(kept: Path, notes: list[str]) -> Iterator[tuple[str, Path]]:
    """A copy of the database that SQLite itself makes."""
    file = database_file(database_url())
    if file is None:
        notes.append("the database, which is on a server: back it up there")
    elif file.is_file():
        try:
            with closing(sqlite3.connect(file, timeout=30)) as database:
                database.execute("VACUUM INTO ?", (str(kept / DATABASE),))
        except sqlite3.Error as error:
            raise StoreError(f"The database {file} cannot be copied ({error}): see that it can be read.") from None
        yield DATABASE, kept / DATABASE


def _found(checkpoints: bool, notes: list[str]) -> list[tuple[str, Path]]:
    """Every file to be kept, by the name it gets; links are not followed."""
    found, left = [], {"checkpoints": 0, "other large files of runs": 0, "files with names of another kind": 0}
    for root, place in places().items():
        for folder, folders, files in os.walk(place):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for path in (Path(folder) / name for name in sorted(files)):
                if path.is_symlink() or path.name == "lock" or path.name.startswith(".") or path.suffix == ".part":
                    continue
                name, why = f"{root}/{path.relative_to(place).as_posix()}", _unwanted(root, path, checkpoints)
                if why or not _fits(name):
                    left[why or "files with names of another kind"] += 1
                else:
                    found.append((name, path))
    notes += [f"{what}: {count}" for what, count in left.items() if count]
    return found


def _unwanted(root: str, path: Path, checkpoints: bool) -> str:
    if root != "runs" or path.name in KEPT:
        return ""
    if path.name.startswith(CHECKPOINT):
        return "" if checkpoints else "checkpoints"
    return "other large files of runs" if path.stat().st_size > SMALL else ""


def _fits(name: str) -> bool:
    try:
        member_path(name)
    except ArchiveError:
        return False
    return True


def _pack(part: Path, found: list[tuple[str, Path]], on_progress: Callable[[float], None] | None) -> dict[str, Member]:
    files = {}
    with zipfile.ZipFile(part, "x") as archive:
        for place, (name, path) in enumerate(found, 1):
            member = _add(archive, name, path)
            if member is not None:
                files[name] = member
            if on_progress:
                on_progress(place / len(found))
        created = datetime.now(UTC).isoformat(timespec="seconds")
        contents = Contents(created, str(home()), str(runs_folder()), files)
        archive.writestr(CONTENTS, contents.text(), zipfile.ZIP_DEFLATED)
    return files


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> Member | None:
    """Copies a file as it is at this moment; None where a run has just removed it."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_STORED if path.suffix in PACKED else zipfile.ZIP_DEFLATED
    digest, count = hashlib.sha256(), 0
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return None
    with source, archive.open(info, "w", force_zip64=True) as target:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            count += len(chunk)
            target.write(chunk)
    return Member(count, digest.hexdigest())
