"""Tiles through the route: to whom they are given, what is refused, and that nothing of them is lost on the way."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import streamlit as st
import uvicorn
from hypothesis import given, strategies
from starlette.applications import Starlette
from streamlit.testing.v1 import AppTest

from annotations.database import open_database
from annotations.people import People
from explain_core.errors import OutputError
from explain_core.films.pyramid import MapRaster, Raster
from pages.parts import pixels, sign_in, watch
from pages.parts.guests import Shelf
from tests.pages.test_sign_in import ADA, BOB, NOBODY, NOON, Clock

HEAT = np.linspace(0, 1, 600 * 700, dtype=np.float32).reshape(600, 700)
SCRIPT = """
import streamlit as st
from explain_core.errors import RightsError
from pages.parts import pixels
from tests.pages.test_pixels import HEAT, MapRaster
try:
    st.text(pixels.address(MapRaster(HEAT)))
except RightsError as error:
    st.error(str(error))
"""
Given = Callable[[dict[str, object]], str]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    """Noon, with empty shelves and nobody here yet; nobody signs in."""
    made = Clock()
    monkeypatch.setattr(sign_in, "clock", made)
    monkeypatch.setattr(sign_in, "PRESENCE", sign_in.Presence())
    monkeypatch.setattr(pixels, "RASTERS", Shelf(pixels.HELD, lambda raster: raster.held))
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RHOSCOPE_SIGN_IN", raising=False)
    return made


@pytest.fixture
def people(clock: Clock) -> People:
    made = People(open_database())
    made.add("ada@clinic.org", "admin")
    made.add("bob@clinic.org", "annotator", by="ada@clinic.org")
    return made


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Asks a server that has the routes and nothing else."""
    config = uvicorn.Config(
        Starlette(routes=pixels.ROUTES + watch.ROUTES), ws="none", log_level="warning", lifespan="off"
    )
    server, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", trust_env=False) as made:
        yield made
    server.should_exit = True
    thread.join()


@pytest.fixture
def address(clock: Clock) -> str:
    return pixels.address(MapRaster(HEAT))


def given_to(claims: dict[str, object]) -> AppTest:
    app = AppTest.from_string(SCRIPT)
    app.user = claims
    app.run()
    assert not app.exception
    return app


def test_a_tile_comes_as_it_is(client: httpx.Client, address: str) -> None:
    whole = np.rint(HEAT * np.float32(65535)).astype(np.uint16)
    answer = client.get(f"{address}/0/1/1")
    assert answer.status_code == 200
    assert np.array_equal(np.frombuffer(answer.content, "<u2").reshape(88, 188), whole[512:, 512:])
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert client.post(f"{address}/0/0/0").status_code == 405


@pytest.mark.parametrize(
    "place", ["2/0/0", "0/2/0", "0/0/2", "-1/0/0", "a/0/0", "0/0", "0/0/0/0", "", "0/0/0.5", "0/0/999999", "٠/0/0"]
)
def test_there_is_nothing_else(client: httpx.Client, address: str, place: str) -> None:
    assert client.get(f"{address}/{place}").status_code == 404


def test_a_token_of_ones_own_making_is_refused(client: httpx.Client, address: str) -> None:
    token = address.removeprefix("/pixels/")
    for at in range(0, len(token), 7):
        other = token[:at] + ("0" if token[at] != "0" else "1") + token[at + 1 :]
        assert client.get(f"/pixels/{other}/0/0/0").status_code == 403, at
    for other in ("", token[:-1], f"{token}0", token.upper(), "../" + token):
        assert client.get(f"/pixels/{other}/0/0/0").status_code in (403, 404)


@given(strategies.text(max_size=200))
def test_whatever_is_asked_is_answered(asked: str) -> None:
    request = SimpleNamespace(path_params={"where": asked}, headers=None, cookies=None)
    assert pixels.answer(request).status_code == 403  # type: ignore[arg-type]


def test_an_address_stays_for_hours_and_not_for_days(client: httpx.Client, clock: Clock, address: str) -> None:
    for hours, status in ((5.9, 200), (12.1, 403)):
        clock.now = NOON + 3600 * hours
        assert client.get(f"{address}/0/0/0").status_code == status
    clock.now = NOON - NOON % pixels.LIFE_S
    first = pixels.address(MapRaster(HEAT))
    clock.now += pixels.LIFE_S - 1
    assert pixels.address(MapRaster(HEAT)) == first
    assert pixels.address(MapRaster(1 - HEAT)) != first
    clock.now += pixels.LIFE_S
    assert client.get(f"{first}/0/0/0").status_code == 200
    clock.now += 1
    assert client.get(f"{first}/0/0/0").status_code == 403


