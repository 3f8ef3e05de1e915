"""Signing in: who is let in by which way, what each role is shown, and when a session ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.runtime.context import StreamlitHeaders
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from annotations.database import Database, open_database
from annotations.people import People
from explain_core.errors import InputError
from pages.parts import sign_in
from tests.pages.fake_engine import FakeEngine

ROOT = Path(__file__).resolve().parents[2]
NOON = 1_800_000_000.0
ADA = {"is_logged_in": True, "email": "Ada@clinic.org", "email_verified": True, "sub": "a1", "iat": NOON}
BOB = {"is_logged_in": True, "email": "bob@clinic.org", "email_verified": True, "sub": "b2", "iat": NOON}
NOBODY = {"is_logged_in": False}
MENU = ["Explore", "Annotate", "Campaigns", "Train", "Library", "Benchmarks", "Methods", "Settings"]
Visit = Callable[..., AppTest]


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Database:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    return open_database()


@pytest.fixture
def people(database: Database) -> People:
    made = People(database)
    made.add("ada@clinic.org", "admin")
    made.add("bob@clinic.org", "annotator", by="ada@clinic.org")
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(sign_in, "clock", made)
    monkeypatch.setattr(sign_in, "PRESENCE", sign_in.Presence())
    return made


@pytest.fixture
def visit(engine: FakeEngine, database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Visit:
    """The app as somebody with these claims sees it, on a page."""
    monkeypatch.delenv("RHOSCOPE_SIGN_IN", raising=False)
    # AppTest runs a page without the script around it where there is a folder `pages`; app.py's `serve` sees to that.
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    monkeypatch.setattr(app_test, "PagesManager", type("Served", (PagesManager,), {}))

    def opened(claims: dict[str, object], where: str = "methods") -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        app.user = NOBODY
        app.run()
        app.user = claims
        app.switch_page(f"pages/{where}.py").run()
        assert not app.exception
        return app

    return opened


def said(app: AppTest) -> str:
    return " ".join(str(part.value) for kind in (app.header, app.subheader, app.info, app.error) for part in kind)


def test_nobody_sees_anything_before_signing_in(visit: Visit, people: People) -> None:
    app = visit(NOBODY)
    for name in MENU:
        app.switch_page(f"pages/{name.lower()}.py").run()
        assert said(app) == "Rhoscope"
        assert [button.label for button in app.button] == ["Sign in"]


def test_an_admin_is_let_in_and_is_who_signed_in(visit: Visit, people: People) -> None:
    app = visit(ADA, "settings")
    assert said(app) == "Settings"
    assert [part.value for part in app.text] == ["ada@clinic.org"]
    assert "who" not in [box.key for box in app.selectbox]
    app.text_input(key="person-name").set_value("cyd@clinic.org")
    next(button for button in app.button if button.label == "Add").click().run()
    assert "cyd@clinic.org" in [one.name for one in people.find()]


@pytest.mark.parametrize("where", ["campaigns", "train", "library", "benchmarks", "settings"])
def test_an_annotator_is_refused_the_pages_of_others(visit: Visit, people: People, where: str) -> None:
    assert "`bob@clinic.org` is annotator, and may not" in said(visit(BOB, where))


def test_a_role_that_is_taken_away_is_noticed(visit: Visit, people: People) -> None:
    app = visit(BOB, "annotate")
    assert said(app).startswith("Annotate")
    people.change("bob@clinic.org", active=False, by="ada@clinic.org")
    assert "made inactive" in said(app.run())


def test_a_stranger_is_told_what_to_do_and_never_becomes_the_first_admin(visit: Visit, database: Database) -> None:
    assert "--role admin`, on the server" in said(visit(ADA))
    assert People(database).find() == []
    People(database).add("eve", "admin")
    assert "signed in as `ada@clinic.org`, but not known here" in said(visit(ADA))


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({**ADA, "email_verified": "true"}, "ada@clinic.org"),
        ({**ADA, "email_verified": False}, "subject a1"),
        ({**ADA, "email_verified": "false"}, "subject a1"),
        ({"is_logged_in": True, "sub": "ada@clinic.org", "iat": NOON}, "subject ada@clinic.org"),
    ],
)
def test_only_a_verified_address_is_a_name(visit: Visit, people: People, claims: dict[str, object], name: str) -> None:
    app = visit(claims, "settings")
    assert (said(app) == "Settings") == (name == "ada@clinic.org")
    assert [part.value for part in app.text] == [name]


def test_a_session_ends_after_half_an_hour_without_a_sign(visit: Visit, people: People, clock: Clock) -> None:
    app = visit(ADA, "settings")
    clock.now += 1799
    assert said(app.run()) == "Settings"
    clock.now += 2  # what the page does by itself was no sign of anybody
    assert "Settings" not in said(app.run())


def test_a_sign_keeps_a_session_and_revives_none(visit: Visit, people: People, clock: Clock) -> None:
    signed = sign_in.Signed("ada@clinic.org", NOON)
    clock.now += 1799
    sign_in.PRESENCE.act(signed)
    clock.now += 1799
    assert said(visit(ADA, "settings")) == "Settings"
    clock.now += 2
    sign_in.PRESENCE.act(signed)
    assert "Settings" not in said(visit(ADA, "settings"))


def test_going_to_another_page_is_a_sign(visit: Visit, people: People, clock: Clock) -> None:
    app = visit(ADA, "settings")
    clock.now += 1799
    app.switch_page("pages/methods.py").run()
    clock.now += 1799
    assert said(app.run()).startswith("Methods")


def test_a_cookie_that_comes_back_is_as_idle_as_it_is_old(visit: Visit, people: People, clock: Clock) -> None:
    clock.now += 86400
    assert "Settings" not in said(visit(ADA, "settings"))
    assert said(visit({**ADA, "iat": clock.now}, "settings")) == "Settings"


def test_signing_out_ends_the_sessions_of_every_window(visit: Visit, people: People) -> None:
    first, second = visit(ADA, "settings"), visit(ADA, "settings")
    next(button for button in first.button if button.label == "Sign out").click().run()
    assert "Settings" not in said(first)
    assert "Settings" not in said(second.run())
    assert said(visit(BOB, "annotate")).startswith("Annotate")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the header holds; the handshake itself is in tests/browser."""
    values: list[str] = []
    monkeypatch.setenv("RHOSCOPE_SIGN_IN", "header:X-User")
    headers = property(lambda _: StreamlitHeaders([("X-User", value) for value in values]))
    monkeypatch.setattr(type(st.context), "headers", headers)
    return values


