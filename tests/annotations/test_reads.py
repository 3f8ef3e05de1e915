"""Studies and reads on a clock that only the test moves: two locked steps, and nothing that changes what is locked."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from annotations import audit
from annotations.database import Database
from annotations.people import People
from annotations.reading.bundle import read_study
from annotations.reading.places import Task
from annotations.reading.reads import Reads
from annotations.reading.studies import OPEN, Plan, Studies
from annotations.reading.tables import DraftRow, ReaderRow, ReadingRow
from explain_core.errors import InputError, RightsError, StoreError
from tests.annotations.conftest import Clock
from tests.annotations.studies import ARMS, BENIGN, answers, case, film_of, finding, write_study

Begin = Callable[..., Reads]
CASES = [case("a", 0), case("b", 1), case("c", 0), case("d", 1)]


@pytest.fixture
def begin(database: Database, clock: Clock, tmp_path: Path) -> Begin:
    """The study s, opened by ada and read by bob and cyd; dan reads nothing."""

    def begun(cases: list[Any] = CASES, arms: Any = ARMS, failed: str = "", **plan: int) -> Reads:
        people = People(database, clock)
        people.add("ada", "admin")
        for name in ("bob", "cyd", "dan"):
            people.add(name, "clinician", by="ada")
        bundle = read_study(write_study(tmp_path / "bundle", cases, arms, failed))
        plan = {"washout_s": 0, "idle_s": 600, **plan}
        studies = Studies(database, clock)
        studies.create("s", bundle, by="ada", plan=Plan(**plan), readers=["bob", "cyd"])
        studies.set_state("s", OPEN, by="ada", without_blocked=True)
        return Reads(database, clock)

    return begun


def at_hand(reads: Reads, reader: str = "bob") -> Task:
    task = reads.task("s", reader)
    assert task is not None
    return task


def signed(reads: Reads, reader: str = "bob", **more: Any) -> Task:
    """Reads the step at hand to its end."""
    task = at_hand(reads, reader)
    kept = reads.save(task.token, answers(task.step, task.form.letters, **more), revision=0, key=secrets.token_hex(8))
    reads.lock(task.token, revision=kept.revision, key=secrets.token_hex(8))
    return task


def test_every_reader_reads_every_case_in_every_arm(begin: Begin, database: Database) -> None:
    reads = begin([*CASES, case("try", 1, practice=True)])
    seen = []
    while (task := reads.task("s", "bob")) is not None:
        seen.append((task.position, task.session, task.step))
        signed(reads)
    assert seen == [
        (n, s, step) for n, s in zip(range(1, 10), [0, 1, 1, 1, 1, 2, 2, 2, 2], strict=True)
        for step in ("unaided", "final")
    ]  # fmt: skip
    with database.read() as session:
        rows = [(row.seed, row.order) for row in session.scalars(select(ReaderRow).order_by(ReaderRow.place))]
    for _, order in rows:
        assert Counter((name, arm) for s, name, arm in order if s) == Counter(
            (name, arm) for name in "abcd" for arm in ("alone", "aided")
        )
        assert [sorted(arm for s, _, arm in order if s == n) for n in (1, 2)] == [["aided"] * 2 + ["alone"] * 2] * 2
    assert all(one != other for one, other in zip(*rows, strict=True))
    assert Studies(database).get("s").readers[0].done == 8
    assert {entry.state for entry in reads.worklist("s", "bob")} == {"locked"}


def test_nothing_of_the_model_is_shown_before_the_unaided_read_is_locked(begin: Begin) -> None:
    reads = begin(arms=ARMS[1:])
    first = at_hand(reads)
    assert (first.step, dict(first.explanations), dict(first.output), first.form.letters) == ("unaided", {}, {}, ("A",))
    assert not {"truth", "arm", "method", "case"} & set(vars(first))
    signed(reads, score=7)
    second = at_hand(reads)
    assert (second.step, second.unaided["score"], dict(second.answers)) == ("final", 7, {})
    ((film, path),) = second.explanations["A"].items()
    assert path.read_bytes() == f"{film} gradcam".encode()
    assert second.output == {film: {"lesion": 0.25, "normal": 0.75}}


def test_an_arm_without_anything_shows_nothing(begin: Begin) -> None:
    reads = begin(arms=ARMS[:1])
    signed(reads)
    second = at_hand(reads)
    assert (second.form.letters, dict(second.explanations), dict(second.output)) == ((), {}, {})


def test_letters_are_drawn_for_each_reader(begin: Begin, database: Database) -> None:
    names = ["gradcam", "rise", "ape", "lime", "occlusion"]
    begin(arms=[{"name": "all", "methods": names, "output": False}])
    with database.read() as session:
        first, second = (row.masks for row in session.scalars(select(ReaderRow).order_by(ReaderRow.place)))
    assert sorted(first) == sorted(second) == sorted(names)
    assert sorted(first.values()) == list("ABCDE")
    assert first != second


def test_what_is_missing_is_said_and_nothing_is_assumed(begin: Begin) -> None:
    reads = begin(arms=ARMS[1:])
    task = at_hand(reads)
    assert dict(task.answers) == {}
    kept = reads.save(task.token, {}, revision=0, key="k1")
    assert kept.lacking == (
        "density of the breasts", "assessment", "suspicion of malignancy", "confidence",
        "findings, or that there are none", "trust in explanation A before it is seen",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"Not complete: density of the breasts; assessment; .*A before it is seen\."):
        reads.lock(task.token, revision=kept.revision, key="k2")
    half = finding(task.films[0]["film"])
    del half["fields"]["margin"], half["score"]
    kept = reads.save(task.token, {**answers("unaided", "A"), "findings": [half]}, revision=kept.revision, key="k3")
    assert kept.lacking == ("finding 1: margin", "finding 1: suspicion of malignancy")
    signed_at = reads.save(task.token, answers("unaided", "A"), revision=kept.revision, key="k4")
    reads.lock(task.token, revision=signed_at.revision, key="k5")
    final = at_hand(reads)
    kept = reads.save(final.token, {**answers("final"), "explanations": {"A": {"missing": []}}}, revision=0, key="k6")
    assert kept.lacking == (
        "explanation A: how plausible its place is", "explanation A: misleading parts, or that there are none",
        "explanation A: trust after it was seen",
    )  # fmt: skip


NO_ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({"score": 101}, "a number from 0 to 100"),
    ({"score": True}, "a number from 0 to 100"),
    ({"score": float("nan")}, "a number from 0 to 100"),
    ({"confidence": 2.5}, "a whole number from 1 to 5"),
    ({"fields": {"density": "1"}}, "there are 129716005"),
    ({"fields": {"shape": "42700002"}}, "nobody asked for 'shape'"),
    ({"verdict": 1}, "nobody asked for 'verdict'"),
    ({"explanations": {}}, "nobody asked for 'explanations'"),
    ({"trust": {"B": 3}}, "nobody asked for 'B'"),
    ({"findings": "none"}, "no list"),
    ({"findings": [{"film": "x", "shape": {}}]}, "on no film of this case"),
]


def test_what_is_no_answer_is_refused_also_in_a_draft(begin: Begin) -> None:
    reads = begin(arms=ARMS[1:])
    task = at_hand(reads)
    for change, said in NO_ANSWERS:
        with pytest.raises(InputError, match=said):
            reads.save(task.token, {**answers("unaided", "A"), **change}, revision=0, key="k")
    assert dict(at_hand(reads).answers) == {}


def test_a_region_lies_on_its_film_and_a_code_after_what_it_belongs_to(begin: Begin) -> None:
    reads = begin()
    task = at_hand(reads)
    film = task.films[0]["film"]
    outside = finding(film, shape={"box": {"left": 80, "top": 0, "right": 90, "bottom": 10}})
    with pytest.raises(InputError, match="outside its film of 80 × 64"):
        reads.save(task.token, {"findings": [outside]}, revision=0, key="k")
    odd = finding(film)
    odd["fields"]["kind"] = "129792006"
    with pytest.raises(InputError, match="only asked after another answer"):
        reads.save(task.token, {"findings": [odd]}, revision=0, key="k")


def test_a_locked_step_takes_no_request(begin: Begin, clock: Clock) -> None:
    reads = begin()
    task = signed(reads)
    before = reads.locked("s", "bob")
    with pytest.raises(InputError, match="This step is locked, and nothing changes it: amend it"):
        reads.save(task.token, answers("unaided", score=1), revision=1, key="late")
    with pytest.raises(InputError, match="This step is locked"):
        reads.lock(task.token, revision=1, key="late")
    with pytest.raises(InputError, match="No read was given out"):
        reads.save("guessed", {}, revision=0, key="k")
    clock.pass_by(10)
    assert at_hand(reads).step == "final"
    assert reads.locked("s", "bob") == before


REFUSED = {
    **{
        statement.format(table): f"{table} only grows"
        for table in ("readings", "study_cases", "study_arms", "study_explanations", "study_readers")
        for statement in ("UPDATE {} SET id = id + 100", "DELETE FROM {}")
    },
    "UPDATE studies SET seed = 1": "only the state changes",
    "DELETE FROM studies": "only the state changes",
}


def test_the_database_refuses_to_change_what_is_locked_or_frozen(begin: Begin, database: Database) -> None:
    signed(begin())
    for statement, said in REFUSED.items():
        with pytest.raises(DBAPIError, match=said), database.engine.begin() as connection:
            connection.execute(text(statement))


def test_the_log_covers_readings_and_set_ups(begin: Begin, database: Database) -> None:
    reads = begin()
    signed(reads)
    noted = audit.head(database)
    audit.verify(database, noted)
    with database.engine.begin() as connection:
        if database.engine.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER readings_no_update"))
        else:
            connection.execute(text("ALTER TABLE readings DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE readings SET active_ms = 5"))
    with pytest.raises(StoreError, match="Reading 1 is not what entry"):
        audit.verify(database)


def test_signed_twice_it_is_one_read(begin: Begin, database: Database) -> None:
    reads = begin()
    task = at_hand(reads)
    kept = reads.save(task.token, answers("unaided", task.form.letters), revision=0, key="k", active_ms=5)
    again = reads.save(task.token, answers("unaided", task.form.letters), revision=0, key="k", active_ms=5)
    assert (kept.revision, again.revision) == (1, 1)
    first = reads.lock(task.token, revision=1, key="sign", active_ms=7, hidden_ms=2)
    assert reads.lock(task.token, revision=1, key="sign", active_ms=7) == first
    with database.read() as session:
        (row,) = session.scalars(select(ReadingRow))
        assert (row.active_ms, row.hidden_ms, row.version) == (12, 2, 1)
        assert session.scalars(select(DraftRow)).all() == []
    with pytest.raises(InputError, match="belongs to another read"):
        reads.lock(at_hand(reads).token, revision=0, key="sign")


def test_what_another_window_saved_is_not_overwritten(begin: Begin) -> None:
    reads = begin()
    task = at_hand(reads)
    reads.save(task.token, {"score": 1}, revision=0, key="one")
    with pytest.raises(InputError, match=r"saved elsewhere meanwhile \(1, not 0\)"):
        reads.save(task.token, {"score": 2}, revision=0, key="two")
    assert dict(at_hand(reads).answers) == {"score": 1}


def test_left_alone_it_closes_and_says_so(begin: Begin, clock: Clock, database: Database) -> None:
    reads = begin(idle_s=600)
    task = at_hand(reads)
    kept = reads.save(task.token, answers("unaided", task.form.letters), revision=0, key="k")
    clock.pass_by(601)
    for act in (
        lambda: reads.save(task.token, {}, revision=kept.revision, key="l"),
        lambda: reads.lock(task.token, revision=kept.revision, key="l"),
    ):
        with pytest.raises(InputError, match=r"left alone for more than 10 minutes and is closed; .*open it again"):
            act()
    assert at_hand(reads).answers == answers("unaided", task.form.letters)
    reads.lock(task.token, revision=kept.revision, key="l")
    with database.read() as session:
        (row,) = session.scalars(select(ReadingRow))
        assert (row.idle, (row.locked - row.started).total_seconds()) == (1, 601)


def test_an_amendment_is_a_new_version_with_a_reason(begin: Begin, database: Database) -> None:
    reads = begin()
    signed(reads, score=20)
    task = signed(reads, score=30)
    given = answers("final", task.form.letters, score=80)
    with pytest.raises(InputError, match="A reason of 0 characters"):
        reads.amend("s", "bob", 1, "final", given, reason=" ", key="k")
    with pytest.raises(InputError, match="Not complete"):
        reads.amend("s", "bob", 1, "final", {}, reason="Wrong key.", key="k")
    made = reads.amend("s", "bob", 1, "final", given, reason="Wrong key.", key="k")
    assert reads.amend("s", "bob", 1, "final", given, reason="Wrong key.", key="k") == made
    assert [(one.step, one.version, one.answers["score"], one.reason) for one in reads.locked("s", "bob", 1)] == [
        ("unaided", 1, 20, ""), ("final", 1, 30, ""), ("final", 2, 80, "Wrong key."),
    ]  # fmt: skip
    with pytest.raises(InputError, match="no locked final read"):
        reads.amend("s", "bob", 2, "final", given, reason="Too early.", key="l")
    with pytest.raises(InputError, match="dan is no reader"):
        reads.amend("s", "dan", 1, "final", given, reason="Not mine.", key="m")
    audit.verify(database)


def test_between_sessions_is_the_washout(begin: Begin, clock: Clock) -> None:
    reads = begin(CASES[:1], washout_s=3600)
    signed(reads)
    signed(reads)
    with pytest.raises(InputError, match="Session 2 of s begins after the washout, on 2026-01-01 01:00 UTC"):
        reads.task("s", "bob")
    first, second = reads.worklist("s", "bob")
    assert (first.state, second.state, second.begins is not None) == ("locked", "washout", True)
    clock.pass_by(3600)
    assert (at_hand(reads).session, reads.worklist("s", "bob")[1].state) == (2, "at hand")


def test_practice_comes_first_and_tells_what_is_true(begin: Begin) -> None:
    reads = begin([case("a"), case("b", practice=True), case("try", 1, practice=True)])
    with pytest.raises(InputError, match="not read yet"):
        reads.feedback("s", "bob", 1)
    for _ in range(4):
        signed(reads, score=10)
    assert [(told.label, told.score) for told in (reads.feedback("s", "bob", n) for n in (1, 2))] == [(0, 10), (1, 10)]
    assert reads.feedback("s", "bob", 2).regions[0]["film"] == film_of("try")
    signed(reads)
    signed(reads)
    with pytest.raises(InputError, match="no practice case"):
        reads.feedback("s", "bob", 3)


def test_a_failed_explanation_blocks_its_case_visibly(begin: Begin, database: Database, tmp_path: Path) -> None:
    reads = begin(failed="b")
    study = Studies(database).get("s")
    assert dict(study.blocked) == {"b": "gradcam: It did not."}
    assert len(reads.worklist("s", "bob")) == 6
    bundle = read_study(tmp_path / "bundle")
    Studies(database).create("again", bundle, by="ada", readers=["bob"])
    with pytest.raises(InputError, match=r"1 of the cases of again are blocked, b first \(gradcam: It did not\.\)"):
        Studies(database).set_state("again", OPEN, by="ada")


def test_an_explanation_that_was_exchanged_opens_no_study_and_is_not_shown(
    begin: Begin, database: Database, tmp_path: Path
) -> None:
    reads = begin(arms=ARMS[1:])
    signed(reads)
    for path in (tmp_path / "bundle" / "maps").iterdir():
        path.write_bytes(b"another")
    with pytest.raises(InputError, match="is not the explanation that"):
        reads.task("s", "bob")
    with pytest.raises(InputError, match="is not the explanation that"):
        read_study(tmp_path / "bundle")
    with pytest.raises(InputError, match="is not the explanation that"):
        Studies(database).set_state("s", OPEN, by="ada")


def test_who_may_do_what(begin: Begin, database: Database) -> None:
    reads = begin()
    studies = Studies(database)
    with pytest.raises(InputError, match="dan is no reader of s"):
        reads.task("s", "dan")
    with pytest.raises(RightsError, match="may not organise"):
        studies.set_state("s", "closed", by="bob")
    with pytest.raises(RightsError):
        studies.add_reader("s", "dan", by="bob")
    assert [one.reader for one in studies.add_reader("s", "dan", by="ada").readers] == ["bob", "cyd", "dan"]
    assert studies.of_reader("dan") == ["s"]
    task = at_hand(reads)
    People(database).change("bob", active=False, by="ada")
    with pytest.raises(RightsError, match="inactive"):
        reads.save(task.token, {}, revision=0, key="k")
    studies.set_state("s", "closed", by="ada")
    with pytest.raises(InputError, match="closed, not open"):
        reads.task("s", "cyd")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("arms", 1, "methods"), ["gradcam", "rise"]),
        (("cases", 0, "name"), "b"),
        (("cases", 0, "films", 0, "sha256"), "../x"),
        (("cases", 1, "truth", "label"), 2),
        (("explanations", 0, "file"), "../../etc/passwd"),
        (("explanations", 0, "sha256"), "1" * 64),
        (("explanations", 0, "state"), "perhaps"),
    ],
)
def test_a_bundle_is_not_believed(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    folder = write_study(tmp_path / "bundle", deepcopy(CASES))
    values = at = json.loads((folder / "study.json").read_text())
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = value
    (folder / "study.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="build the study again"):
        read_study(folder)


def test_the_hash_of_the_lexicon_is_with_each_read(begin: Begin, database: Database) -> None:
    reads = begin()
    signed(reads, score=3)
    with database.read() as session:
        (row,) = session.scalars(select(ReadingRow))
        assert row.lexicon_sha256 == Studies(database).get("s").lexicon
        assert row.answers["fields"]["assessment"] == BENIGN
