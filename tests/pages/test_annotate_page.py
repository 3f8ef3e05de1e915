"""The Annotate page's words: the first person, who may answer, campaigns that are open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns
from annotations.database import Database, open_database
from annotations.people import People
from annotations.questions import QUESTIONS, Question
from annotations.queue import Queue
from pages.parts import labelling
from tests.annotations.bundles import item, write_bundle
from tests.pages.fake_engine import Opened


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RHOSCOPE_DB", raising=False)
    return open_database()


@pytest.fixture
def page(opened: Opened) -> AppTest:
    app = opened()
    app.switch_page("pages/annotate.py").run()
    assert not app.exception
    return app


def begin(
    database: Database, tmp_path: Path, *raters: str, question: str = "unchanged", practice: Sequence[str] = ()
) -> None:
    people = People(database)
    people.add("ada", "admin")
    for name in raters:
        people.add(name, "annotator", by="ada")
    items = [item(f"p{number}", "practice", question, truth=truth) for number, truth in enumerate(practice)]
    items += [item("a", question=question), item("b", question=question)]
    bundle = read_bundle(write_bundle(tmp_path / "bundle", items, png=True, question=question))
    Campaigns(database).create("cats", bundle, by="ada")


def test_the_first_person_is_an_admin(page: AppTest, database: Database) -> None:
    page.text_input(key="first-person-name").set_value("!")
    page.button[0].click().run()
    assert "a letter or digit" in page.error[0].value
    page.text_input(key="first-person-name").set_value("Ada")
    page.button[0].click().run()
    assert not page.exception
    assert [(one.name, one.role) for one in People(database).find()] == [("Ada", "admin")]
    assert "No campaign is open" in page.info[0].value


def test_nobody_is_taken_for_another(page: AppTest, database: Database, tmp_path: Path) -> None:
    begin(database, tmp_path, "bob", "cyd")
    People(database).change("cyd", active=False, by="ada")
    page.run()
    assert page.selectbox(key="who").options == ["ada", "bob"]
    assert page.selectbox(key="who").value is None
    assert len(page.selectbox) == 1


def test_a_campaign_that_is_closed_is_not_offered(page: AppTest, database: Database, tmp_path: Path) -> None:
    begin(database, tmp_path, "bob")
    page.run()
    page.selectbox(key="who").select("bob").run()
    assert page.selectbox(key="rating-campaign").options == ["cats: Cats"]
    assert not page.error
    Campaigns(database).set_state("cats", "closed", by="ada")
    page.run()
    assert "No campaign is open" in page.info[0].value


def test_pictures_that_are_gone_are_told(page: AppTest, database: Database, tmp_path: Path) -> None:
    begin(database, tmp_path, "bob")
    (tmp_path / "bundle/pictures/a-original.png").unlink()
    page.run()
    page.selectbox(key="who").select("bob").run()
    assert not page.exception
    assert "pictures of item a are gone" in page.error[0].value


def test_examples_that_are_gone_are_told_and_nothing_else_stops(
    page: AppTest, database: Database, tmp_path: Path
) -> None:
    begin(database, tmp_path, "bob", practice=["changed", "changed"])
    (tmp_path / "bundle/pictures/p0-adversarial.png").unlink()
    page.run()
    page.selectbox(key="who").select("bob").run()
    assert not page.exception
    assert [error.value[:32] for error in page.error] == ["The pictures of the examples are"]
    assert "Practice first" in page.info[0].value


@pytest.mark.parametrize("question", sorted(QUESTIONS))
def test_every_question_can_be_asked(page: AppTest, database: Database, tmp_path: Path, question: str) -> None:
    begin(database, tmp_path, "bob", question=question)
    page.run()
    page.selectbox(key="who").select("bob").run()
    assert not page.exception
    assert not page.error


def practised(database: Database, tmp_path: Path, *answers: str) -> tuple[list[str], list[str]]:
    begin(database, tmp_path, practice=answers)
    examples, tried = labelling.learnt(Queue(database).practice("cats"))
    return [one.task.item for one in examples], [one.task.item for one in tried]


def test_of_each_answer_one_is_shown_if_another_is_left_to_try(database: Database, tmp_path: Path) -> None:
    found = practised(database, tmp_path, "unchanged", "changed", "unsure", "unchanged", "changed", "changed")
    assert found == (["p0", "p1"], ["p2", "p3", "p4", "p5"])


def test_too_few_to_show_are_tried(database: Database, tmp_path: Path) -> None:
    assert practised(database, tmp_path, "unchanged", "changed") == ([], ["p0", "p1"])


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda one: one.name)
def test_every_answer_is_explained_and_no_two_things_have_one_key(question: Question) -> None:
    assert all(one["means"].endswith(".") for one in labelling.told(question)["answers"])
    keys = [one.key for one in question.answers] + [*labelling.KEYS, *labelling.DRAWING]
    assert len(keys) == len(set(keys))
