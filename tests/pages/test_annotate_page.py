"""The Annotate page's words: the first person, who may answer, campaigns that are open."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from annotations.bundle import read_bundle
from annotations.campaigns import Campaigns
from annotations.database import Database, open_database
from annotations.people import People
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


def begin(database: Database, tmp_path: Path, *raters: str) -> None:
    people = People(database)
    people.add("ada", "admin")
    for name in raters:
        people.add(name, "annotator", by="ada")
    bundle = read_bundle(write_bundle(tmp_path / "bundle", [item("a"), item("b")], png=True))
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
