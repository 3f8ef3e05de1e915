"""The whole app under AppTest, on a fake engine."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

import explain_core.data.phantom
import explain_core.engine
from explain_core.data.phantom import Phantom, phantom
from tests.pages.fake_engine import FakeEngine, Opened

ROOT = Path(__file__).resolve().parents[2]
GALLERY = {"Normal": phantom(1, 48, label=0), "Spiculated mass": phantom(2, 48, kinds=("spiculated",))}

SCAN = cache(manifest_scanner.scan_component_manifests)


@pytest.fixture(autouse=True)
def scanned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every app looks for components in all installed packages: half a second, and always the same."""
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", SCAN)


def gallery() -> dict[str, Phantom]:
    return GALLERY


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(explain_core.engine, "Engine", lambda **_: fake)
    monkeypatch.setattr(explain_core.data.phantom, "gallery", gallery)
    monkeypatch.delenv("RHOSCOPE_WORKSPACE", raising=False)
    st.cache_resource.clear()
    return fake


@pytest.fixture
def opened(engine: FakeEngine) -> Opened:
    """Opens the app at an address; no exception may reach the page."""

    def open_app(**address: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in address.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    return open_app


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty workspace, with its own database and runs."""
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    for name in ("RHOSCOPE_DB", "RHOSCOPE_RUNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"
