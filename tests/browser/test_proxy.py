"""Behind docs/proxy/apache.conf nothing is served to whoever has not signed in, and nobody can say who they are."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from app import PAGES
from tests.browser import team
from tests.browser.team import ADA, BOB, Site

pytestmark = pytest.mark.skipif(
    not team.HAS_PROXY, reason="there is no Apache with mod_auth_openidc here (docs/teams.md)"
)
OWN = (
    "_stcore/health", "_stcore/script-health-check", "_stcore/host-config", "_stcore/metrics", "_stcore/stream",
    "_stcore/upload_file/a/b", "_stcore/agent/openapi.json", "_stcore/bidi-components/any/any.js",
    "component/any/index.html", "auth/login", "auth/logout", "oauth2callback", "app/static/any.png", "media/0.png",
    "pixels/any/0/0/0", "acted/any",
    "%2e%2e/media/0.png", "//media/0.png", "signed-in/media/0.png", "sign-out/media/0.png", "sign-out/../media/0.png",
)  # fmt: skip
"""What is served beside pages, and ways around."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with team.site(tmp_path_factory.mktemp("team"), "proxy") as made:
        yield made


@pytest.fixture
def stranger(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.address, verify=team.TRUSTING, headers={"Accept": "text/html"}) as client:
        yield client


@pytest.fixture
def bob(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.address, verify=team.TRUSTING, follow_redirects=True) as client:
        form = client.get("/", headers={"Accept": "text/html"})
        assert client.post(form.url, data={"sub": BOB}).url == f"{site.address}/"
        yield client


def socket(address: str, **headers: str) -> ClientConnection:
    secure: dict[str, ssl.SSLContext] = {"ssl": team.TRUSTING} if address.startswith("https") else {}
    return connect(
        f"{address.replace('http', 'ws', 1)}/_stcore/stream", additional_headers=headers, proxy=None,
        subprotocols=[Subprotocol("streamlit")], max_size=None, **secure,
    )  # type: ignore[arg-type]  # fmt: skip


def drawn(connection: ClientConnection, sought: str) -> str:
    """What the first page sends until this stands there."""
    asked = BackMsg()
    asked.rerun_script.query_string = ""
    connection.send(asked.SerializeToString())
    text = ""
    while not (found := re.search(sought, text)):
        text += bytes(connection.recv(timeout=60)).decode("latin-1")  # type: ignore[arg-type]
    return found[0]


def cookie(client: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def test_every_route_is_closed_without_a_session_and_open_with_one(
    site: Site, stranger: httpx.Client, bob: httpx.Client
) -> None:
    with socket(site.address, Cookie=cookie(bob)) as connection:
        media = drawn(connection, r"/media/[0-9a-f]+\.png")
    page = bob.get("/").text
    files = re.findall(r'(?:src|href)="\.?/?((?:static|favicon|manifest)[^"]*)"', page)
    assert len(files) > 2
    pages = ["", *(name for name, _, _ in PAGES)]
    assert httpx.get(f"{site.app}{media}").status_code == 200  # the app itself asks nobody
    for route in (*pages, media.lstrip("/"), *files, *OWN):
        answer = stranger.get(f"/{route}")
        if answer.status_code not in (400, 401):
            assert answer.headers["location"].startswith(f"{site.provider.partition('/.well')[0]}/"), route
        assert "streamlit" not in answer.text.lower()
        assert stranger.post(f"/{route}").status_code in (302, 400, 401), route
    for route in (*pages, media.lstrip("/"), *files, "_stcore/health", "_stcore/metrics"):
        assert bob.get(f"/{route}").status_code == 200, route
    picture = bob.get(media)
    assert picture.headers["content-type"] == "image/png"
    assert "no-store" in picture.headers["cache-control"]


def test_the_socket_is_closed_without_a_session(site: Site) -> None:
    for headers in ({}, {"X-Rhoscope-User": ADA}, {"Cookie": "mod_auth_openidc_session=made-up"}):
        with pytest.raises(InvalidStatus) as refused:
            socket(site.address, **headers)
        assert refused.value.response.status_code == 401


def test_nobody_can_say_who_they_are(site: Site, stranger: httpx.Client, bob: httpx.Client) -> None:
    assert stranger.get("/media/0.png", headers={"X-Rhoscope-User": ADA}).status_code == 401
    with socket(site.app, **{"X-Rhoscope-User": ADA}) as direct:  # the app believes whoever reaches it
        assert drawn(direct, r"\w+@clinic\.org") == ADA
    for name in ("X-Rhoscope-User", "x-rhoscope-user", "X_Rhoscope_User", "Remote-User", "OIDC_CLAIM_email"):
        with socket(site.address, Cookie=cookie(bob), **{name: ADA}) as connection:
            assert drawn(connection, r"\w+@clinic\.org") == BOB


def test_an_address_that_is_not_verified_is_refused(site: Site, stranger: httpx.Client) -> None:
    stranger.follow_redirects = True
    form = stranger.get("/")
    answer = stranger.post(form.url, data={"sub": "unverified"})
    assert (answer.status_code, "no verified e-mail" in answer.text) == (403, True)


def test_signing_out_ends_the_session_also_for_who_kept_its_cookie(site: Site, bob: httpx.Client) -> None:
    kept = cookie(bob)
    bob.get("/sign-out")
    answer = httpx.get(f"{site.address}/_stcore/health", headers={"Cookie": kept}, verify=team.TRUSTING)
    assert answer.status_code == 401
