"""The Train page on a real table of runs: recipes edited, mistakes said, runs started and looked at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

import pages.parts.runs
from annotations.database import open_database
from annotations.runs import RunStore
from explain_core.records import Run
from explain_core.training.recipe import Recipe, load_recipe, parse_recipe
from pages.parts.recipe_form import changed
from tests.pages.acting import press
from tests.pages.fake_engine import Opened
from tests.pages.reading import texts


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path))
    monkeypatch.setenv("RHOSCOPE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(pages.parts.runs, "start_worker", lambda home: None)
    return tmp_path


@pytest.fixture
def page(workspace: Path, opened: Opened) -> AppTest:
    return opened().switch_page("pages/train.py").run()


@pytest.fixture
def store(workspace: Path) -> RunStore:
    return RunStore(open_database())


@pytest.fixture
def data(tmp_path: Path) -> str:
    np.savez(tmp_path / "few.npz", x=np.zeros((30, 32, 32, 3), np.uint8), y=np.arange(30) % 10)
    return f"npz:{tmp_path / 'few.npz'}"


def errors(page: AppTest) -> list[str]:
    return [error.value for error in page.error]


def recipe_shown(page: AppTest) -> Recipe:
    """What stands in the TOML that is offered."""
    return parse_recipe(next(code.value for code in page.code if "[schedule]" in code.value))


def own(page: AppTest, text: str) -> AppTest:
    page.segmented_control(key="train-paper").set_value("Your own").run()
    return page.text_area(key="train-text").set_value(text).run()


def submitted(page: AppTest, data: str, name: str = "mine") -> AppTest:
    page.text_input(key="train-data").set_value(data)
    page.text_input(key="train-name").set_value(name).run()
    return press(page, "Start training")


def ended(store: RunStore, folder: Path, title: str, recipe: Recipe, *points: dict[str, float]) -> Run:
    run = store.submit("train", {"recipe": recipe.as_dict(), "data": "npz:x", "n": None}, title=title, out=folder)
    held = store.claim("w", "here", "cpu", kinds=["train"], at_once=1)
    assert held is not None
    folder.mkdir(parents=True)
    lines = [json.dumps({"step": 10 * step, "epoch": step, **values}) for step, values in enumerate(points, 1)]
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    (folder / "log.txt").write_text("it went well\n")
    store.finish(held)
    return run


def test_a_recipe_is_laid_out_as_it_is(page: AppTest) -> None:
    assert recipe_shown(page) == load_recipe("ae-cifar10")
    for paper, name in (("AE", "ae-all"), ("Sparse", "sparse-elastic-net"), ("AE", "ae-cifar10")):
        page.segmented_control(key="train-paper").set_value(paper).run()
        page.selectbox(key=f"train-recipe-{paper}").set_value(name).run()
        assert recipe_shown(page) == load_recipe(name)
    assert errors(page) == []


def test_every_field_that_is_edited_reaches_the_recipe(page: AppTest) -> None:
    page.number_input(key="train.schedule.epochs").set_value(7)
    page.selectbox(key="train.network.preact-resnet.activation").set_value("hhrelu")
    page.multiselect(key="train-terms").set_value(["cross-entropy", "lipschitz"]).run()
    page.number_input(key="train.terms.lipschitz.zeta").set_value(0.5).run()
    shown, before = recipe_shown(page), load_recipe("ae-cifar10")
    assert (shown.schedule.epochs, list(shown.terms)) == (7, ["cross-entropy", "lipschitz"])
    found = changed(before, shown)
    assert found["schedule.epochs"] == "7"
    assert found["network.activation"] == "hhrelu"
    assert found["terms.lipschitz.zeta"] == "0.5"
    assert found["terms.crop-and-flip.pad"] == "left out"
    assert "Changed from ae-cifar10: " in shown.note
    press(page, "Undo the changes")
    assert recipe_shown(page) == before


def test_another_architecture_has_its_own_knobs(page: AppTest) -> None:
    page.selectbox(key="train-architecture").set_value("mlp").run()
    assert recipe_shown(page).architecture == "mlp"


def test_a_fault_stands_beside_its_field_and_nothing_can_be_started(page: AppTest) -> None:
    page.text_input(key="train.schedule.milestones").set_value("soon").run()
    assert errors(page)[0].startswith("milestones = 'soon': it must be epochs")
    assert "To be corrected first: schedule." in errors(page)
    assert next(button for button in page.button if button.label == "Start training").disabled
    page.text_input(key="train.schedule.milestones").set_value("")
    page.selectbox(key="train.schedule.keep").set_value("best").run()
    assert "keep = 'best': no pictures are held out to choose by" in errors(page)[0]
    page.number_input(key="train.schedule.validation").set_value(0.1).run()
    assert errors(page) == []
    page.multiselect(key="train-terms").set_value([]).run()
    assert errors(page) == ["To be corrected first: terms (one at least, cross-entropy)."]


def test_a_recipe_of_ones_own(page: AppTest) -> None:
    own(page, 'base = "ae-lipschitz"\n[schedule]\nepochs = 3')
    assert recipe_shown(page) == parse_recipe('base = "ae-lipschitz"\n[schedule]\nepochs = 3')


BASED = 'base = "ae-cifar10"\n'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[schedule", "is no TOML"),
        (f"{BASED}[schedule]\nepoch = 3", "schedule: No parameter 'epoch'"),
        (f"{BASED}[terms.lipschitz]\nz = 9", "terms.lipschitz: z = 9"),
        (f"{BASED}[terms.lipshitz]", "terms: No term 'lipshitz'"),
        ('base = "nowhere"', "No recipe 'nowhere'"),
        ("schedule = 3\n[network]\narchitecture = 'mlp'\n[terms.cross-entropy]", "schedule = 3: it must be a table"),
    ],
)
def test_mistakes_in_it_name_the_field(page: AppTest, text: str, fault: str) -> None:
    own(page, text)
    assert fault in errors(page)[0]
    assert len(errors(page)) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_no_text_breaks_the_page(page: AppTest, text: str) -> None:
    own(page, text)
    assert not page.exception


def test_what_it_takes_is_counted_when_the_pictures_were_looked_at(page: AppTest, data: str) -> None:
    assert "is counted once the pictures have been looked at" in texts(page)
    page.text_input(key="train-data").set_value(data).run()
    press(page, "Look at the pictures")
    assert "30 pictures, 10 classes: airplane" in texts(page)
    assert "**6,000 passes**" in texts(page)
    page.number_input(key="train-n").set_value(20).run()
    assert "is counted once" in texts(page)


def test_start_puts_a_row_into_the_table(page: AppTest, store: RunStore, workspace: Path, data: str) -> None:
    page.number_input(key="train-n").set_value(25).run()
    submitted(page, data)
    (run,) = store.find()
    assert (run.kind, run.title, run.state, run.folder) == (
        "train", "mine", "waiting", workspace / "runs" / "mine.train"
    )  # fmt: skip
    assert (run.spec["data"], run.spec["n"]) == (data, 25)
    assert Recipe.of(dict(run.spec["recipe"])) == load_recipe("ae-cifar10")
    assert page.segmented_control(key="train-view").value == "runs"
    assert page.multiselect(key="runs").value == [run.id]


def test_what_cannot_be_started_says_why(page: AppTest, store: RunStore, workspace: Path, data: str) -> None:
    for spec, name, fault in (
        ("", "mine", "Training pictures: none given"),
        ("npz:nowhere.npz", "mine", "nowhere.npz"),
        ("nothing:x", "mine", "is of no known form"),
        (data, "../mine", "letters, digits"),
    ):
        assert fault in errors(submitted(page, spec, name))[0]
    (workspace / "runs" / "mine.train").mkdir(parents=True)
    assert "there is such a run already" in errors(submitted(page, data))[0]
    assert store.find() == []


def test_a_run_is_watched_cancelled_and_continued(page: AppTest, store: RunStore, data: str) -> None:
    submitted(page, data)
    held = store.claim("w", "here", "cpu", kinds=["train"], at_once=1)
    assert held is not None
    store.report(held, 0.25, "epoch 2 of 8, about 1 min left")
    page.run()
    table = page.dataframe[0].value
    assert list(table["State"]) == ["running"]
    assert list(table["Note"]) == ["epoch 2 of 8, about 1 min left"]
    page.button(key=f"cancel-{held.id}").click().run()
    assert store.get(held.id).cancel_asked
    store.stopped(held)
    page.run()
    page.button(key=f"continue-{held.id}").click().run()
    assert store.get(held.id).state == "waiting"


def test_finished_runs_are_compared_and_used(
    store: RunStore, workspace: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workspace / "runs"
    first = ended(store, folder / "first.train", "first", load_recipe("ae-cifar10"), {"accuracy": 0.5})
    recipe = load_recipe("ae-cifar10", ("schedule.rate=0.05",))
    second = ended(store, folder / "second.train", "second", recipe, {"accuracy": 0.25}, {"accuracy": 0.75})
    page = opened().switch_page("pages/train.py").run()
    assert page.multiselect(key="runs").value == [second.id]
    page.multiselect(key="runs").set_value([first.id, second.id]).run()
    assert not page.exception
    _, stand, differ = (table.value for table in page.dataframe)
    assert dict(stand.loc["accuracy"]) == {"first": 0.5, "second": 0.75}
    assert differ.to_dict("records") == [{"field": "schedule.rate", "first": "0.2", "second": "0.05"}]
    page.text_input(key="train-measured").set_value("npz:test.npz").run()
    press(page, "Start measuring")
    asked = store.find(kind="evaluate")
    assert {run.spec["name"] for run in asked} == {"accuracy-under-attack", "vii"}
    networks = {f"trained:{folder / name / 'network'}" for name in ("first.train", "second.train")}
    assert all(set(run.spec["models"]) == networks for run in asked)
    page.text_input(key="train-register-name").set_value("no name").run()
    assert any("letters (a to z)" in error for error in errors(press(page, "Register")))


def test_a_table_that_cannot_be_read_is_said(page: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "letter.db").write_text("no database " * 100)
    monkeypatch.setenv("RHOSCOPE_DB", f"sqlite:///{workspace / 'letter.db'}")
    page.run()
    assert any("no SQLite database" in error for error in errors(page))
