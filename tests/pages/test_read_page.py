"""The Read page's words and acts: what is opened, kept, refused, locked and amended."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from annotations.database import Database, open_database
from annotations.people import People
from annotations.reading.bundle import read_study
from annotations.reading.places import Task
from annotations.reading.reads import Reads
from annotations.reading.studies import OPEN, Plan, Studies
from annotations.reading.tables import DraftRow
from explain_core.reading.cases import read_cases
from tests.annotations.studies import ARMS, answers, write_study
from tests.pages.fake_engine import Opened


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    """The study s: one phantom, an arm that shows nothing, read by bob."""
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RHOSCOPE_DB", raising=False)
    found = open_database()
    people, studies, folder = People(found), Studies(found), tmp_path / "bundle"
    people.add("ada", "admin")
    people.add("bob", "clinician", by="ada")
    (case,) = read_cases("phantom:1,5", "", folder, folder, {})
    told = {"name": case.name, "practice": False, "films": [film.told() for film in case.films]}
    write_study(folder, [{**told, "truth": dict(case.truth), "output": {}}], ARMS[:1])
    studies.create("s", read_study(folder), by="ada", plan=Plan(washout_s=0), readers=["bob"])
    studies.set_state("s", OPEN, by="ada")
    return found


@pytest.fixture
def page(opened: Opened) -> AppTest:
    """Bob at the page."""
    app = opened()
    app.switch_page("pages/read.py").run()
    app.selectbox(key="who").set_value("bob").run()
    assert not app.exception
    return app


def open_up(page: AppTest, database: Database) -> Task:
    page.button(key="read-open").click().run()
    assert not page.exception
    task = Reads(database).task("s", "bob")
    assert task is not None
    return task


def score(page: AppTest, task: Task, value: int) -> None:
    page.number_input(key=f"read-{task.token}-case-score").set_value(value).run()
    assert not page.exception


def answer(page: AppTest, task: Task, value: int) -> None:
    """Everything that is asked about a case without findings."""
    key = f"read-{task.token}"
    page.radio(key=f"{key}-case-density").set_value("129717001")
    page.radio(key=f"{key}-case-assessment").set_value("397141009")
    page.radio(key=f"{key}-case-confidence").set_value(3)
    page.checkbox(key=f"{key}-no-findings").check()
    score(page, task, value)


def test_whoever_reads_nowhere_is_told(page: AppTest) -> None:
    page.selectbox(key="who").set_value("ada").run()
    assert "No study is open in which you read" in page.info[0].value


def test_nothing_is_chosen_and_every_answer_is_kept_at_once(page: AppTest, database: Database) -> None:
    task = open_up(page, database)
    assert [radio.value for radio in page.radio] == [None] * len(page.radio)
    assert page.number_input[0].value is None
    score(page, task, 35)
    kept = Reads(database).task("s", "bob")
    assert kept is not None
    assert dict(kept.answers) == {"score": 35}
    assert page.caption[-1].value.startswith("Saved ")


def test_a_step_is_signed_when_it_is_whole_and_the_next_one_opens(page: AppTest, database: Database) -> None:
    task = open_up(page, database)
    page.session_state[f"read-{task.token}-sign"] = True  # as the watch tells it
    page.run()
    assert "Not complete: density of the breasts; assessment" in page.warning[0].value
    answer(page, task, 20)
    page.button(key=f"read-{task.token}-lock").click().run()
    assert [(one.step, one.answers["score"]) for one in Reads(database).locked("s", "bob")] == [("unaided", 20)]
    final = Reads(database).task("s", "bob")
    assert final is not None
    assert page.number_input(key=f"read-{final.token}-case-score").value is None


def test_what_was_left_alone_takes_nothing_until_it_is_opened_again(page: AppTest, database: Database) -> None:
    task = open_up(page, database)
    score(page, task, 35)
    with database.write() as session:
        draft = session.scalars(select(DraftRow)).one()
        draft.touched -= timedelta(hours=1)
    score(page, task, 90)
    assert "left alone for more than 15 minutes and is closed" in page.error[0].value
    page.button(key="read-again").click().run()
    kept = Reads(database).task("s", "bob")
    assert kept is not None
    assert dict(kept.answers) == {"score": 90}  # what stands on the page, saved now that it is open
    assert not page.error


def test_a_window_that_was_left_open_changes_nothing_that_is_locked(page: AppTest, database: Database) -> None:
    task = open_up(page, database)
    reads = Reads(database)
    kept = reads.save(task.token, answers("unaided", score=10), revision=task.revision, key="elsewhere")
    reads.lock(task.token, revision=kept.revision, key="signed elsewhere")
    score(page, task, 90)
    assert "This step is locked, and nothing changes it" in page.error[0].value
    assert [one.answers["score"] for one in reads.locked("s", "bob")] == [10]


def test_what_is_signed_is_amended_with_a_reason(page: AppTest, database: Database) -> None:
    task = open_up(page, database)
    reads = Reads(database)
    kept = reads.save(task.token, answers("unaided", score=10), revision=task.revision, key="k")
    reads.lock(task.token, revision=kept.revision, key="l")
    page.session_state["read-s-bob"] = None
    page.run()
    page.selectbox(key="amend-s-bob").set_value((1, "unaided")).run()
    key = "amend-s-bob-1-unaided-1"
    assert page.number_input(key=f"{key}-case-score").value == 10
    page.number_input(key=f"{key}-case-score").set_value(70).run()
    assert page.button(key=f"{key}-keep").disabled
    page.text_input(key=f"{key}-reason").set_value("I mistook the side.").run()
    page.button(key=f"{key}-keep").click().run()
    assert [(one.version, one.answers["score"], one.reason) for one in reads.locked("s", "bob")] == [
        (1, 10, ""), (2, 70, "I mistook the side.")
    ]  # fmt: skip
