"""Reader studies on the Campaigns page: computed by a run, set up, opened, watched, and what comes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from annotations.database import Database, open_database
from annotations.people import People
from annotations.reading.bundle import read_study
from annotations.reading.overseeing import Overseer
from annotations.reading.reads import Reads
from annotations.reading.studies import CLOSED, DRAFT, OPEN, Plan, Studies, Study
from annotations.runs import RunStore
from explain_core.data.sources import load_data
from explain_core.reading.cases import read_cases
from pages.parts import runs
from tests.annotations.studies import ARMS, answers, case, film_of, write_study
from tests.pages.acting import press, view
from tests.pages.fake_engine import Opened
from tests.pages.reading import texts

CASES = [case("try", 1, practice=True), *(case(name, label) for name, label in zip("abcd", [0, 1] * 2, strict=True))]
SCORES = {"a": 10, "b": 80, "c": 20, "d": 90}


@pytest.fixture(autouse=True)
def database(home: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Ada and eve organise, bob and cyd read; no worker is started."""
    monkeypatch.setattr(runs, "set_going", lambda: None)
    opened = open_database()
    people = People(opened)
    people.add("ada", "admin")
    people.add("eve", "researcher", by="ada")
    for name in ("bob", "cyd"):
        people.add(name, "clinician", by="ada")
    return opened


@pytest.fixture
def page(opened: Opened) -> AppTest:
    """Ada at the page."""
    app = opened()
    app.switch_page("pages/campaigns.py").run()
    app.selectbox(key="who").set_value("ada").run()
    assert not app.exception
    return app


def built(home: Path, failed: str = "") -> Path:
    return write_study(home / "runs/first.study/bundle", CASES, ARMS, failed)


def made(database: Database, home: Path, readers: tuple[str, ...] = ("bob", "cyd"), failed: str = "") -> Study:
    bundle = read_study(built(home, failed))
    return Studies(database).create("s", bundle, by="ada", plan=Plan(washout_s=0), readers=readers)


def read_all(database: Database, reader: str) -> None:
    reads, names = Reads(database), {film_of(name): name for name in ("try", *SCORES)}
    while (task := reads.task("s", reader)) is not None:
        score = SCORES.get(names[task.films[0]["film"]], 50)
        given = answers(task.step, task.form.letters, score=score)
        kept = reads.save(task.token, given, revision=0, key=f"{task.token} s")
        reads.lock(task.token, revision=kept.revision, key=f"{task.token} l")


def test_a_build_is_a_run_with_cases_and_arms(page: AppTest, database: Database, home: Path) -> None:
    view(page, "study", "campaigns")
    page.text_input(key="study-title").set_value("Phantoms")
    page.number_input(key="study-cases-count").set_value(12)
    page.multiselect(key="study-arm-1-methods").set_value(["gradcam"])
    page.checkbox(key="study-arm-1-output").check()
    page.text_input(key="study-arm-1").set_value("with help")
    page.text_input(key="study-build").set_value("../first").run()
    press(page, "Compute")
    assert "letters, digits" in page.error[0].value
    page.text_input(key="study-build").set_value("first").run()
    press(page, "Compute")
    assert "Arm 'with help': letters, digits and dashes" in page.error[0].value
    page.text_input(key="study-arm-1").set_value("aided").run()
    press(page, "Compute")
    assert not page.error
    (run,) = RunStore(database).find()
    assert (run.kind, run.title, run.out) == ("study", "first", str(home / "runs/first.study"))
    assert dict(run.spec) == {
        "model": "demo", "data": "phantom:12,5", "practice": "phantom:2,6", "arms": ["alone=", "aided=gradcam+output"],
        "target": "top1", "title": "Phantoms", "seed": 0, "truth": "", "films": "",
    }  # fmt: skip
    assert "first: waiting" in page.get("progress")[0].proto.text
    press(page, "Cancel")
    assert RunStore(database).find()[0].state == "cancelled"


