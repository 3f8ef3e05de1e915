"""How films go into a registered network: on its card, in its hash, and nothing unknown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from explain_core.errors import WeightsError
from explain_core.models.architectures import Shape, build
from explain_core.models.card import CARD, Card, read_card
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.trained import load_trained, write_trained

KNOBS = {"activation": "relu"}
FILMS = InputSpec(1, (64, 48), 70, 32, views="chest wall left", greys="first window")


def model(input: InputSpec) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        net = build("phantom-net", KNOBS, Shape(1, (64, 48), 1))
    return Classifier(net, classes=("normal", "lesion"), kind="binary", input=input).eval()


def written(folder: Path, input: InputSpec) -> Classifier:
    made = model(input)
    write_trained(folder, made, Card("phantom-net", KNOBS, "", "", "", {}, 0, "2026-11-22T02:00:00+00:00"))
    return made


def test_the_card_tells_it(tmp_path: Path) -> None:
    made = written(tmp_path / "net", FILMS)
    back = load_trained(tmp_path / "net")
    assert back.input == FILMS
    assert back.sha256() == made.sha256()
    assert (read_card(tmp_path / "net").handling.views, read_card(tmp_path / "net").handling.greys) == (
        "chest wall left", "first window",
    )  # fmt: skip


def test_another_handling_is_another_model_and_the_usual_one_is_what_it_was() -> None:
    """Hashes of networks made before there were films still hold: their handling says nothing of films."""
    usual = InputSpec(1, (64, 48), 70, 32)
    assert usual.values() == {"channels": 1, "size": (64, 48), "resize": 70, "smallest": 32}
    assert len({model(each).sha256() for each in (usual, FILMS)}) == 2


def test_a_card_without_it_and_a_card_with_nonsense(tmp_path: Path) -> None:
    written(tmp_path / "net", FILMS)
    path = tmp_path / "net" / CARD
    told = json.loads(path.read_text())
    handling = {name: value for name, value in told["handling"].items() if name not in ("views", "greys")}
    path.write_text(json.dumps({**told, "handling": handling}))
    assert (read_card(path.parent).handling.views, read_card(path.parent).handling.greys) == (
        "as stored", "stored range",
    )  # fmt: skip
    for name, value, why in (("views", "upside down", "must be one of"), ("greys", 3, "a int stands where a str")):
        path.write_text(json.dumps({**told, "handling": {**handling, name: value}}))
        with pytest.raises(WeightsError, match=why):
            load_trained(path.parent)
