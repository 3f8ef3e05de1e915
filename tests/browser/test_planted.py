"""What Review and Read send, receive and say of planted films in a real browser: nothing planted is in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, WebSocket, expect

from annotations.reading.answers import FINAL
from annotations.reading.reads import Reads
from tests.browser.conftest import PATIENCE, Served, check_log
from tests.browser.test_read import sat_down
from tests.browser.test_review import press, seen
from tests.dicom.traces import traces, traces_below
from tests.reading.planted_study import films, read_step, set_up, workspace_database

pytestmark = pytest.mark.browser


@dataclass
class Heard:
    """All that goes between a page and the app, and what the page says of itself."""

    addresses: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("request", self._request)
        page.on("response", self._answer)
        page.on("console", self._console)
        page.on("websocket", self._socket)

    def _request(self, request: Request) -> None:
        self.addresses += [request.url, *request.headers.values()]
        self.sent.append(request.post_data_buffer or b"")

    def _answer(self, answer: Response) -> None:
        self.answers.append(answer)

    def _console(self, message: ConsoleMessage) -> None:
        self.said.append(message.text)

    def _socket(self, socket: WebSocket) -> None:
        self.addresses.append(socket.url)
        socket.on("framesent", lambda frame: self.sent.append(_bytes(frame)))
        socket.on("framereceived", lambda frame: self.received.append(_bytes(frame)))

    def look(self, page: Page) -> None:
        """What can be seen of the page, and what it keeps."""
        kept = "[document.title, location.href, document.cookie, JSON.stringify({...localStorage, ...sessionStorage})]"
        self.said += [*page.evaluate(kept), page.content(), page.locator("body").inner_text()]
        told = [answer for answer in self.answers if answer.request.resource_type in ("fetch", "xhr") and answer.ok]
        self.received += [answer.body() for answer in told]
        self.answers.clear()


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


@pytest.fixture(scope="module")
def served(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The study s: bob has read nothing, cyd has a final step with an explanation at hand."""
    folder = tmp_path_factory.mktemp("planted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHOSCOPE_HOME", str(folder / "home"))
        do, made = set_up(folder), Served(folder / "home", "")
        database = workspace_database()
        while (task := Reads(database).task("s", "cyd")) and not (task.step == FINAL and task.form.letters):
            read_step(do, database, "cyd")
        made.start()
        yield made
        made.stop()
    check_log(made.home / "app.log")


@pytest.fixture
def sit_down(chromium: Browser) -> Iterator[Callable[[], tuple[Page, Heard]]]:
    windows = []

    def opened() -> tuple[Page, Heard]:
        window, heard = chromium.new_context(viewport={"width": 1440, "height": 900}), Heard()
        window.set_default_timeout(PATIENCE * 1000)
        windows.append(window)
        page = window.new_page()
        heard.listen(page)
        return page, heard

    yield opened
    for window in windows:
        window.close()


def nothing_planted(page: Page, heard: Heard, served: Served) -> None:
    """In what was heard, which does tell of films, nor in what the app has written."""
    heard.look(page)
    assert any(one.film.encode() in frame for one in films() for frame in heard.received)
    assert any("/pixels/" in address for address in heard.addresses)
    assert heard.sent
    assert traces(*heard.addresses, *heard.sent, *heard.received, *heard.said) == []
    assert traces_below(served.home) == {}


def test_review_tells_nothing_planted(served: Served, sit_down: Callable[[], tuple[Page, Heard]]) -> None:
    page, heard = sit_down()
    page.goto(f"http://127.0.0.1:{served.port}/review")
    page.locator(".films").first.wait_for()
    press(seen(page), "0", "i", "ArrowRight", "e", "Enter")
    expect(page.get_by_text("1 regions are drawn")).to_be_visible()
    nothing_planted(page, heard, served)


@pytest.mark.parametrize(("reader", "words"), [("bob", "unaided, before"), ("cyd", "final, with")])
def test_read_tells_nothing_planted(
    served: Served, sit_down: Callable[[], tuple[Page, Heard]], reader: str, words: str
) -> None:
    page, heard = sit_down()
    sat_down(page, served, reader).get_by_role("button", name="Read case").click()
    expect(page.get_by_text(words)).to_be_visible()
    seen(page)
    nothing_planted(page, heard, served)