def test_films_come_with_a_table_of_what_is_true(page: AppTest, database: Database, home: Path) -> None:
    view(page, "study", "campaigns")
    page.segmented_control(key="study-cases").set_value("films").run()
    page.text_input(key="study-title").set_value("Films")
    page.text_input(key="study-build").set_value("films")
    page.file_uploader(key="study-truth").upload("t.csv", b"case,label\nP1/E1,2\n", "text/csv").run()
    press(page, "Compute")
    assert page.error[0].value == "The table, line 2: each case once, with the label 0 or 1."
    assert not (home / "runs/films.study").exists()
    page.file_uploader(key="study-truth").upload("t.csv", b"case,label\nP1/E1,1\n", "text/csv").run()
    press(page, "Compute")
    (run,) = RunStore(database).find()
    assert (run.spec["data"], Path(run.spec["truth"]).read_bytes()) == ("films", b"case,label\nP1/E1,1\n")
    press(page, "Compute")
    assert "There is a build 'films' already" in page.error[0].value


def test_a_study_is_set_up_about_what_was_built(page: AppTest, database: Database, home: Path) -> None:
    built(home)
    view(page, "study", "campaigns")
    told = "4 cases, 4 of known truth, and 1 to practise. alone: nothing; aided: gradcam, the model's output."
    assert told in texts(page)
    page.text_input(key="study-name-first").set_value("no name")
    press(page, "Set it up")
    assert "a letter or digit, then letters, digits, dashes" in page.error[0].value
    page.text_input(key="study-name-first").set_value("s")
    page.multiselect(key="study-readers").set_value(["bob", "cyd"])
    page.number_input(key="study-washout").set_value(7.0)
    page.number_input(key="study-seed").set_value(3)
    press(page, "Set it up")
    study = Studies(database).get("s")
    assert (study.state, study.author, study.plan) == (DRAFT, "ada", Plan(3, 7 * 86400, 900))
    assert [one.reader for one in study.readers] == ["bob", "cyd"]
    assert "s is set up, as a draft" in page.success[0].value
    assert not any(button.label == "Set it up" for button in page.button)


def test_what_failed_is_seen_before_and_after_and_opened_without_by_choice(
    page: AppTest, database: Database, home: Path
) -> None:
    built(home, failed="c")
    view(page, "study", "campaigns")
    assert page.dataframe[0].value.to_dict("records") == [{"Case": "c", "Why": "gradcam: It did not."}]
    spec = {"data": "phantom:4,5"}
    RunStore(database).submit("study", spec, title="first", out=home / "runs/first.study")
    RunStore(database).ask_cancel(RunStore(database).find()[0].id)
    press(page, "Build it again")
    assert [(run.state, run.spec, run.out) for run in RunStore(database).find()] == [
        (state, spec, str(home / "runs/first.study")) for state in ("waiting", "cancelled")
    ]
    Studies(database).create("s", read_study(home / "runs/first.study/bundle"), by="ada", readers=["bob"])
    view(page, "studies", "campaigns")
    assert "1 blocked" in page.warning[0].value
    assert page.button(key="study-state").disabled
    page.checkbox(key="study-without-s").check().run()
    page.button(key="study-state").click().run()
    assert Studies(database).get("s").state == OPEN
    press(page, "Close")
    assert Studies(database).get("s").state == CLOSED


def test_readers_are_added_and_watched(page: AppTest, database: Database, home: Path) -> None:
    made(database, home, readers=())
    view(page, "studies", "campaigns")
    press(page, "Open")
    assert "has no reader" in page.error[0].value
    page.selectbox(key="study-reader-s").set_value("bob").run()
    press(page, "Add")
    press(page, "Open")
    reads = Reads(database)
    for _ in range(4):  # the practice case and one more
        task = reads.task("s", "bob")
        assert task is not None
        kept = reads.save(task.token, answers(task.step, task.form.letters), revision=0, key=f"{task.token} s")
        reads.lock(task.token, revision=kept.revision, key=f"{task.token} l")
    page.run()
    progress = page.dataframe[1].value.to_dict("records")
    assert progress == [{"Reader": "bob", "Read": 1, "of": 8, "Progress": 0.125}]


