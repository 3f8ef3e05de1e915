"""Leases and labels, on a clock that only the test moves: nothing is lost, doubled or overwritten."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from annotations import audit
from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.database import Database, open_database
from annotations.people import People
from annotations.queue import Queue, Saved, Task
from annotations.tables import AuditRow, ItemRow, LabelRow
from explain_core.errors import InputError, ParamError, RightsError, StoreError
from tests.annotations.bundles import item, write_bundle
from tests.annotations.conftest import Clock

Open = Callable[..., Queue]


@pytest.fixture
def begin(database: Database, clock: Clock, tmp_path: Path) -> Open:
    """A campaign called cats about items, and four people: ada organises, bob, cyd and dan answer."""

    def begun(*items: dict[str, Any], **plan: int) -> Queue:
        people = People(database, clock)
        people.add("ada", "admin")
        for name in ("bob", "cyd", "dan"):
            people.add(name, "annotator", by="ada")
        bundle = read_bundle(write_bundle(tmp_path / "bundle", items or [item(name) for name in "abc"]))
        Campaigns(database, clock).create("cats", bundle, by="ada", plan=Plan(**plan) if plan else None)
        return Queue(database, clock)

    return begun


def given(queue: Queue, rater: str) -> Task:
    task = queue.next("cats", rater)
    assert task is not None
    return task


def answered(queue: Queue, rater: str, answer: str = "unchanged", **more: Any) -> Saved:
    return queue.answer(given(queue, rater).token, answer, secrets.token_hex(4), **more)


def test_items_come_in_order_until_none_is_left(begin: Open) -> None:
    queue = begin()
    assert [answered(queue, "bob").item for _ in "abc"] == ["a", "b", "c"]
    assert queue.next("cats", "bob") is None
    assert (queue.progress("cats", "bob").done, queue.progress("cats", "bob").left) == (3, 0)
    assert queue.progress("cats", "cyd").left == 3


def test_a_reload_or_a_second_tab_shows_the_same_item(begin: Open) -> None:
    queue = begin()
    first = given(queue, "bob")
    assert given(queue, "bob") == first
    assert first.pictures["original"].name == "a-original.png"
    assert not {"kind", "truth", "told"} & set(vars(first))


def test_as_many_answer_as_were_asked_for(begin: Open) -> None:
    queue = begin(overlap=2, most=2)
    assert [given(queue, rater).item for rater in ("bob", "cyd", "dan")] == ["a", "a", "b"]


def test_where_two_disagree_a_third_is_asked(begin: Open) -> None:
    queue = begin(item("a"), overlap=2, most=3)
    answered(queue, "bob", "unchanged")
    assert queue.progress("cats", "dan").left == 1
    answered(queue, "cyd", "changed")
    assert answered(queue, "dan", "changed").item == "a"


def test_where_two_agree_no_third_is_asked(begin: Open) -> None:
    queue = begin(item("a"), overlap=2, most=3)
    answered(queue, "bob")
    answered(queue, "cyd")
    assert queue.next("cats", "dan") is None


def test_the_same_answer_twice_is_kept_once(begin: Open, database: Database) -> None:
    queue = begin()
    task = given(queue, "bob")
    first = queue.answer(task.token, "changed", "k", note="odd", flagged=True, active_ms=900)
    assert queue.answer(task.token, "changed", "k") == first
    assert queue.answer(task.token, "changed", "from another tab") == first
    with database.read() as session:
        (label,) = session.scalars(select(LabelRow))
        assert (label.answer, label.note, label.flagged, label.active_ms) == ("changed", "odd", True, 900)


def test_another_answer_needs_undo(begin: Open) -> None:
    queue = begin()
    task = given(queue, "bob")
    queue.answer(task.token, "changed", "k")
    with pytest.raises(InputError, match="answered already, with 'changed'"):
        queue.answer(task.token, "unsure", "l")
    with pytest.raises(InputError, match="belongs to another answer"):
        queue.answer(task.token, "unsure", "k")


def test_undo_asks_again_and_overwrites_nothing(begin: Open, database: Database) -> None:
    queue = begin()
    answered(queue, "bob", "changed")
    at_hand = given(queue, "bob")
    again = queue.undo("cats", "bob")
    assert (again.item, again.earlier) == ("a", "changed")
    assert given(queue, "bob").token == again.token
    assert queue.progress("cats", "bob").done == 0
    queue.answer(again.token, "unsure", "new")
    with database.read() as session:
        rows = [(row.answer, row.supersedes) for row in session.scalars(select(LabelRow).order_by(LabelRow.id))]
    assert rows == [("changed", None), (None, 1), ("unsure", 2)]
    assert given(queue, "bob").item == at_hand.item == "b"
    assert given(queue, "cyd").item == "a"
    answered(queue, "cyd")
    assert queue.next("cats", "dan") is not None


def test_undo_goes_back_step_by_step_and_only_through_ones_own(begin: Open) -> None:
    queue = begin(overlap=1, most=1)
    with pytest.raises(InputError, match="has not answered anything"):
        queue.undo("cats", "bob")
    for rater in ("bob", "cyd", "bob"):
        answered(queue, rater)
    assert [queue.undo("cats", "bob").item for _ in range(2)] == ["c", "a"]
    with pytest.raises(InputError, match="has not answered anything"):
        queue.undo("cats", "bob")


def test_what_is_skipped_comes_last_and_to_others(begin: Open) -> None:
    queue = begin(overlap=1, most=1)
    task = given(queue, "bob")
    queue.skip(task.token, "cannot tell")
    queue.skip(task.token)
    assert given(queue, "cyd").item == "a"
    assert [answered(queue, "bob").item for _ in "bc"] == ["b", "c"]
    assert queue.next("cats", "bob") is None
    queue.skip(given(queue, "cyd").token)
    assert answered(queue, "bob").item == "a"


def test_an_answer_cannot_be_skipped(begin: Open) -> None:
    queue = begin()
    token = given(queue, "bob").token
    queue.answer(token, "unsure", "k")
    with pytest.raises(InputError, match="answered already"):
        queue.skip(token)


def test_when_the_time_is_over_somebody_else_may_have_it(begin: Open, clock: Clock, database: Database) -> None:
    queue = begin(overlap=1, most=1, lease_s=60)
    late = given(queue, "bob")
    clock.pass_by(61)
    assert given(queue, "cyd").item == "a"
    saved = queue.answer(late.token, "changed", "k")
    assert saved.late
    assert not answered(queue, "cyd", "changed").late
    assert given(queue, "bob").item == "b"
    with database.read() as session:
        assert session.scalar(select(ItemRow.taken).where(ItemRow.name == "a")) == 2


def test_a_clock_that_goes_backwards_loses_nothing(begin: Open, clock: Clock, database: Database) -> None:
    queue = begin()
    answered(queue, "bob")
    clock.pass_by(-3600)
    answered(queue, "bob")
    queue.undo("cats", "bob")
    assert answered(queue, "bob").item == "b"
    assert audit.verify(database).entries > 5


def test_a_gold_item_is_for_everybody_and_practice_for_nobody(begin: Open) -> None:
    queue = begin(item("p", "practice"), item("g", "gold", truth="changed"), item("a"), overlap=1, most=1)
    assert [answered(queue, rater).item for rater in ("bob", "cyd", "dan", "bob")] == ["g", "g", "g", "a"]


def test_practice_tells_what_is_expected_and_why(begin: Open) -> None:
    why = {"told": {"why": "It is a dog."}, "truth": "changed"}
    queue = begin(item("p", "practice", **why), item("q", "practice", truth="unsure"), item("r", "practice"), item("a"))
    assert [(one.task.item, one.answer, one.why) for one in queue.practice("cats")] == [
        ("p", "changed", "It is a dog."), ("q", "unsure", ""),
    ]  # fmt: skip


def test_a_repeat_comes_to_whoever_answered_the_first(begin: Open) -> None:
    queue = begin(item("a"), item("r", "repeat", repeats="a"), item("b"), overlap=1, most=1)
    assert answered(queue, "bob").item == "a"
    assert answered(queue, "cyd").item == "b"
    assert queue.next("cats", "cyd") is None
    assert answered(queue, "bob").item == "r"


def test_a_rater_removed_meanwhile_loses_nothing_and_gets_nothing(
    begin: Open, database: Database, clock: Clock
) -> None:
    queue = begin()
    task = given(queue, "bob")
    People(database, clock).change("bob", active=False, by="ada")
    assert queue.answer(task.token, "changed", "k").late
    with pytest.raises(RightsError, match="made inactive"):
        queue.next("cats", "bob")


def test_a_closed_campaign_gives_nothing_and_keeps_what_comes_late(
    begin: Open, database: Database, clock: Clock
) -> None:
    queue, campaigns = begin(), Campaigns(database, clock)
    task = given(queue, "bob")
    campaigns.set_state("cats", "closed", by="ada")
    assert queue.answer(task.token, "changed", "k").late
    for refused in (lambda: queue.next("cats", "bob"), lambda: queue.undo("cats", "bob")):
        with pytest.raises(InputError, match="is closed"):
            refused()
    campaigns.set_state("cats", "open", by="ada")
    assert given(queue, "bob").item == "b"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"token": "none"}, "No item was given out"),
        ({"answer": "perhaps"}, "Answer 'perhaps'"),
        ({"key": ""}, "new for each answer"),
        ({"key": "k" * 65}, "1 to 64"),
        ({"note": "n" * 2001}, "at most 2000"),
        ({"active_ms": -1}, "0 to"),
    ],
)
def test_mistakes_are_told(begin: Open, wrong: dict[str, Any], why: str) -> None:
    queue = begin()
    asked: dict[str, Any] = {"token": given(queue, "bob").token, "answer": "unsure", "key": "k", **wrong}
    with pytest.raises(InputError, match=why):
        queue.answer(**asked)
    assert queue.progress("cats", "bob").done == 0


def test_who_may_organise_and_what_a_plan_may_be(begin: Open, database: Database, clock: Clock, tmp_path: Path) -> None:
    begin()
    campaigns, bundle = Campaigns(database, clock), read_bundle(tmp_path / "bundle")
    with pytest.raises(RightsError, match="may not organise campaigns"):
        campaigns.create("dogs", bundle, by="bob")
    with pytest.raises(InputError, match="already"):
        campaigns.create("cats", bundle, by="ada")
    with pytest.raises(InputError, match="did you mean 'cats'"):
        campaigns.get("cast")
    with pytest.raises(ParamError, match="1 ≤ overlap"):
        Plan(overlap=3, most=2)
    found = campaigns.get("cats")
    assert (found.items, found.answers, found.state, found.author) == (3, 0, "open", "ada")


def test_the_log_tells_of_every_label(begin: Open, database: Database) -> None:
    queue = begin()
    answered(queue, "bob", "changed")
    noted = audit.verify(database)
    queue.undo("cats", "bob")
    assert audit.verify(database, noted.head).entries == noted.entries + 1
    assert [entry.what for entry in audit.entries(database, most=2)] == ["label", "label"]
    with pytest.raises(StoreError, match="was replaced"):
        audit.verify(database, "f" * 64)


@pytest.mark.parametrize("table", [AuditRow.__tablename__, LabelRow.__tablename__])
def test_the_database_refuses_to_change_the_past(begin: Open, database: Database, table: str) -> None:
    answered(begin(), "bob")
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET id = id + 1"):
        with pytest.raises(DBAPIError, match="only grows"), database.engine.begin() as connection:
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE labels SET answer = 'unchanged' WHERE id = 2", "Label 2 is not what entry"),
        ("UPDATE labels SET note = 'x' WHERE id = 1", "Label 1 is not what entry"),
        ("DELETE FROM labels WHERE id = 2", "Label 2 is not what entry"),
        ("UPDATE audit SET who = 'eve' WHERE id = 3", "Entry 3 of the audit log was changed"),
        ("DELETE FROM audit WHERE id = 4", "Entry 5|Entry 4"),
        ("UPDATE audit_head SET entries = 3", "ends at entry"),
    ],
)
def test_whoever_gets_round_the_triggers_is_found(
    begin: Open, tmp_path: Path, clock: Clock, database: Database, statement: str, why: str
) -> None:
    if database.engine.dialect.name != "sqlite":
        pytest.skip("triggers are taken away in SQLite's way")
    queue = begin()
    for _ in range(2):
        answered(queue, "bob", "changed")
    assert audit.verify(database).entries == 7
    with database.engine.begin() as connection:
        for trigger in ("audit_no_update", "audit_no_delete", "labels_no_update", "labels_no_delete"):
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.exec_driver_sql(statement)
    with pytest.raises(StoreError, match=why):
        audit.verify(database)


class Raters(RuleBasedStateMachine):
    """Whatever three raters do, in whatever order: the counts of items and the log stay true."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        root, self.clock = Path(self.folder.name), Clock()
        self.database = open_database(f"sqlite:///{root / 'r.db'}")
        people = People(self.database, self.clock)
        people.add("ada", "admin")
        for name in ("bob", "cyd"):
            people.add(name, "annotator", by="ada")
        items = [item("a"), item("b"), item("g", "gold", truth="unsure"), item("r", "repeat", repeats="a")]
        bundle = read_bundle(write_bundle(root / "bundle", items))
        Campaigns(self.database, self.clock).create("cats", bundle, by="ada", plan=Plan(1, 2, 60))
        self.queue, self.tokens = Queue(self.database, self.clock), ["none"]

    @rule(rater=st.sampled_from(["ada", "bob", "cyd"]))
    def ask(self, rater: str) -> None:
        if task := self.queue.next("cats", rater):
            self.tokens.append(task.token)

    @rule(which=st.integers(0, 5), answer=st.sampled_from(["unchanged", "unsure", "changed"]))
    def answer(self, which: int, answer: str) -> None:
        self.tried(lambda: self.queue.answer(self.tokens[-1 - which % len(self.tokens)], answer, secrets.token_hex(4)))

    @rule(which=st.integers(0, 5))
    def skip(self, which: int) -> None:
        self.tried(lambda: self.queue.skip(self.tokens[-1 - which % len(self.tokens)]))

    @rule(rater=st.sampled_from(["ada", "bob", "cyd"]))
    def undo(self, rater: str) -> None:
        self.tried(lambda: self.queue.undo("cats", rater))

    @rule(seconds=st.sampled_from([1, 59, 120, -30]))
    def wait(self, seconds: int) -> None:
        self.clock.pass_by(seconds)

    def tried(self, act: Callable[[], object]) -> None:
        try:
            act()
        except InputError:
            """Refused, and nothing done."""

    @invariant()
    def counts_are_true(self) -> None:
        held = "SELECT count(*) FROM leases WHERE item_id = items.id AND state IN ('open', 'answered')"
        with self.database.engine.connect() as connection:
            rows = connection.exec_driver_sql(f"SELECT name, taken, ({held}) FROM items").all()
            doubled = connection.exec_driver_sql(
                "SELECT count(*) FROM leases WHERE state = 'open' GROUP BY person_id HAVING count(*) > 1"
            ).all()
        assert all(taken == true for _, taken, true in rows), rows
        assert not doubled

    def teardown(self) -> None:
        audit.verify(self.database)
        with self.database.read() as session:
            assert (session.scalar(select(func.count()).select_from(AuditRow)) or 0) >= 4
        self.database.engine.dispose()
        self.folder.cleanup()


TestRaters = Raters.TestCase
TestRaters.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
