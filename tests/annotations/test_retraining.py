"""Decisions and freezes: who may, what is kept, and that neither the file nor its row is there without the other."""

from __future__ import annotations

import hashlib
import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

import annotations.retraining
from annotations import audit
from annotations.adjudication import Adjudications
from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.database import Database
from annotations.people import People
from annotations.queue import Queue
from annotations.retraining import Retrainings
from annotations.runs import RunStore
from annotations.settling import settle
from explain_core import __version__
from explain_core.errors import InputError, OutputError, RightsError, StoreError
from tests.annotations.bundles import item, write_bundle
from tests.annotations.conftest import START, Clock


@pytest.fixture
def queue(database: Database, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """Ada organises; bob and cyd agree about item a, and not about b; bob alone answered c."""
    monkeypatch.setenv("RHOSCOPE_RUNS", str(tmp_path / "runs"))
    people = People(database, clock)
    people.add("ada", "admin")
    for name in ("bob", "cyd"):
        people.add(name, "annotator", by="ada")
    items = [item("a"), item("b"), item("c"), item("g", "gold", truth="changed"), item("p", "practice", truth="unsure")]
    bundle = read_bundle(write_bundle(tmp_path / "bundle", items))
    Campaigns(database, clock).create("cats", bundle, by="ada", plan=Plan(2, 2))
    made = Queue(database, clock)
    answer(made, "bob", "unchanged", "unchanged", "unchanged", "changed")
    answer(made, "cyd", "unchanged", "changed")
    return made


def answer(queue: Queue, rater: str, *answers: str) -> None:
    for one in answers:
        task = queue.next("cats", rater)
        assert task is not None
        queue.answer(task.token, one, f"{rater} {task.item} {secrets.token_hex(2)}")


@pytest.fixture
def retrainings(queue: Queue, database: Database, clock: Clock) -> Retrainings:
    return Retrainings(database, clock)


@pytest.fixture
def adjudications(queue: Queue, database: Database, clock: Clock) -> Adjudications:
    return Adjudications(database, clock)


def answers(database: Database) -> dict[str, str]:
    return {one.item: one.answer for one in settle(database, "cats", "majority")}


def test_a_decision_stands_until_another_or_until_it_is_taken_back(
    adjudications: Adjudications, database: Database
) -> None:
    assert answers(database) == {"a": "unchanged", "b": "unsure", "c": "unchanged"}
    adjudications.decide("cats", "b", "changed", by="ada", note="another ear")
    assert answers(database)["b"] == "changed"
    made = adjudications.decide("cats", "b", "unchanged", by="ada")
    assert adjudications.find("cats") == {"b": made}
    assert (made.item, made.class_name, made.answer, made.by, made.at) == ("b", "cat", "unchanged", "ada", START)
    adjudications.decide("cats", "b", None, by="ada")
    assert adjudications.find("cats") == {}
    assert answers(database)["b"] == "unsure"
    assert [entry.what for entry in audit.entries(database, most=3)] == ["adjudicate"] * 3
    audit.verify(database)


@pytest.mark.parametrize(
    ("about", "given", "by", "why"),
    [
        ("a", "changed", "bob", "may not settle disagreements"),
        ("a", "changed", "", "Nobody is named"),
        ("a", "chnged", "ada", "did you mean 'changed' or 'unchanged'"),
        ("z", "changed", "ada", "has no item 'z': there is a, b, c"),
        ("g", "changed", "ada", "of kind gold: only items that were asked"),
        ("p", "changed", "ada", "of kind practice"),
        ("a", None, "ada", "nothing to take back"),
    ],
)
def test_a_decision_that_cannot_be(
    adjudications: Adjudications, database: Database, about: str, given: str | None, by: str, why: str
) -> None:
    before = audit.head(database)
    with pytest.raises((InputError, RightsError), match=why):
        adjudications.decide("cats", about, given, by=by)
    with pytest.raises(InputError, match="at most 2000"):
        adjudications.decide("cats", "a", "changed", by="ada", note="x" * 2001)
    assert adjudications.find("cats") == {}
    assert audit.head(database) == before


def test_answers_about_explanations_are_not_trained_on(
    retrainings: Retrainings, queue: Queue, database: Database, tmp_path: Path
) -> None:
    folder = write_bundle(tmp_path / "maps", [item("a", question="right-thing")], question="right-thing")
    Campaigns(database).create("maps", read_bundle(folder), by="ada", plan=Plan(1, 1))
    task = queue.next("maps", "bob")
    assert task is not None
    queue.answer(task.token, "right", "k")
    with pytest.raises(InputError, match="asks 'right-thing', about explanations: take one about changed pictures"):
        retrainings.freeze("maps", {}, rule="majority", by="ada", out=tmp_path / "out")


def test_a_freeze_holds_all_that_counts(
    retrainings: Retrainings, adjudications: Adjudications, database: Database, clock: Clock, tmp_path: Path
) -> None:
    adjudications.decide("cats", "b", "changed", by="ada")
    head = audit.head(database)
    clock.pass_by(60)
    path = retrainings.freeze("cats", {"seeds": [0, 1]}, rule="unanimous", by="ada", out=tmp_path / "runs/one")
    content = path.read_bytes()
    told: dict[str, Any] = json.loads(content)
    labels = {one.pop("item"): one for one in told.pop("labels")}
    assert {name: (one["answer"], one["decided"]) for name, one in labels.items()} == {
        "a": ("unchanged", False), "b": ("changed", True), "c": ("unchanged", False),
    }  # fmt: skip
    assert [[key[:5] for key in one["keys"]] for one in labels.values()] == [["bob a", "cyd a"], ["bob b", "cyd b"],
                                                                             ["bob c"]]  # fmt: skip
    campaign = Campaigns(database).get("cats")
    assert told == {
        "format": 1, "campaign": "cats", "question": "unchanged", "spec": {"model": "demo"}, "rule": "unanimous",
        "bundle": {"folder": str(tmp_path / "bundle"), "sha256": campaign.bundle_sha256}, "head": head,
        "cut_off": "2026-01-01T00:01:00+00:00", "created": "2026-01-01T00:01:00+00:00", "accept": "unchanged",
        "raters": {"people": 2, "simulated": 0}, "plan": {"seeds": [0, 1]}, "by": "ada", "rhoscope": __version__,
    }  # fmt: skip
    assert content.decode() == json.dumps(json.loads(content), sort_keys=True, indent=1) + "\n"
    (noted,) = retrainings.find()
    assert (noted.folder, noted.manifest_sha256) == (tmp_path / "runs/one", hashlib.sha256(content).hexdigest())
    assert (noted.campaign, noted.author, noted.created, noted.labels) == ("cats", "ada", clock.now, 6)
    (entry,) = audit.entries(database, most=1)
    assert (entry.what, entry.detail["manifest"]) == ("retrain", noted.manifest_sha256)
    audit.verify(database)


def test_what_is_new_since_the_last_freeze_is_proposed(
    retrainings: Retrainings, queue: Queue, clock: Clock, tmp_path: Path
) -> None:
    proposed = retrainings.propose("cats")
    assert (proposed.new, proposed.last) == (6, None)
    assert proposed.settled == {"unchanged": 2, "unsure": 1, "changed": 0}
    for name in ("one", "two"):
        retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path / name)
    answer(queue, "cyd", "unsure")
    queue.undo("cats", "cyd")
    proposed = retrainings.propose("cats")
    assert (proposed.new, proposed.last) == (2, clock.now)
    assert [one.folder.name for one in retrainings.find("cats")] == ["two", "one"]
    with pytest.raises(InputError, match="did you mean 'cats'"):
        retrainings.find("cast")