def test_the_figures_are_those_of_the_analysis(page: AppTest, database: Database, home: Path) -> None:
    made(database, home)
    Studies(database).set_state("s", OPEN, by="ada")
    view(page, "studies", "campaigns")
    press(page, "Work out the figures")
    assert "nothing to analyse" in page.error[0].value
    for reader in ("bob", "cyd"):
        read_all(database, reader)
    press(page, "Work out the figures")
    drawn = [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]
    areas = drawn[0]["data"]
    assert {one["name"]: one["y"] for one in areas} == {
        "bob": [1.0] * 4, "cyd": [1.0] * 4, "mean over readers": [1.0] * 4
    }  # fmt: skip
    assert len(drawn) == 5  # and two of each arm
    assert [one["name"] for one in drawn[1]["data"] if "name" in one] == [
        "unaided, mean over readers", "final, mean over readers"
    ]  # fmt: skip
    assert [button.label for button in page.get("download_button")] == [
        "Reads (CSV)", "Findings (CSV)", "Explanations shown (CSV)", "Regions drawn (CSV)", "All figures (JSON)"
    ]  # fmt: skip
    assert "since these were worked out" not in texts(page)
    press(page, "Close")
    assert "since these were worked out" in texts(page)


def test_reads_become_a_data_set(page: AppTest, database: Database, home: Path) -> None:
    folder = home / "runs/first.study/bundle"
    cases = read_cases("phantom:4,5", "phantom:1,6", folder, folder / "films", {})
    told = [
        {"name": one.name, "practice": one.practice, "films": [film.told() for film in one.films],
         "truth": dict(one.truth), "output": {}}
        for one in cases
    ]  # fmt: skip
    bundle = read_study(write_study(folder, told, [{"name": "alone", "methods": [], "output": False}]))
    Studies(database).create("s", bundle, by="ada", plan=Plan(washout_s=0), readers=("bob", "cyd"))
    Studies(database).set_state("s", OPEN, by="ada")
    reads = Reads(database)
    positive = {one.films[0].record.film for one in cases[1:3]}
    for reader in ("bob", "cyd"):
        while (task := reads.task("s", reader)) is not None:
            given = answers(task.step, task.form.letters, score=90 if task.films[0]["film"] in positive else 10)
            kept = reads.save(task.token, given, revision=0, key=f"{task.token} s")
            reads.lock(task.token, revision=kept.revision, key=f"{task.token} l")
    view(page, "studies", "campaigns")
    page.text_input(key="reads-name").set_value("../set").run()
    assert page.button(key="reads-freeze").disabled
    page.number_input(key="reads-threshold").set_value(50).run()
    press(page, "Freeze, and make pictures")
    assert "letters, digits" in page.error[0].value
    page.text_input(key="reads-name").set_value("set").run()
    press(page, "Freeze, and make pictures")
    assert not page.error
    data = load_data(page.code[0].value)
    assert page.code[0].value == f"csv:{home / 'runs/set.labels/labels.csv'}"
    assert sorted(str(item.label) for item in data) == ["lesion"] * 2 + ["normal"] * 2
    press(page, "Freeze, and make pictures")
    assert "is there already, and is never changed" in page.error[0].value
    (home / "runs/set.labels/labels.csv").unlink()
    page.run()
    press(page, "Make its pictures")
    page.run()
    assert page.code[0].value == f"csv:{home / 'runs/set.labels/labels.csv'}"


def test_an_organiser_who_reads_is_blind_until_it_is_closed(page: AppTest, database: Database, home: Path) -> None:
    made(database, home, readers=("ada", "bob"), failed="c")
    Studies(database).set_state("s", OPEN, by="ada", without_blocked=True)
    read_all(database, "bob")
    view(page, "studies", "campaigns")
    page.selectbox(key="who").set_value("eve").run()
    press(page, "Work out the figures")
    assert "aided: gradcam" in texts(page)
    page.selectbox(key="who").set_value("ada").run()
    assert not page.exception
    assert "ada reads in this study" in texts(page)
    assert "gradcam" not in texts(page)
    assert page.dataframe[1].value.to_dict("records") == [{"Case": "c", "Why": ""}]
    assert not page.get("plotly_chart")
    assert not page.get("download_button")
    press(page, "Close")
    assert Overseer(database, "ada").table("s", "readings").startswith("study,reader,case,arm")
    assert len(page.get("download_button")) == 4
