"""A backup put back: into an empty workspace only, unpacked and checked beside it, and moved when all is well."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import func, select

from annotations.archive import (
    CHUNK,
    DATABASE,
    FOLDERS,
    Contents,
    Member,
    database_file,
    member_path,
    places,
    read_contents,
)
from annotations.database import Database, open_database
from annotations.reading.tables import StudyRow
from annotations.tables import CampaignRow, DatasetRow, ModelRow, RunRow
from annotations.workspace import database_url, home, runs_folder
from explain_core.errors import ArchiveError, InputError, OutputError, StoreError
from explain_core.records import UNDER_WAY

NEVER_WRITTEN = ("models", "data")
STOPPED = "It was under way when the workspace was backed up: let it go on."


def restore(file: Path, *, on_progress: Callable[[float], None] | None = None) -> Contents:
    """Puts a backup into this workspace, which must be empty.

    Runs that were under way are interrupted; rows name the folders of this workspace.  Raises InputError where
    the workspace holds something, ArchiveError for what is no backup or a damaged one, OutputError where the
    workspace cannot be written or the disk is too small, StoreError where the database cannot be used.
    """
    check_empty()
    with _opened(file) as archive:
        contents = read_contents(archive)
        live = database_file(database_url())
        if live is None and DATABASE in contents.files:
            raise StoreError("The backup holds a database, and RHOSCOPE_DB names a server: restore without it.")
        made = home() / f".restore-{uuid4().hex[:8]}"
        try:
            made.mkdir(parents=True)
            _check_room(made, contents)
            _unpack(archive, contents, made, on_progress)
            if DATABASE in contents.files:
                _relocate(made / DATABASE, contents)
            _move(made, live)
        except OSError as error:
            raise OutputError(f"Cannot restore into {home()}: {error.strerror}; see that you may write it.") from None
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return contents


def check_empty() -> None:
    """Raises InputError where this workspace holds models, data sets, recipes, runs, campaigns or studies."""
    for name, place in places().items():
        if place.is_dir() and any(place.iterdir()):
            raise InputError(_full(name))
    file = database_file(database_url())
    if file is None or file.is_file():
        database = open_database()
        try:
            with database.read() as session:
                tables = {"runs": RunRow, "models": ModelRow, "data": DatasetRow, "campaigns": CampaignRow,
                          "studies": StudyRow}  # fmt: skip
                for name, table in tables.items():
                    if session.scalar(select(func.count()).select_from(table)):
                        raise InputError(_full(name))
        finally:
            database.engine.dispose()


def _full(what: str) -> str:
    return f"The workspace {home()} holds {what} already: name an empty folder in RHOSCOPE_HOME and restore there."


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever zipfile trips over is an ArchiveError."""
    try:
        with file.open("rb") as opened, zipfile.ZipFile(opened) as archive:
            yield archive
    except FileNotFoundError:
        raise InputError(f"{file}: there is no such file; give the path of a backup.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError, ValueError):
        raise ArchiveError(f"{file} is damaged, or is no backup: copy it again, or take another one.") from None


def _check_room(made: Path, contents: Contents) -> None:
    free = shutil.disk_usage(made).free
    if contents.bytes > free:
        raise OutputError(
            f"The backup unpacks to {contents.bytes / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free: make room."
        )


def _unpack(
    archive: zipfile.ZipFile, contents: Contents, made: Path, on_progress: Callable[[float], None] | None
) -> None:
    for place, (name, member) in enumerate(contents.files.items(), 1):
        target = made / member_path(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        _unpack_one(archive, name, member, target)
        if name.split("/")[0] in NEVER_WRITTEN:
            target.chmod(0o444)
        if on_progress:
            on_progress(place / len(contents.files))


def _unpack_one(archive: zipfile.ZipFile, name: str, member: Member, target: Path) -> None:
    """Writes at most as many bytes as were announced, which must be the ones that were hashed."""
    digest, count = hashlib.sha256(), 0
    with archive.open(name) as source, target.open("xb") as file:
        while chunk := source.read(CHUNK):
            count += len(chunk)
            if count > member.bytes:
                break
            digest.update(chunk)
            file.write(chunk)
    if count != member.bytes or digest.hexdigest() != member.sha256:
        raise ArchiveError(f"{name[:60]!r} in the archive is not what was backed up: take another backup.")


def _relocate(file: Path, contents: Contents) -> None:
    """Makes the unpacked database speak of this workspace, and of no run that is under way."""
    database = open_database(f"sqlite:///{file}")
    try:
        _rewrite(database, {contents.runs: str(runs_folder()), contents.home: str(home())})
    finally:
        database.engine.dispose()


def _rewrite(database: Database, moved: dict[str, str]) -> None:
    with database.write() as session:
        for run in session.scalars(select(RunRow)):
            run.out = _moved(run.out, moved)
            if run.state in UNDER_WAY:
                run.state, run.error, run.worker, run.pid, run.cancel_asked = "interrupted", STOPPED, None, None, False
        for model in session.scalars(select(ModelRow)):
            model.folder = _moved(model.folder, moved)
        for campaign in session.scalars(select(CampaignRow)):
            campaign.bundle = _moved(campaign.bundle, moved)
        for study in session.scalars(select(StudyRow)):
            study.bundle = _moved(study.bundle, moved)
        for data in session.scalars(select(DatasetRow)):
            data.manifest = {
                name: _moved(value, moved) if isinstance(value, str) else value for name, value in data.manifest.items()
            }


def _moved(path: str, moved: dict[str, str]) -> str:
    for old, new in moved.items():
        if path == old or path.startswith(f"{old}/"):
            return new + path[len(old) :]
    return path


def _move(made: Path, live: Path | None) -> None:
    """Folders first, the database last; where that fails, what was moved goes again."""
    done: list[Path] = []
    try:
        for name in FOLDERS:
            if (made / name).is_dir():
                target = places()[name]
                if target.is_dir():
                    target.rmdir()
                target.parent.mkdir(parents=True, exist_ok=True)
                done.append(target)
                shutil.move(made / name, target)
        if live is not None and (made / DATABASE).is_file():
            _pour(made / DATABASE, live)
    except BaseException:
        for target in done:
            shutil.rmtree(target, ignore_errors=True)
        raise


def _pour(made: Path, live: Path) -> None:
    """Into the database as it lies there: whoever has it open goes on with the new content."""
    live.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(made)) as source, closing(sqlite3.connect(live, timeout=30)) as target:
            source.backup(target)
    except sqlite3.Error as error:
        raise StoreError(f"The database {live} cannot be written ({error}): see that nobody uses it.") from None