@pytest.mark.parametrize(
    ("values", "in_"),
    [(["Ada@clinic.org"], True), ([], False), ([" "], False), (["ada@clinic.org", "bob@clinic.org"], False)],
)
def test_exactly_one_header_is_believed(
    visit: Visit, people: People, sent: list[str], values: list[str], in_: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent += values
    monkeypatch.setenv("RHOSCOPE_SIGN_IN", "header:X-User")
    assert (said(visit({}, "settings")) == "Settings") == in_


@pytest.mark.parametrize("asked", ["header", "header:", "local:x", "OIDC", "none"])
def test_a_way_that_is_none_closes_the_app(visit: Visit, asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit(NOBODY)
    monkeypatch.setenv("RHOSCOPE_SIGN_IN", asked)
    assert said(app.run()).startswith("RHOSCOPE_SIGN_IN is ")


def test_a_header_is_not_believed_from_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHOSCOPE_SIGN_IN", "header:X-User")
    monkeypatch.setattr(st, "get_option", lambda _: "0.0.0.0")
    with pytest.raises(InputError, match=r"listen on 127\.0\.0\.1"):
        sign_in.way()


@pytest.mark.parametrize("text", ["0", "-5", "soon", "1e9", "1441"])
def test_minutes_that_are_none_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHOSCOPE_IDLE_MINUTES", text)
    with pytest.raises(InputError, match="may be 1 to 1440"):
        sign_in.idle_minutes()
