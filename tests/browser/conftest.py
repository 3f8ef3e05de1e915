"""The app in a process of its own, and a Chromium that looks at it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from explain_core import render
from explain_core.data.phantom import phantom
from explain_core.evaluation.asked import study_asked
from explain_core.evaluation.result import results as evaluated
from explain_core.evaluation.result import write_result
from explain_core.evaluation.run import run

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("RHOSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 200
LOOKS = [
    ("light", 1440), ("dark", 900),
    pytest.param("dark", 1440, marks=pytest.mark.slow), pytest.param("light", 900, marks=pytest.mark.slow),
]  # fmt: skip
"""Themes and widths in which a page is looked at."""
LEAVING = re.compile(
    r"Exception in ASGI application\n(?:.*\n)*?"
    r'starlette\.websockets\.WebSocketDisconnected: Cannot call "send" once a close message has been sent\.\n'
)
"""What Streamlit's server says where a browser goes before its socket is accepted; its frames are all its own."""


@dataclass(frozen=True)
class App:
    """Where the app answers, and how much work its engine has done."""

    address: str
    counter: str

    @property
    def steps(self) -> int:
        with urllib.request.urlopen(self.counter) as answer:
            return int(answer.read())


def workspace(folder: Path) -> Path:
    """A folder with one small picture, whose whole path is solved in seconds."""
    small = phantom(2, 64, kinds=("smooth",))
    (folder / "small.png").write_bytes(render.png(render.picture(small.pixels[None])))
    return folder


def results(folder: Path) -> Path:
    """A folder with one protocol run on two networks, over the same few pictures."""
    for model in ("demo", "demo-shortcut"):
        methods = ("gradcam", "gradient")
        study = study_asked("pb-table-2", "phantom:4,0", [model], methods, (), None, None, 0, "cpu")
        out = folder / f"table-2-{model}.json"
        write_result(out, evaluated(study, run(study, out.with_suffix(".run"))))
    return folder


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: install one, or name it in RHOSCOPE_CHROMIUM")
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def app(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    port, counter = free_port(), free_port()
    log = tmp_path_factory.mktemp("app") / "log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment["RHOSCOPE_WORKSPACE"] = str(workspace(tmp_path_factory.mktemp("workspace")))
    environment["RHOSCOPE_HOME"] = str(tmp_path_factory.mktemp("home"))
    environment["RHOSCOPE_RUNS"] = str(results(tmp_path_factory.mktemp("results")))
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(port), str(counter)]
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out) as served:
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", served)
            yield App(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{counter}")
        finally:
            served.terminate()
    check_log(log)


def check_log(log: Path) -> None:
    """Nothing of ours went wrong."""
    text = LEAVING.sub("", log.read_text())
    assert "Traceback" not in text, text


def wait_for(address: str, served: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address).close()
            return
        except OSError:
            if served.poll() is not None:
                break
            time.sleep(0.1)
    pytest.fail("the app did not start")


@dataclass
class Served:
    """The app in a process of its own, over a workspace that outlives it."""

    home: Path
    data: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {"RHOSCOPE_HOME": self.home, "RHOSCOPE_RUNS": self.home / "runs", "PYTHONPATH": ROOT}
        return {**os.environ, **{name: str(path) for name, path in own.items()}, "OMP_NUM_THREADS": "1"}

    def start(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(self.port), str(free_port())]
        with (self.home / "app.log").open("a") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        wait_for(f"http://127.0.0.1:{self.port}/_stcore/health", self.process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait()

    def work(self) -> None:
        """Carries out what waits, as the page's own worker does."""
        subprocess.run([sys.executable, "-m", "cli", "worker", "--until-idle", "--device", "cpu"], cwd=ROOT,
                       env=self.environment, check=True, capture_output=True, timeout=PATIENCE)  # fmt: skip


def choose(page: Page, label: str, *names: str) -> None:
    """Exactly these in the first multiselect, which has this label; waits until each is taken."""
    box = page.get_by_role("combobox", name=label)
    box.wait_for()
    tags = page.get_by_test_id("stMultiSelect").first.locator(".react-aria-ComboBox [data-tag]")
    while shown := tags.count():
        tags.first.get_by_label("Remove").click()
        expect(tags).to_have_count(shown - 1)
    for already, name in enumerate(names):
        box.fill(name)
        page.get_by_role("option", name=name, exact=True).click()
        expect(tags).to_have_count(already + 1)
    page.keyboard.press("Escape")


def at_rest(page: Page) -> None:
    """Waits until the page is drawn to its end: what it no longer shows stands there until then."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


@pytest.fixture
def look(chromium: Browser, app: App) -> Iterator[Callable[..., Page]]:
    """Opens the app in a fresh window: `look("?rho=0.02", width=900, scheme="dark")`."""
    windows = []

    def opened(where: str = "", *, width: int = 1440, height: int = 1500, scheme: str = "light") -> Page:
        window = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        window.set_default_timeout(PATIENCE * 1000)
        windows.append(window)
        page = window.new_page()
        page.goto(f"{app.address}/{where}")
        return page

    yield opened
    for window in windows:
        window.close()
