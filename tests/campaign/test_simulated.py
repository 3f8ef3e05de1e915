"""The simulated rater: what a network says about its own confident examples is known, and its errors are counted."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from cli import main
from explain_core.campaign.build import build
from explain_core.campaign.params import CampaignParams
from explain_core.campaign.simulated import answers, as_table
from explain_core.data.sources import load_data
from explain_core.engine.library import Held, Library, choose_device
from explain_core.errors import DataError, TargetError
from explain_core.methods import METHODS

ITEMS = 6


@pytest.fixture(scope="module")
def held() -> Held:
    return Library(choose_device("cpu"), METHODS).open("demo")


@pytest.fixture(scope="module")
def bundle(held: Held, tmp_path_factory: pytest.TempPathFactory) -> Path:
    asked = {"items": ITEMS, "steps": 20, "gold": 0.2, "repeats": 0.2, "practice": 1, "margin": 0.2}
    data = load_data("phantom-patches:24,5")
    return build(held, data, CampaignParams.build(asked), tmp_path_factory.mktemp("build"))


def test_a_network_is_deceived_by_its_own_examples(bundle: Path, held: Held) -> None:
    assert Counter(answers(bundle, held, sure=0, error=0, seed=0).values()) == {"changed": ITEMS}


def test_below_sure_it_is_unsure(bundle: Path, held: Held) -> None:
    assert set(answers(bundle, held, sure=1, error=0, seed=0).values()) <= {"unsure", "changed"}
    assert "unsure" in answers(bundle, held, sure=1, error=0, seed=0).values()


def test_every_error_is_another_answer(bundle: Path, held: Held) -> None:
    found = answers(bundle, held, sure=0, error=1, seed=0)
    assert set(found.values()) == {"unchanged", "unsure"}
    assert found == answers(bundle, held, sure=0, error=1, seed=0)


def test_its_labels_are_imported_under_a_name_that_tells(bundle: Path, tmp_path: Path) -> None:
    table, store = tmp_path / "labels.csv", f"sqlite:///{tmp_path / 'labels.db'}"
    assert main(["simulated-rater", str(bundle), "--model", "demo-shortcut", "--out", str(table)]) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == ITEMS
    assert {row["rater"] for row in rows} == {"simulated one"}
    assert main(["labels", "person", "ada", "--role", "admin", "--db", store]) == 0
    assert main(["labels", "campaign", "c", "--from", str(bundle), "--by", "ada", "--db", store]) == 0
    assert main(["labels", "import", str(table), "--campaign", "c", "--by", "ada", "--db", store]) == 0


def test_what_does_not_fit_is_told(bundle: Path, held: Held, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no campaign's bundle"):
        answers(tmp_path, held, sure=0, error=0, seed=0)
    values = json.loads((bundle / "bundle.json").read_text())
    for item in values["items"]:
        item["class"] = "zebra"
    (tmp_path / "bundle.json").write_text(json.dumps(values))
    (tmp_path / "examples.safetensors").write_bytes((bundle / "examples.safetensors").read_bytes())
    with pytest.raises(TargetError, match="has no class 'zebra'"):
        answers(tmp_path, held, sure=0, error=0, seed=0)


def test_a_table_is_what_import_reads() -> None:
    assert as_table({"a": "unsure"}, "one") == "item,rater,answer\na,simulated one,unsure\n"