def test_started_it_waits_among_the_runs(
    retrainings: Retrainings, database: Database, clock: Clock, tmp_path: Path
) -> None:
    assert retrainings.model_of("cats") == "demo"
    run = retrainings.start("cats", {}, rule="majority", by="ada", out=tmp_path / "runs/one.retraining")
    assert (run.kind, run.title, run.state) == ("retrain", "one", "waiting")
    assert RunStore(database).get(run.id) == run
    assert run.spec == {"campaign": "cats", "manifest": f"{run.out}/manifest.json"}
    assert Path(run.spec["manifest"]).is_file()
    retrainings.check_right("ada")
    with pytest.raises(RightsError, match="may not organise"):
        retrainings.check_right("bob")


def test_nothing_to_train_on_is_told(
    retrainings: Retrainings, adjudications: Adjudications, database: Database, tmp_path: Path
) -> None:
    for name in "ac":
        adjudications.decide("cats", name, "changed", by="ada")
    with pytest.raises(InputError, match=r"settled as 'unchanged' by the rule majority \(2 changed, 1 unsure\)"):
        retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_manifest_is_never_written_over(retrainings: Retrainings, database: Database, tmp_path: Path) -> None:
    path = retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path)
    content, head = path.read_bytes(), audit.head(database)
    with pytest.raises(InputError, match="is never changed: name another folder"):
        retrainings.freeze("cats", {"other": 1}, rule="majority", by="ada", out=tmp_path)
    assert (path.read_bytes(), audit.head(database)) == (content, head)


