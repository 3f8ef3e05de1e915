"""The app's start: the server is up and a page is drawn before torch is there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.parts import starting
from tests.pages.fake_engine import Opened

ROOT = Path(__file__).resolve().parents[2]
SLOW = {"torch", "scipy", "pandas", "pydicom", "highdicom", "safetensors"}

SERVED = f"""
import asyncio, sys
import app
from pages.parts import starting
print("imported", *sorted({SLOW!r} & set(sys.modules)))
async def serve():
    async with app.opened(app.app):
        starting._readers[0].join()
asyncio.run(serve())
print("served", *sorted({{"torch", "explain_core.engine"}} & set(sys.modules)))
"""

DRAWN = """
import sys, threading
from streamlit.testing.v1 import AppTest
from pages.parts import starting
held = threading.Event()
starting._readers.append(threading.Thread(target=held.wait, daemon=True))
starting._readers[0].start()
page = AppTest.from_file("app.py", default_timeout=60).run()
assert not page.exception
print("torch" in sys.modules, any("engine is starting" in text.value for text in page.markdown))
"""


def in_a_process_of_its_own(code: str, home: Path) -> list[str]:
    settings = {**os.environ, "RHOSCOPE_HOME": str(home), "STREAMLIT_SERVER_HEADLESS": "true"}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.split("\n")[:-1]


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A start that takes as long as the test wants."""
    go = threading.Event()
    reader = threading.Thread(target=go.wait)
    monkeypatch.setattr(starting, "_readers", [reader])
    reader.start()
    yield go
    go.set()
    reader.join()


def test_the_server_imports_torch_only_once_it_is_up(home: Path) -> None:
    assert in_a_process_of_its_own(SERVED, home) == ["imported", "served explain_core.engine torch"]


def test_the_first_page_is_drawn_without_torch(home: Path) -> None:
    assert in_a_process_of_its_own(DRAWN, home) == ["False True"]


def test_explore_takes_over_when_the_engine_is_there(held: threading.Event, opened: Opened) -> None:
    app = opened(phantom="1")
    assert any("engine is starting" in text.value for text in app.markdown)
    assert not app.selectbox
    held.set()
    starting._readers[0].join()
    app.run()
    assert not app.exception
    assert not any("engine is starting" in text.value for text in app.markdown)
    assert app.selectbox(key="phantom").value == 1


def test_an_address_that_means_no_phantom_is_no_fault(held: threading.Event, opened: Opened) -> None:
    for phantom in ("99", "-1", "²", "x"):
        assert any("engine is starting" in text.value for text in opened(phantom=phantom).markdown)
    assert any("engine is starting" in text.value for text in opened(source="upload").markdown)


def test_other_pages_do_not_wait(held: threading.Event, opened: Opened) -> None:
    app = opened()
    app.switch_page("pages/annotate.py").run()
    assert not any("engine is starting" in text.value for text in app.markdown)


def test_a_setting_that_cannot_be_is_said(opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RHOSCOPE_CACHE", str(tmp_path / "file" / "kept"))
    assert "RHOSCOPE_CACHE" in opened().error[0].value
