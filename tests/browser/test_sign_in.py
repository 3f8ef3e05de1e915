"""A team signs in, by OpenID Connect and behind the documented proxy: roles, signing out, the end of idle sessions."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from explain_core.films.record import save
from tests.browser import team
from tests.browser.conftest import PATIENCE, at_rest
from tests.browser.team import ADA, BOB, EVE, Site
from tests.browser.test_in_chromium import serious
from tests.films.test_pyramid import film

pytestmark = pytest.mark.browser
WAYS = ("oidc", *([pytest.param("proxy", marks=pytest.mark.slow)] if team.HAS_PROXY else []))
"""The proxy's routes are tried without a browser too, in test_proxy.py."""
AGAIN = 3
"""A request over a connection that the server closes in the same moment, because it lay idle, is made again."""
Window = Callable[..., BrowserContext]


@pytest.fixture(scope="module", params=WAYS)
def site(request: pytest.FixtureRequest, chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with team.site(tmp_path_factory.mktemp("team"), request.param) as made:
        yield made


@pytest.fixture
def window(chromium: Browser, site: Site) -> Iterator[Window]:
    """A browser of somebody's own."""
    site.move(0)
    opened = []

    def made(scheme: str = "light", **others: object) -> BrowserContext:
        context = chromium.new_context(
            viewport={"width": 1440, "height": 900}, color_scheme=scheme, ignore_https_errors=True, **others
        )  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE * 1000)
        opened.append(context)
        return context

    yield made
    for context in opened:
        context.close()


def sign_in(context: BrowserContext, site: Site, name: str, where: str) -> Page:
    """A page of somebody's."""
    page = context.new_page()
    page.goto(f"{site.address}/{where}")
    if site.way == "oidc":
        page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=name).click()
    page.wait_for_url(f"{site.address}/**")
    return go(page, site, where)


def go(page: Page, site: Site, where: str) -> Page:
    page.goto(f"{site.address}/{where}")
    return page


def closed(page: Page, site: Site) -> None:
    """Nothing is shown but the way in."""
    door = page.get_by_role("button", name="Sign in")
    expect(door if site.way == "oidc" else page.get_by_role("heading", name="Authorize Client")).to_be_visible()
    expect(page.get_by_role("heading", name="Methods", exact=True)).to_have_count(0)


def search(page: Page, word: str) -> None:
    """Types into the page, and waits for its answer."""
    expect(page.get_by_role("heading", name="Methods", exact=True)).to_be_visible()
    at_rest(page)
    box = page.get_by_role("textbox", name="Search")
    box.fill(word)
    box.press("Enter")
    expect(page.get_by_role("heading", level=3)).to_have_count(1)


def touch(page: Page) -> None:
    """A key without any meaning, until the server has heard of it."""
    heard: list[int] = []
    page.on("response", lambda answer: heard.append(answer.status) if "/acted/" in answer.url else None)
    while not heard:
        page.keyboard.press("Shift")
        page.wait_for_timeout(100)
    assert heard == [204]


def gone(page: Page) -> None:
    """At the provider, which ends its session; where another window has ended it already, at the way in."""
    ended = page.get_by_role("heading", name="End Session")
    begins = page.get_by_role("heading", name="Authorize Client").or_(page.get_by_role("button", name="Sign in"))
    expect(ended.or_(begins)).to_be_visible()


def shot(page: Page, site: Site, name: str, folder: Path) -> None:
    at_rest(page)
    page.screenshot(path=Path(os.environ.get("RHOSCOPE_SCREENSHOTS", folder)) / f"sign-in-{site.way}-{name}.png")
    assert serious(page) == []


def menu(page: Page) -> list[str]:
    return [text.split("\n")[-1] for text in page.get_by_test_id("stTopNavLink").all_inner_texts()]


def test_each_has_the_pages_of_a_role(window: Window, site: Site, tmp_path: Path) -> None:
    for scheme, name, where, told in (
        ("light", ADA, "settings", "People are made inactive, never removed"),
        ("dark", BOB, "train", "is annotator, and may not organise campaigns"),
        ("dark", EVE, "methods", "not known here: an admin adds this name"),
    ):
        context = window(scheme)
        page = sign_in(context, site, name, where)
        expect(page.get_by_text(told)).to_be_visible()
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
        shot(page, site, f"{scheme}-{where}", tmp_path)
        assert ("Train" in menu(page)) == ("Settings" in menu(page)) == (name == ADA)
        assert ("Annotate" in menu(page)) == (name != EVE)
        context.close()


def test_pixels_are_for_whoever_they_were_given_to(window: Window, site: Site) -> None:
    films = site.clock.parent / "films"
    seen = film(films, np.full((600, 500), 7, np.uint16))
    save(films, replace(seen, facts=replace(seen.facts, laterality="R", view="CC")))
    contexts = [window(), window()]
    page = sign_in(contexts[0], site, BOB, "methods")
    with page.expect_response(re.compile("/pixels/")) as shown:
        go(page, site, "review")
    address = shown.value.url
    assert shown.value.status == 200
    mine = contexts[0].request.get(f"{address.rsplit('/', 3)[0]}/0/0/0", max_retries=AGAIN)
    assert mine.body() == np.full(500 * 512, 7, "<u2").tobytes()
    assert httpx.get(address, verify=team.TRUSTING).status_code == (403 if site.way == "oidc" else 401)
    sign_in(contexts[1], site, ADA, "methods")
    assert contexts[1].request.get(address, max_retries=AGAIN).status == 403
    page.get_by_role("button", name="Sign out").click()
    gone(page)
    refused = contexts[0].request.get(address, max_redirects=0, max_retries=AGAIN)
    assert refused.status == (403 if site.way == "oidc" else 401)


def test_signing_out_closes_every_window(window: Window, site: Site, tmp_path: Path) -> None:
    context = window()
    page = context.new_page()
    closed(go(page, site, "methods"), site)
    if site.way == "oidc":
        shot(page, site, "door", tmp_path)
    page.close()
    page = sign_in(context, site, BOB, "methods")
    other = go(context.new_page(), site, "methods")
    for shown in (page, other):
        expect(shown.get_by_role("heading", name="Methods", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    gone(page)
    expect(other.get_by_role("heading", name="Methods", exact=True)).to_have_count(0)
    closed(go(page, site, "methods"), site)
    closed(go(other, site, "train"), site)


def test_an_idle_session_ends_and_a_used_one_does_not(window: Window, site: Site) -> None:
    context = window()
    page = sign_in(context, site, BOB, "methods")
    expect(page.get_by_role("heading", name="Methods", exact=True)).to_be_visible()
    cookies = context.storage_state()
    site.move(1700)
    page.get_by_role("link", name="Annotate").click()
    expect(page.get_by_role("heading", name="Annotate")).to_be_visible()
    site.move(3400)  # an hour after signing in, but less than half of one after the click
    page.get_by_role("link", name="Methods").click()
    search(page, "rise")
    site.move(5100)
    touch(page)
    search(page, "occlusion")
    site.move(6800)
    search(page, "rise")
    site.move(8700)  # nobody touches anything now; the page looks at the clock all the while
    gone(page)
    closed(go(page, site, "methods"), site)
    if site.way == "oidc":  # behind the proxy, its own clock is what counts for a cookie that comes back
        again = window(storage_state=cookies)
        page = go(again.new_page(), site, "methods")
        gone(page)
