"""From reads to a training: what readers said of phantoms, frozen, is a data set that a network learns from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotations.database import open_database
from annotations.people import People
from annotations.reading.bundle import read_study
from annotations.reading.reads import Reads
from annotations.reading.studies import OPEN, Plan, Studies
from cli import main
from explain_core.data.phantom import phantom
from explain_core.data.sources import load_data
from explain_core.reading.cases import read_cases
from tests.annotations.studies import answers, write_study

RECIPE = """title = "Tiny"
[network]
architecture = "lenet"
[input]
size = 32
[schedule]
epochs = 2
batch = 2
[terms.cross-entropy]
"""
SAID = (0, 1, 1, 1)
"""What both readers say of the four phantoms, whose truth is 0, 1, 0, 1."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The labels of bob and cyd, frozen from a shell."""
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RHOSCOPE_DB", raising=False)
    database, bundle = open_database(), tmp_path / "bundle"
    people, studies = People(database), Studies(database)
    people.add("ada", "admin")
    for name in ("bob", "cyd"):
        people.add(name, "clinician", by="ada")
    cases = read_cases("phantom:4,5", "phantom:1,6", bundle, bundle / "films", {})
    told = [
        {"name": one.name, "practice": one.practice, "films": [film.told() for film in one.films],
         "truth": dict(one.truth), "output": {}}
        for one in cases
    ]  # fmt: skip
    write_study(bundle, told, [{"name": "alone", "methods": [], "output": False}])
    studies.create("s", read_study(bundle), by="ada", plan=Plan(washout_s=0), readers=["bob", "cyd"])
    studies.set_state("s", OPEN, by="ada")
    said = dict(zip([one.films[0].record.film for one in cases[1:]], SAID, strict=True))
    reads = Reads(database)
    for reader in ("bob", "cyd"):
        while (task := reads.task("s", reader)) is not None:
            given = answers(task.step, score=90 if said.get(task.films[0]["film"]) else 10)
            kept = reads.save(task.token, given, revision=0, key=f"{task.token} s")
            reads.lock(task.token, revision=kept.revision, key=f"{task.token} l")
    out = tmp_path / "labels"
    assert main(["study", "labels", "s", "--by", "ada", "--threshold", "50", "--out", str(out)]) == 0
    return out


def test_a_network_learns_from_what_was_said(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "pictures", str(folder)]) == 0
    spec = capsys.readouterr().out.splitlines()[-1]
    assert spec == f"csv:{folder / 'labels.csv'}"
    data = load_data(spec)
    assert data.classes == ("lesion", "normal")
    found = {item.name: item for item in data}
    cases = read_study(tmp_path / "bundle").cases[1:]
    assert set(found) == {case.films[0]["film"] for case in cases}  # practice is no part of it
    for number, (case, said) in enumerate(zip(cases, SAID, strict=True)):
        item = found[case.films[0]["film"]]
        assert item.label == ("lesion" if said else "normal")
        drawn = phantom(20_500_000 + number, label=number % 2).pixels
        assert np.abs(item.read().pixels[0] - drawn).max() <= 0.5 / 4095 + 1 / 65535
    (tmp_path / "tiny.toml").write_text(RECIPE)
    out = tmp_path / "run"
    assert main(["train", str(tmp_path / "tiny.toml"), "--data", spec, "--out", str(out), "--device", "cpu"]) == 0
    card = json.loads((out / "network/card.json").read_text())
    assert (card["data"], card["handling"]["classes"]) == (spec, ["lesion", "normal"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda told: told["cases"][0]["films"][0].update(sha256="0" * 64), "is not the one that was read"),
        (lambda told: told["cases"][0]["films"][0].update(patient="../x"), "missing or of another kind"),
        (lambda told: told["cases"][0]["films"][0].update(label=7), "missing or of another kind"),
        (lambda told: told.update(format=2), "its format is not 1"),
    ],
)
def test_what_was_changed_is_no_data_set(
    folder: Path, capsys: pytest.CaptureFixture[str], change: Any, said: str
) -> None:
    told = json.loads((folder / "reads.json").read_text())
    change(told)
    (folder / "reads.json").write_text(json.dumps(told))
    assert main(["study", "pictures", str(folder)]) == 2
    assert said in capsys.readouterr().err
    assert not (folder / "labels.csv").exists()