def test_who_may_freeze_and_what_by(retrainings: Retrainings, tmp_path: Path) -> None:
    with pytest.raises(RightsError, match="may not organise"):
        retrainings.freeze("cats", {}, rule="majority", by="bob", out=tmp_path / "out")
    with pytest.raises(InputError, match="did you mean 'unanimous'"):
        retrainings.freeze("cats", {}, rule="unanimos", by="ada", out=tmp_path / "out")


def test_where_the_row_cannot_be_kept_no_file_is_left(
    retrainings: Retrainings, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        assert (tmp_path / "out/manifest.json").is_file()
        raise StoreError("the disk is full")

    monkeypatch.setattr(annotations.retraining.audit, "record", refuse)
    with pytest.raises(StoreError, match="disk is full"):
        retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert retrainings.find() == []


def test_where_the_file_cannot_be_written_no_row_is_left(retrainings: Retrainings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Cannot write"):
        retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path / "file/out")
    assert retrainings.find() == []


def test_folders_of_runs_are_found_in_another_place(
    retrainings: Retrainings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path / "runs/one")
    retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path / "else")
    monkeypatch.setenv("RHOSCOPE_RUNS", "/moved")
    assert [one.folder for one in retrainings.find()] == [tmp_path / "else", Path("/moved/one")]


def test_a_promotion_has_its_entry_with_who_and_why(retrainings: Retrainings, database: Database) -> None:
    retrainings.promoted("lesions", 2, 1, why="ARA 0.02 more", by="ada", manifest_sha256="f" * 64)
    (entry,) = audit.entries(database, most=1)
    assert (entry.who, entry.what) == ("ada", "promote")
    assert entry.detail == {
        "name": "lesions", "version": 2, "previous": 1, "why": "ARA 0.02 more", "manifest": "f" * 64,
    }  # fmt: skip
    for why in (" ", "x" * 501):
        with pytest.raises(InputError, match="say in 1 to 500 why"):
            retrainings.promoted("lesions", 2, 1, why=why, by="ada", manifest_sha256=None)
    with pytest.raises(RightsError, match="may not organise"):
        retrainings.promoted("lesions", 2, None, why="better", by="bob", manifest_sha256=None)
    assert len(audit.entries(database, most=1, before=entry.number + 2)) == 1
    assert audit.verify(database).entries == entry.number


@pytest.mark.parametrize("table", ["adjudications", "retrainings"])
def test_the_database_refuses_to_change_the_past(
    retrainings: Retrainings, adjudications: Adjudications, database: Database, tmp_path: Path, table: str
) -> None:
    adjudications.decide("cats", "a", "changed", by="ada")
    retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path / "out")
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET id = id + 1"):
        with pytest.raises(DBAPIError, match="only grows"), database.engine.begin() as connection:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE adjudications SET answer = 'unchanged'", "Adjudication 1 is not what entry"),
        ("DELETE FROM adjudications", "Adjudication 1 is not what entry"),
        ("INSERT INTO adjudications SELECT 9, item_id, person_id, answer, note, created FROM adjudications",
         "Adjudication 9 is in no entry"),
        ("UPDATE retrainings SET manifest_sha256 = 'x'", "Retraining 1 is not what entry"),
    ],
)  # fmt: skip
def test_whoever_gets_round_the_triggers_is_found(
    retrainings: Retrainings, adjudications: Adjudications, database: Database, tmp_path: Path, statement: str, why: str
) -> None:
    if database.engine.dialect.name != "sqlite":
        pytest.skip("triggers are taken away in SQLite's way")
    adjudications.decide("cats", "a", "changed", by="ada")
    retrainings.freeze("cats", {}, rule="majority", by="ada", out=tmp_path / "out")
    with database.engine.begin() as connection:
        for table in ("adjudications", "retrainings"):
            for act in ("update", "delete"):
                connection.exec_driver_sql(f"DROP TRIGGER {table}_no_{act}")
        connection.exec_driver_sql(statement)
    with pytest.raises(StoreError, match=why):
        audit.verify(database)
