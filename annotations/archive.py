"""What a backup is: a zip of the workspace's files, and `backup.json`, which names each with size and SHA-256.

    rhoscope.db    the database, where it is SQLite
    models/ data/ recipes/ runs/

An archive may come from anywhere: no name in it may lead out of the workspace, and no size is believed.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from annotations.workspace import home, runs_folder
from explain_core.errors import ArchiveError, StoreError

FORMAT = 1
CONTENTS, DATABASE = "backup.json", "rhoscope.db"
FOLDERS = ("models", "data", "recipes", "runs")
MOST_FILES, MOST_CONTENTS_BYTES = 1_000_000, 256 << 20
LONGEST_PART, DEEPEST = 200, 32
CHUNK = 1 << 20
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')


@dataclass(frozen=True)
class Member:
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """`home` and `runs` are the folders that the files came from: rows of the database name them."""

    created: str
    home: str
    runs: str
    files: Mapping[str, Member]

    @property
    def bytes(self) -> int:
        return sum(member.bytes for member in self.files.values())

    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)})


def places() -> dict[str, Path]:
    """Where each folder of a backup is in this workspace."""
    return {name: runs_folder() if name == "runs" else home() / name for name in FOLDERS}


def database_file(url: str) -> Path | None:
    """The file of a SQLite database, None for a server; raises StoreError for what is no URL."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("The database's address is no URL: see RHOSCOPE_DB.") from None
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def member_path(name: str) -> PurePosixPath:
    """The place of a member below the workspace; raises ArchiveError for a name that no backup has."""
    parts = name.split("/")
    known = name == DATABASE or (len(parts) > 1 and parts[0] in FOLDERS)
    if not known or len(parts) > DEEPEST or not all(map(_is_plain, parts)):
        raise ArchiveError(f"The archive has a file {name[:60]!r}, which no backup has: take one that Rhoscope made.")
    return PurePosixPath(*parts)


def _is_plain(part: str) -> bool:
    """Whether it names a file in its folder on every system, and neither the folder nor another one."""
    if not part or part.startswith(".") or part.endswith((".", " ")) or FORBIDDEN.search(part):
        return False
    try:
        return len(os.fsencode(part)) <= LONGEST_PART
    except UnicodeEncodeError:
        return False


def read_contents(archive: zipfile.ZipFile) -> Contents:
    """What an archive says of itself, held against its own list of files; raises ArchiveError."""
    names = archive.namelist()
    if CONTENTS not in names:
        raise ArchiveError(f"The archive has no {CONTENTS}: it is no backup of a workspace.")
    if len(names) > MOST_FILES or archive.getinfo(CONTENTS).file_size > MOST_CONTENTS_BYTES:
        raise ArchiveError(f"The archive lists more than {MOST_FILES} files: it is no backup of a workspace.")
    with archive.open(CONTENTS) as file:
        contents = _parsed(file.read(MOST_CONTENTS_BYTES + 1))
    if len(set(names)) < len(names) or set(names) != {CONTENTS, *contents.files}:
        raise ArchiveError(f"The archive's files are not those that its {CONTENTS} names: take another backup.")
    folded = {name.casefold() for name in contents.files}
    above = {str(parent).casefold() for name in contents.files for parent in member_path(name).parents}
    if len(folded) < len(contents.files) or folded & above:
        raise ArchiveError("Two files of the archive would have the same place: take another backup.")
    return contents


def _parsed(text: bytes) -> Contents:
    try:
        values: Any = json.loads(text)
        if values["format"] != FORMAT:
            raise ArchiveError(
                f"The backup has format {str(values['format'])[:20]}, this Rhoscope reads {FORMAT}: update Rhoscope."
            )
        files = {str(name): _member(member) for name, member in values["files"].items()}
        return Contents(str(values["created"]), str(values["home"]), str(values["runs"]), files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ArchiveError(f"The archive's {CONTENTS} is damaged: take another backup.") from None


def _member(values: Any) -> Member:
    count, sha256 = values["bytes"], values["sha256"]
    if type(count) is not int or count < 0 or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(count)
    return Member(count, sha256)
