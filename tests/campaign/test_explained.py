"""Campaigns about explanations: the bundle holds what the methods really say, and the store's question is answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from annotations.bundle import Bundle, BundleItem, read_bundle
from annotations.campaigns import Campaigns, Plan
from annotations.database import open_database
from annotations.people import People
from annotations.queue import Queue
from cli import main
from explain_core import render
from explain_core.campaign.build import build
from explain_core.campaign.params import CampaignParams
from explain_core.campaign.simulated import answers
from explain_core.data.sources import load_data
from explain_core.engine.library import Held, Library, choose_device
from explain_core.errors import DataError, ParamError
from explain_core.evaluation.asking import Asking
from explain_core.methods import METHODS
from explain_core.render import Picture

DATA = "phantom:16,5"
SMALL = {"items": 6, "gold": 0.34, "repeats": 0.34, "practice": 4, "method": "gradcam", "against": "input-x-gradient"}


@pytest.fixture(scope="module")
def held() -> Held:
    return Library(choose_device("cpu"), METHODS).open("demo")


def built(held: Held, folder: Path, question: str, data: str = DATA, **more: object) -> Bundle:
    params = CampaignParams.build({**SMALL, "question": question, **more})
    return read_bundle(build(held, load_data(data), params, folder))


@pytest.fixture(scope="module")
def pairs(held: Held, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return built(held, tmp_path_factory.mktemp("better"), "better")


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """From a shell."""
    out = tmp_path_factory.mktemp("right-thing")
    asked = {**SMALL, "question": "right-thing"}
    sets = [word for name, value in asked.items() for word in ("--set", f"{name}={value}")]
    assert main(["campaign", "--data", DATA, "--out", str(out), "--device", "cpu", *sets]) == 0
    return read_bundle(out / "bundle")


def picture(bundle: Bundle, item: BundleItem, side: str) -> Picture:
    return np.asarray(Image.open(bundle.folder / item.pictures[side]))


def asked(bundle: Bundle) -> list[BundleItem]:
    return [item for item in bundle.items if item.kind == "ask"]


def test_the_explanation_is_what_the_method_says_of_the_class(single: Bundle, held: Held) -> None:
    arrays = load_file(single.folder / "examples.safetensors")
    for item in asked(single):
        assert item.told
        assert item.told["methods"] == ["gradcam"]
        original, explanation = arrays[f"{item.name}.original"], arrays[f"{item.name}.explanation"]
        (answer,) = Asking(held, "gradcam")([original], [held.card.classes.index(item.class_name)])
        np.testing.assert_allclose(explanation, answer.saliency, rtol=1e-4, atol=1e-6)
        assert (picture(single, item, "explanation") == render.laid_over(original, np.abs(explanation))).all()
        assert (picture(single, item, "explanation") != picture(single, item, "original")).any()


def test_two_methods_change_places_and_nothing_shown_names_them(pairs: Bundle, held: Held) -> None:
    arrays = load_file(pairs.folder / "examples.safetensors")
    orders = []
    for item in asked(pairs):
        assert item.told
        orders.append(tuple(item.told["methods"]))
        target = held.card.classes.index(item.class_name)
        for side, method in zip(("left", "right"), orders[-1], strict=True):
            (answer,) = Asking(held, method)([arrays[f"{item.name}.original"]], [target])
            np.testing.assert_allclose(arrays[f"{item.name}.{side}"], answer.saliency, rtol=1e-4, atol=1e-6)
        assert not any(method in place for place in item.pictures.values() for method in orders[-1])
    assert set(orders) == {("gradcam", "input-x-gradient"), ("input-x-gradient", "gradcam")}


@pytest.mark.parametrize("question", ["right-thing", "better"])
def test_known_items_are_on_the_lesion_or_beside_it(question: str, single: Bundle, pairs: Bundle) -> None:
    bundle, truths = (single, ["right", "misleading"]) if question == "right-thing" else (pairs, ["left", "right"])
    practice = [item for item in bundle.items if item.kind == "practice"]
    assert [item.truth for item in practice] == 2 * truths
    assert sorted(str(item.truth) for item in bundle.items if item.kind == "gold") == sorted(truths)
    regions = {item.name: item.annotation for item in load_data(DATA)}
    for item in practice:
        assert item.told
        marked = regions[item.told["source"]]
        assert marked
        shown = [picture(bundle, item, side).astype(int) for side in item.pictures]
        inside = [np.abs(one - shown[0])[marked.mask()].mean() for one in shown[1:]]
        if question == "better":
            assert (inside[0] > 20 > inside[1]) == (item.truth == "left")
        else:
            assert (inside[0] > 20) == (item.truth == "right")


@pytest.mark.parametrize("question", ["right-thing", "better"])
def test_it_can_be_answered_to_the_end(question: str, single: Bundle, pairs: Bundle, tmp_path: Path) -> None:
    bundle = single if question == "right-thing" else pairs
    database = open_database(f"sqlite:///{tmp_path / 'labels.db'}")
    People(database).add("ada", "admin")
    Campaigns(database).create("maps", bundle, by="ada", plan=Plan(1, 1))
    queue = Queue(database)
    for number in range(10):  # 6 asked, 2 gold, 2 repeats
        task = queue.next("maps", "ada")
        assert task is not None
        assert set(task.pictures) == {name for name, _ in bundle.question.pictures}
        queue.answer(task.token, "unsure", str(number))
    assert queue.next("maps", "ada") is None


def test_where_nothing_is_marked_nothing_is_known(held: Held, tmp_path: Path) -> None:
    made = built(held, tmp_path, "right-thing", "phantom-patches:6,5", items=2, repeats=0)
    assert [item.kind for item in made.items] == ["ask", "ask"]


def test_mistakes_are_told(held: Held, tmp_path: Path) -> None:
    few = "phantom-patches:6,5"
    with pytest.raises(ParamError, match="gradcam against itself"):
        built(held, tmp_path / "a", "better", few, against="gradcam")
    with pytest.raises(ParamError, match="did you mean 'gradcam'"):
        built(held, tmp_path / "b", "right-thing", few, method="grad-cam")
    with pytest.raises(DataError, match="pictures to explain, and 600 asked for"):
        built(held, tmp_path / "c", "right-thing", few, items=600)


def test_no_network_answers_about_explanations(single: Bundle, held: Held) -> None:
    with pytest.raises(DataError, match="asks 'right-thing': networks answer about changed pictures alone"):
        answers(single.folder, held, sure=0.5, error=0, seed=0)
