"""The Settings page: an admin manages people, reads the log and has it verified; nobody else sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from annotations import audit
from annotations.database import Database, open_database
from annotations.people import People
from tests.pages.acting import press, view
from tests.pages.fake_engine import Opened


@pytest.fixture(autouse=True)
def database(home: Path) -> Database:
    opened = open_database()
    people = People(opened)
    people.add("ada", "admin")
    people.add("bob", "annotator", by="ada")
    return opened


@pytest.fixture
def page(opened: Opened) -> AppTest:
    app = opened()
    app.switch_page("pages/settings.py").run()
    assert not app.exception
    return app


def test_it_is_for_admins(page: AppTest, database: Database) -> None:
    assert page.selectbox(key="who").options == ["ada"]
    People(database).add("eve", "admin", by="ada")
    People(database).change("ada", role="researcher", by="eve")
    page.run()
    assert page.selectbox(key="who").options == ["eve"]


def test_people_are_added_and_changed(page: AppTest, database: Database) -> None:
    page.text_input(key="person-name").set_value("cyd")
    page.selectbox(key="person-role").select("clinician")
    press(page, "Add")
    page.selectbox(key="person-chosen").select("bob").run()
    page.checkbox(key="active-bob").uncheck().run()
    press(page, "Change")
    assert [(one.name, one.role, one.active) for one in People(database).find()] == [
        ("ada", "admin", True), ("bob", "annotator", False), ("cyd", "clinician", True),
    ]  # fmt: skip
    page.selectbox(key="person-chosen").select("ada").run()
    page.checkbox(key="active-ada").uncheck().run()
    press(page, "Change")
    assert "ada is the last admin" in page.error[0].value


def test_the_log_is_read_and_verified(page: AppTest, database: Database) -> None:
    view(page, "audit", "settings")
    assert list(page.dataframe[0].value["Who"]) == ["ada", "ada"]
    page.number_input(key="audit-before").set_value(2).run()
    assert list(page.dataframe[0].value["Number"]) == [1]
    press(page, "Verify")
    assert "All 2 entries" in page.success[0].value
    assert page.code[0].value == audit.head(database)
    page.text_input(key="audit-head").set_value("feed")
    press(page, "Verify")
    assert "does not go on from the head feed" in page.error[0].value


def test_a_log_that_was_changed_is_told(page: AppTest, database: Database) -> None:
    with database.engine.begin() as connection:
        for name in connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("UPDATE audit SET who = 'eve' WHERE id = 1"))
    view(page, "audit", "settings")
    press(page, "Verify")
    assert "Entry 1 of the audit log was changed" in page.error[0].value


def test_health_tells_no_password(page: AppTest, tmp_path: Path) -> None:
    view(page, "health", "settings")
    told = page.table[0].value["Value"]
    assert told["Workspace"] == str(tmp_path / "home")
    assert told["Runs by state"] == "0 waiting, 0 running, 0 failed"
    assert told["Database"].startswith("sqlite:///")


def test_health_tells_which_explanations_are_kept(
    page: AppTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RHOSCOPE_CACHE", raising=False)
    view(page, "health", "settings")
    assert "on disk none" in page.table[0].value["Value"]["Explanations kept"]
    monkeypatch.setenv("RHOSCOPE_CACHE", str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a.answer").write_bytes(bytes(3 << 20))
    page.run()
    told = page.table[0].value["Value"]["Explanations kept"]
    assert told == f"0.003 of at most 4 GiB in {tmp_path / 'kept'}"
