"""Backup and restore: everything comes back, and no archive can write where or what it should not."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import annotations.restore
from annotations import audit, backup
from annotations.adjudication import Adjudications
from annotations.archive import CONTENTS, FOLDERS, member_path
from annotations.backup import write_backup
from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns
from annotations.database import open_database
from annotations.people import People
from annotations.registry import Registry
from annotations.restore import restore
from annotations.retraining import Retrainings
from annotations.runs import RunStore
from explain_core.errors import ArchiveError, InputError, OutputError, RhoscopeError, StoreError
from tests.annotations.bundles import item, write_bundle

Move = Callable[[str], Path]


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Move:
    """Goes to another workspace."""

    def go(name: str) -> Path:
        monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / name))
        return tmp_path / name

    for name in ("RHOSCOPE_DB", "RHOSCOPE_RUNS"):
        monkeypatch.delenv(name, raising=False)
    return go


def put(path: Path, content: str = "{}") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.fixture
def full(move: Move) -> Path:
    """A workspace with a model, a manifest, and runs that wait, compute and are done."""
    home = move("first")
    put(home / "models/ash/1/card.json", '{"ash": 1}')
    put(home / "models/ash/1/model.safetensors", "weights")
    put(home / "data/leaves/1.json")
    put(home / "runs/one/metrics.jsonl", "1\n2\n")
    put(home / "runs/one/checkpoint.safetensors", "long")
    put(home / "runs/one/network/model.safetensors", "weights")
    put(home / "runs/one/lock", "")
    put(home / "worker.log", "said")
    put(home / "backups/old.zip", "old")
    (home / "runs/one/elsewhere").symlink_to(home / "worker.log")
    database = open_database()
    store, registry = RunStore(database), Registry(database)
    for title in ("one", "two"):
        store.submit("train", {"recipe": "r"}, title=title, out=home / "runs" / title)
    store.claim("w", "here", "cpu", kinds=["train"], at_once=1)
    registry.add_model("ash", 1, sha256="s", folder=str(home / "models/ash/1"), recipe="", data_sha256="", metrics={})
    manifest = {"file": str(home / "data/leaves/1.json")}
    registry.add_dataset("leaves", 1, spec="phantom:3,0", sha256="d", n=3, manifest=manifest)
    return home


def files(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and ".db" not in path.name}


def test_everything_comes_back_in_another_place(full: Path, move: Move, tmp_path: Path) -> None:
    shares: list[float] = []
    made = write_backup(tmp_path / "kept.zip", on_progress=shares.append)
    assert (made.files, made.notes, shares[-1]) == (6, ("checkpoints: 1",), 1.0)
    assert not list(tmp_path.glob(".*"))
    home = move("second")
    restore(made.path, on_progress=shares.append)
    kept = {"models/ash/1/card.json", "models/ash/1/model.safetensors", "data/leaves/1.json"}
    assert files(home) == kept | {"runs/one/metrics.jsonl", "runs/one/network/model.safetensors"}
    assert (home / "runs/one/metrics.jsonl").read_text() == "1\n2\n"
    assert (home / "models/ash/1/card.json").stat().st_mode & 0o222 == 0
    database = open_database()
    runs = {run.title: run for run in RunStore(database).find()}
    assert {run.state for run in runs.values()} == {"interrupted"}
    assert runs["one"].folder == home / "runs/one"
    assert RunStore(database).retry(runs["one"].id).state == "waiting"
    assert Registry(database).model("ash").folder == str(home / "models/ash/1")
    assert Registry(database).dataset("leaves").manifest == {"file": str(home / "data/leaves/1.json")}


def test_campaigns_decisions_and_what_was_frozen_come_back(move: Move, tmp_path: Path) -> None:
    home, database = move("first"), open_database()
    People(database).add("ada", "admin")
    bundle = read_bundle(write_bundle(home / "runs/one.campaign/bundle", [item("a"), item("b")]))
    Campaigns(database).create("cats", bundle, by="ada")
    made = Adjudications(database).decide("cats", "a", "unchanged", by="ada")
    Retrainings(database).freeze("cats", {}, rule="majority", by="ada", out=home / "runs/one.retraining")
    verified = audit.verify(database)
    kept = write_backup(tmp_path / "kept.zip")
    home = move("second")
    restore(kept.path)
    database = open_database()
    assert read_bundle(Campaigns(database).get("cats").bundle).folder == home / "runs/one.campaign/bundle"
    assert Adjudications(database).find("cats") == {"a": made}
    (frozen,) = Retrainings(database).find()
    assert hashlib.sha256((frozen.folder / "manifest.json").read_bytes()).hexdigest() == frozen.manifest_sha256
    assert frozen.folder == home / "runs/one.retraining"
    assert audit.verify(database, verified.head) == verified
    shutil.rmtree(home / "runs")
    with pytest.raises(InputError, match="holds campaigns already"):
        restore(kept.path)


def test_checkpoints_are_kept_where_they_are_asked_for(full: Path, tmp_path: Path) -> None:
    made = write_backup(tmp_path / "kept.zip", checkpoints=True)
    assert (made.files, made.notes) == (7, ())


def test_what_labels_are_about_is_kept_whatever_its_size(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "SMALL", 10)
    put(full / "runs/cats.campaign/bundle/examples.safetensors", "more than ten bytes")
    put(full / "runs/cats.campaign/made/0000.npz", "more than ten bytes")
    made = write_backup(tmp_path / "b.zip")
    with zipfile.ZipFile(made.path) as file:
        assert "runs/cats.campaign/bundle/examples.safetensors" in file.namelist()
        assert "runs/cats.campaign/made/0000.npz" not in file.namelist()
    assert "other large files of runs: 1" in made.notes


def test_a_backup_of_a_database_that_is_being_written(full: Path, tmp_path: Path) -> None:
    store = RunStore(open_database())
    with sqlite3.connect(full / "rhoscope.db") as writer:
        writer.execute("BEGIN IMMEDIATE")
        made = write_backup(tmp_path / "kept.zip")
    assert made.files == 6
    assert len(store.find()) == 2


def test_whoever_has_the_empty_database_open_sees_what_was_restored(full: Path, move: Move, tmp_path: Path) -> None:
    made = write_backup(tmp_path / "kept.zip")
    move("second")
    store = RunStore(open_database())
    assert store.find() == []
    restore(made.path)
    assert {run.title for run in store.find()} == {"one", "two"}
    store.submit("train", {}, title="three")
    assert len(RunStore(open_database()).find()) == 3


@pytest.mark.parametrize("there", ["models/ash/1/card.json", "data/a/1.json", "runs/one/log.txt", "recipes/a.toml"])
def test_nothing_is_restored_over_something(full: Path, move: Move, tmp_path: Path, there: str) -> None:
    made = write_backup(tmp_path / "kept.zip")
    put(move("second") / there, "mine")
    with pytest.raises(InputError, match="already: name an empty folder"):
        restore(made.path)
    assert files(tmp_path / "second") == {there}
    move("third")
    RunStore(open_database()).submit("train", {}, title="mine")
    with pytest.raises(InputError, match="holds runs already"):
        restore(made.path)


def test_a_place_that_is_taken_and_an_empty_workspace_are_told(full: Path, move: Move, tmp_path: Path) -> None:
    put(tmp_path / "kept.zip", "mine")
    with pytest.raises(InputError, match="there already"):
        write_backup(tmp_path / "kept.zip")
    with pytest.raises(OutputError, match="Cannot write"):
        write_backup(tmp_path / "kept.zip" / "below.zip")
    move("second")
    with pytest.raises(InputError, match="nothing to back up"):
        write_backup(tmp_path / "none.zip")
    with pytest.raises(InputError, match="no such file"):
        restore(tmp_path / "nowhere.zip")


def test_a_server_keeps_its_own_backup(full: Path, move: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_backup(tmp_path / "whole.zip")
    monkeypatch.setenv("RHOSCOPE_DB", "postgresql://me@host/name")
    assert "the database, which is on a server: back it up there" in write_backup(tmp_path / "files.zip").notes
    move("second")
    monkeypatch.setattr(annotations.restore, "check_empty", lambda: None)  # which would ask the server
    with pytest.raises(StoreError, match="names a server"):
        restore(made.path)


def packed(path: Path, members: dict[str, bytes], told: object = None) -> Path:
    """An archive as anybody could make one."""
    listed = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()}
    contents = {"format": 1, "created": "", "home": "/h", "runs": "/h/runs", "files": listed}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(CONTENTS, json.dumps(contents if told is None else {**contents, **told}))  # type: ignore[dict-item]
    return path


ONE = {"data/a/1.json": b"{}"}
HASH = hashlib.sha256(b"{}").hexdigest()


@pytest.mark.parametrize(
    ("members", "told", "why"),
    [
        ({"../escaped": b"x"}, None, "which no backup has"),
        ({"/etc/escaped": b"x"}, None, "which no backup has"),
        ({"models/../../escaped": b"x"}, None, "which no backup has"),
        ({"models/a\\..\\..\\escaped": b"x"}, None, "which no backup has"),
        ({"models/.hidden": b"x"}, None, "which no backup has"),
        ({"worker.lock": b"x"}, None, "which no backup has"),
        ({"models/a": b"x", "models/A": b"y"}, None, "the same place"),
        ({"models/a": b"x", "models/a/b": b"y"}, None, "the same place"),
        (ONE, {"format": 2}, "has format 2"),
        (ONE, {"files": {}}, "are not those"),
        (ONE, {"files": {**{name: {"bytes": 2, "sha256": HASH} for name in ONE}, "data/b/1.json": {}}}, "is damaged"),
        (ONE, {"files": []}, "is damaged"),
        (ONE, {"files": {"data/a/1.json": {"bytes": 1, "sha256": HASH}}}, "is not what was backed up"),
        (ONE, {"files": {"data/a/1.json": {"bytes": 3, "sha256": HASH}}}, "is not what was backed up"),
        (ONE, {"files": {"data/a/1.json": {"bytes": 2, "sha256": "0" * 64}}}, "is not what was backed up"),
        (ONE, {"files": {"data/a/1.json": {"bytes": -2, "sha256": HASH}}}, "is damaged"),
        ({"rhoscope.db": b"no database"}, None, "is no SQLite database"),
        ({"models/a/1/x": b"0" * 10_000_000}, {"files": {"models/a/1/x": {"bytes": 10, "sha256": HASH}}}, "not what"),
    ],
)
def test_a_bad_archive_leaves_nothing(
    move: Move, tmp_path: Path, members: dict[str, bytes], told: object, why: str
) -> None:
    home = move("home")
    with pytest.raises(RhoscopeError, match=why):
        restore(packed(tmp_path / "bad.zip", members, told))
    assert not home.exists() or not any(home.iterdir())
    assert not any(path.name == "escaped" for path in tmp_path.rglob("*"))


def test_an_archive_larger_than_the_disk_is_refused(move: Move, tmp_path: Path) -> None:
    move("home")
    told = {"files": {"data/a/1.json": {"bytes": 1 << 60, "sha256": HASH}}}
    with pytest.raises(OutputError, match="make room"):
        restore(packed(tmp_path / "large.zip", ONE, told))


def test_a_cut_or_scratched_archive_is_told(full: Path, move: Move, tmp_path: Path) -> None:
    whole = write_backup(tmp_path / "kept.zip").path.read_bytes()
    home = move("second")
    stored = whole.index(b"weights")
    for content in (b"", b"no zip", whole[:-30], whole[:stored] + b"W" + whole[stored + 1 :]):
        (tmp_path / "bad.zip").write_bytes(content)
        with pytest.raises(ArchiveError):
            restore(tmp_path / "bad.zip")
        assert files(home) == set() if home.exists() else True
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("models/a", b"x")
    with pytest.raises(ArchiveError, match="has no"):
        restore(tmp_path / "other.zip")


def test_what_was_moved_goes_again_where_the_database_fails(
    full: Path, move: Move, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_backup(tmp_path / "kept.zip")
    home = move("second")
    put(tmp_path / "no-folder")
    monkeypatch.setenv("RHOSCOPE_DB", f"sqlite:///{tmp_path / 'no-folder' / 'rhoscope.db'}")
    with pytest.raises(OutputError):
        restore(made.path)
    assert files(home) == set()


PARTS = st.sampled_from(["..", ".", "", "models", "a", "b.json", "C:", "a\\b", "~", " ", "a\0", "con", "é", "\ud800"])


@given(st.one_of(st.text(), st.lists(PARTS, max_size=6).map("/".join), st.text().map("models/{}".format)))
@example("models/a/1/card.json")
@example("models//etc")
def test_no_name_leads_out_of_the_workspace(name: str) -> None:
    root = Path("/nowhere/home")
    try:
        path = root / member_path(name)
    except ArchiveError:
        return
    assert ".." not in path.parts
    assert path.is_relative_to(root)
    assert path.relative_to(root).as_posix() == name
    assert path.relative_to(root).parts[0] in {*FOLDERS, "rhoscope.db"}
