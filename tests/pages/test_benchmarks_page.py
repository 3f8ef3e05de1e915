"""The Benchmarks page's runs, on a real table; only the worker is not started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import pages.parts.runs
from annotations.database import open_database
from annotations.runs import RunStore
from explain_core.records import Run
from tests.pages.fake_engine import Opened
from tests.pages.reading import texts


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path))
    monkeypatch.setenv("RHOSCOPE_RUNS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where a worker was started."""
    homes: list[Path] = []
    monkeypatch.setattr(pages.parts.runs, "start_worker", homes.append)
    return homes


@pytest.fixture
def page(results: Path, started: list[Path], opened: Opened) -> AppTest:
    return opened().switch_page("pages/benchmarks.py").run()


@pytest.fixture
def store(results: Path) -> RunStore:
    return RunStore(open_database())


def only(store: RunStore) -> Run:
    (run,) = store.find()
    return run


def submitted(page: AppTest, name: str) -> AppTest:
    page.selectbox(key="bench-what").set_value("vii").run()
    next(box for box in page.text_input if box.label == "Name of the result").set_value(name)
    return next(button for button in page.button if button.label == "Start").click().run()


def bars(page: AppTest) -> list[str]:
    return [bar.proto.text for bar in page.get("progress")]  # type: ignore[attr-defined]


def test_start_puts_a_row_into_the_table(page: AppTest, store: RunStore, results: Path, started: list[Path]) -> None:
    submitted(page, "mine")
    run = only(store)
    assert (run.kind, run.title, run.state, run.folder) == ("evaluate", "mine", "waiting", results / "mine.run")
    assert run.spec["name"] == "vii"
    assert started[0] == results.parent
    page.run()
    assert bars(page) == ["mine: waiting"]


def test_a_name_is_used_once_at_a_time(page: AppTest, store: RunStore) -> None:
    submitted(page, "mine")
    submitted(page, "mine")
    assert ["already" in error.value for error in page.error] == [True]
    submitted(page, "../mine")
    assert any("letters, digits" in error.value for error in page.error)
    assert only(store).title == "mine"


def test_progress_cancel_and_continue(page: AppTest, store: RunStore, results: Path, started: list[Path]) -> None:
    run = store.submit("evaluate", {"name": "vii"}, title="slow", out=results / "slow.run")
    held = store.claim("w", "here", "cpu", kinds=["evaluate"], at_once=1)
    assert held is not None
    store.report(held, 0.25, "arm 1 of 4")
    page.run()
    assert bars(page)[0].startswith("slow: running · arm 1 of 4")
    assert page.get("progress")[0].proto.value == 25  # type: ignore[attr-defined]
    page.button(key=f"cancel-{run.id}").click().run()
    assert store.get(run.id).cancel_asked
    store.stopped(held)
    page.run()
    assert bars(page) == ["slow: cancelled"]
    page.button(key=f"continue-{run.id}").click().run()
    assert store.get(run.id).state == "waiting"
    assert started


def test_a_failure_and_what_it_said_are_shown(page: AppTest, store: RunStore, results: Path) -> None:
    store.submit("evaluate", {"name": "vii"}, title="bad", out=results / "bad.run")
    held = store.claim("w", "here", "cpu", kinds=["evaluate"], at_once=1)
    assert held is not None
    held.folder.mkdir(parents=True)
    held.log.write_text(f"reading {Path.home()}/films\n")
    store.fail(held, "No model 'x'.")
    page.run()
    assert [error.value for error in page.error] == ["No model 'x'."]
    assert "reading ~/films" in [code.value.strip() for code in page.code]
    assert "bad: failed" in bars(page)


def test_folders_of_earlier_versions_become_runs_untouched(page: AppTest, store: RunStore, results: Path) -> None:
    arguments = ["vii", "--data", "phantom:4,0", "--n", "4", "--seed", "1", "--model", "demo"]
    for name, result in (("old", False), ("older", True), ("by-shell", False)):
        folder = results / f"{name}.run"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        if result:
            (results / f"{name}.json").write_text(json.dumps({"format": 0}))
        if name == "old":
            (folder / "process.json").write_text(json.dumps({"pid": 1, "arguments": arguments}))
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    page.run()
    found = {run.title: run for run in store.find()}
    assert {title: run.state for title, run in found.items()} == {
        "old": "interrupted", "older": "done", "by-shell": "interrupted"
    }  # fmt: skip
    assert found["old"].spec == {
        "name": "vii", "data": "phantom:4,0", "n": 4, "seed": 1, "models": ["demo"], "methods": [], "settings": [],
        "rho": None,
    }  # fmt: skip
    page.button(key=f"continue-{found['by-shell'].id}").click().run()
    assert any("from a shell" in error.value for error in page.error)
    (results / "by-shell.json").write_text(json.dumps({"format": 0}))
    page.run()
    assert store.get(found["by-shell"].id).state == "done"
    assert {path: path.read_bytes() for path in before} == before


def test_a_table_that_cannot_be_read_is_said(page: AppTest, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (results.parent / "letter.db").write_text("no database " * 100)
    monkeypatch.setenv("RHOSCOPE_DB", f"sqlite:///{results.parent / 'letter.db'}")
    page.run()
    assert any("no SQLite database" in error.value for error in page.error)
    assert "Traceback" not in "".join(texts(page))


def test_an_ara_says_by_which_search_it_was_found(page: AppTest) -> None:
    page.multiselect(key="bench-results").set_value(["six-ae-ara"]).run()
    (told,) = [text.value for text in page.caption if text.value.startswith("Search: ")]
    assert told.startswith("Search: algorithm-1 triangular clipped.")
    assert "optimistic bound" in told
    page.multiselect(key="bench-results").set_value(["six-nm-vii"]).run()
    assert not [text for text in page.caption if text.value.startswith("Search: ")]