def test_what_has_gone_is_said_to_have_gone(
    client: httpx.Client, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf: Shelf[Raster] = Shelf(3 * MapRaster(HEAT).held, lambda raster: raster.held)
    monkeypatch.setattr(pixels, "RASTERS", shelf)
    first, second, third, fourth = (pixels.address(MapRaster(HEAT / n)) for n in (1, 2, 3, 4))
    answer = client.get(f"{first}/0/0/0")
    assert (answer.status_code, answer.text) == (410, "This picture is not kept any more: load the page again.")
    assert client.get(f"{second}/0/0/0").status_code == 200
    fifth = pixels.address(MapRaster(HEAT / 5))
    assert [client.get(f"{one}/0/0/0").status_code for one in (second, third, fourth, fifth)] == [200, 410, 200, 200]
    assert pixels.address(MapRaster(HEAT)) == first
    assert client.get(f"{first}/0/0/0").status_code == 200


def test_what_cannot_be_read_is_said(client: httpx.Client, clock: Clock) -> None:
    class Full(MapRaster):
        def tile(self, level: int, row: int, column: int) -> bytes:
            raise OutputError("Cannot write levels: No space left; make some.")

    answer = client.get(f"{pixels.address(Full(HEAT))}/0/0/0")
    assert (answer.status_code, answer.text) == (500, "Cannot write levels: No space left; make some.")


def test_nobody_who_must_sign_in_first_is_given_any(people: People) -> None:
    assert given_to(NOBODY).error[0].value == "Sign in first."
    assert pixels.RASTERS.get(MapRaster(HEAT).name) is None


def test_a_token_is_its_persons_alone_and_ends_with_the_session(
    client: httpx.Client, people: People, clock: Clock
) -> None:
    ada, bob = (given_to(claims).text[0].value for claims in (ADA, BOB))
    assert ada != bob
    assert all("ada" not in one and "bob" not in one for one in (ada, bob))
    assert [client.get(f"{one}/0/0/0").status_code for one in (ada, bob)] == [200, 200]
    stranger = {"Cookie": "_streamlit_user=somebody-elses"}
    assert client.get(f"{ada}/0/0/0", headers=stranger).status_code == 403
    people.change("bob@clinic.org", active=False, by="ada@clinic.org")
    sign_in.PRESENCE.leave("ada@clinic.org")
    assert [client.get(f"{one}/0/0/0").status_code for one in (ada, bob)] == [403, 403]


def test_an_idle_session_gets_no_more(client: httpx.Client, people: People, clock: Clock) -> None:
    ada = given_to(ADA).text[0].value
    clock.now = NOON + 29 * 60
    assert client.get(f"{ada}/0/0/0").status_code == 200
    clock.now = NOON + 31 * 60
    assert client.get(f"{ada}/0/0/0").status_code == 403


def test_behind_a_proxy_its_header_must_be_the_persons(
    client: httpx.Client, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHOSCOPE_SIGN_IN", "header:X-Who")
    monkeypatch.setattr(type(st.context), "headers", property(lambda _: _Headers("Ada@clinic.org")))
    ada = given_to({}).text[0].value
    for sent, status in (
        ({"X-Who": "ada@clinic.org"}, 200), ({"X-Who": "Ada@Clinic.org"}, 200), ({"X-Who": "bob@clinic.org"}, 403),
        ({}, 403), ([("X-Who", "ada@clinic.org"), ("X-Who", "ada@clinic.org")], 403),
    ):  # fmt: skip
        assert client.get(f"{ada}/0/0/0", headers=sent).status_code == status  # type: ignore[arg-type]


class _Headers:
    def __init__(self, who: str) -> None:
        self.who = who

    def get_all(self, _: str) -> list[str]:
        return [self.who]


def test_a_shelf_keeps_the_heaviest_thing_until_the_next() -> None:
    shelf: Shelf[int] = Shelf(10, int)
    shelf.put("a", 20)
    assert shelf.get("a") == 20
    shelf.put("b", 1)
    assert (shelf.get("a"), shelf.get("b")) == (None, 1)


@pytest.mark.parametrize("ended", [False, True])
def test_a_sign_of_somebody_counts_until_their_session_has_ended(
    client: httpx.Client, people: People, clock: Clock, ended: bool
) -> None:
    name = pixels._TOKEN.fullmatch(given_to(ADA).text[0].value.split("/")[2])[2]  # type: ignore[index]
    clock.now = NOON + (31 if ended else 29) * 60
    stranger = {"Cookie": "_streamlit_user=somebody-elses"}
    assert client.post(f"/acted/{name}", headers=stranger).status_code == 403
    assert client.post("/acted/0000000000000000").status_code == 403
    assert client.post(f"/acted/{name}").status_code == (403 if ended else 204)
    clock.now += 29 * 60
    assert sign_in.PRESENCE.here(sign_in.Signed("ada@clinic.org", NOON)) is not ended
