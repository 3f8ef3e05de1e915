"""The Campaigns page: items are made by a run, a campaign is opened about them, answers are weighed."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from annotations.adjudication import Adjudications
from annotations.campaigns import Campaigns
from annotations.database import Database, open_database
from annotations.people import People
from annotations.queue import Queue
from annotations.runs import RunStore
from pages.parts import runs
from tests.annotations.bundles import item, write_bundle
from tests.pages.acting import press, view
from tests.pages.fake_engine import Opened


@pytest.fixture(autouse=True)
def database(home: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Ada organises, bob and cyd answer; no worker is started."""
    monkeypatch.setattr(runs, "set_going", lambda: None)
    opened = open_database()
    people = People(opened)
    people.add("ada", "admin")
    for name in ("bob", "cyd"):
        people.add(name, "annotator", by="ada")
    return opened


@pytest.fixture
def page(opened: Opened) -> AppTest:
    app = opened()
    app.switch_page("pages/campaigns.py").run()
    assert not app.exception
    return app


def built(tmp_path: Path, *, png: bool = False) -> None:
    items = [item("a"), item("b"), item("g", "gold", truth="changed")]
    write_bundle(tmp_path / "home/runs/lesions.campaign/bundle", items, png=png)


def test_items_are_made_by_a_run(page: AppTest, database: Database) -> None:
    assert "no campaign yet" in page.info[0].value
    view(page, "build", "campaigns")
    page.text_input(key="campaign-data").set_value("phantom-patches:40,5")
    page.text_input(key="campaign-build").set_value("../lesions").run()
    press(page, "Make them")
    assert "letters, digits" in page.error[0].value
    page.text_input(key="campaign-build").set_value("lesions")
    page.number_input(key="campaign.items").set_value(12).run()
    press(page, "Make them")
    (run,) = RunStore(database).find()
    assert (run.kind, run.title, run.spec["data"]) == ("campaign", "lesions", "phantom-patches:40,5")
    assert (run.spec["params"]["items"], run.spec["params"]["strategy"]) == (12, "random")


def test_a_campaign_is_opened_about_what_was_built(page: AppTest, database: Database, tmp_path: Path) -> None:
    built(tmp_path)
    view(page, "build", "campaigns")
    press(page, "Open")
    (campaign,) = Campaigns(database).find()
    assert (campaign.name, campaign.author, campaign.plan.overlap, campaign.items) == ("lesions", "ada", 2, 3)
    assert not any(button.label == "Open" for button in page.button)
    view(page, "all", "campaigns")
    press(page, "Close")
    assert Campaigns(database).get("lesions").state == "closed"
    press(page, "Open again")
    assert Campaigns(database).get("lesions").state == "open"


def test_answers_are_weighed(page: AppTest, database: Database, tmp_path: Path) -> None:
    built(tmp_path)
    press(view(page, "build", "campaigns"), "Open")
    queue = Queue(database)
    for rater, answers in (("bob", ("unchanged", "changed", "changed")), ("cyd", ("unchanged", "unsure", "unsure"))):
        for answer in answers:
            task = queue.next("lesions", rater)
            assert task is not None
            queue.answer(task.token, answer, secrets.token_hex(4), active_ms=1500)
    view(page, "all", "campaigns")
    _, agreement, care, people, apart = (frame.value for frame in page.dataframe)
    assert agreement["Value"][0] == 0.5
    assert [text[:6] for text in care["Gold items right"]] == ["1 of 1", "0 of 1"]
    assert people["Seconds an item"].tolist() == [1.5, 1.5]
    assert apart.to_dict("records") == [
        {"Item": "b", "bob": "No longer the original class", "cyd": "Unsure", "Decided": ""}
    ]
    assert len(page.get("download_button")) == 2


def test_where_people_disagree_an_organiser_decides_and_takes_it_back(
    page: AppTest, database: Database, tmp_path: Path
) -> None:
    built(tmp_path, png=True)
    press(view(page, "build", "campaigns"), "Open")
    queue = Queue(database)
    for rater, answers in (("bob", ("unchanged", "changed")), ("cyd", ("unsure", "unchanged"))):
        for answer in answers:
            task = queue.next("lesions", rater)
            assert task is not None
            queue.answer(task.token, answer, secrets.token_hex(4), note="an ear" if answer == "unsure" else "")
    view(page, "all", "campaigns")
    choice = page.selectbox(key="adjudicate-lesions")
    assert choice.options == ["a", "b"]
    choice.set_value("a").run()
    assert [text.value for text in page.text] == ["bob: Unchanged", "cyd: Unsure  “an ear”"]
    pictures = [picture for each in page.get("image") for picture in each.proto.imgs]
    assert [picture.caption for picture in pictures] == ["Original", "Adversarial"]
    assert page.radio(key="decision-lesions-a").value is None
    press(page, "Decide")
    assert page.warning[0].value == "Choose an answer first."
    page.radio(key="decision-lesions-a").set_value("unchanged")
    page.text_input(key="decision-note-lesions-a").set_value("the ear is there")
    press(page, "Decide")
    made = Adjudications(database).find("lesions")["a"]
    assert (made.answer, made.by, made.note) == ("unchanged", "ada", "the ear is there")
    assert page.selectbox(key="adjudicate-lesions").options == ["b", "a (decided)"]
    assert "Decided: Unchanged, by ada: “the ear is there”" in page.info[0].value
    assert page.dataframe[4].value["Decided"].tolist() == ["Unchanged (ada)", ""]
    press(page, "Take back")
    assert Adjudications(database).find("lesions") == {}
    assert [button.label for button in page.button].count("Decide") == 1


def test_only_organisers_are_let_in(page: AppTest, database: Database) -> None:
    assert page.selectbox(key="who").options == ["ada"]
    people = People(database)
    people.add("eve", "admin", by="ada")
    people.change("ada", role="annotator", by="eve")
    people.change("eve", active=True, by="eve")
    page.run()
    assert page.selectbox(key="who").options == ["eve"]
