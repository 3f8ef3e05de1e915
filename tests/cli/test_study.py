"""`rhoscope study` from end to end, as a script would use it: set up, read, lock, amend, export, analyse."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from cli import RUNS, main
from tests.annotations.studies import answers, case, finding, write_study


class Script:
    """Commands on one database."""

    def __init__(self, capsys: pytest.CaptureFixture[str], db: str, folder: Path) -> None:
        self.capsys, self.db, self.folder = capsys, db, folder

    def __call__(self, *words: str, group: str = "study") -> Any:
        assert main([group, *words, "--db", self.db, "--json"]) == 0
        return json.loads(self.capsys.readouterr().out)

    def refused(self, *words: str) -> str:
        assert main(["study", *words, "--db", self.db]) == 2
        return self.capsys.readouterr().err

    def file(self, values: Any) -> str:
        path = self.folder / "answers.json"
        path.write_text(json.dumps(values))
        return str(path)

    def read(self, reader: str, score: float) -> dict[str, Any]:
        """Reads the step at hand and signs it."""
        task: dict[str, Any] = self("read", "--study", "s", "--reader", reader)
        found = [finding(task["films"][0]["film"], score)] if score >= 50 else []
        given = self.file(answers(task["step"], task["letters"], score=score, findings=found))
        kept = self("save", "--token", task["token"], "--revision", str(task["revision"]), "--answers", given)
        self("lock", "--token", task["token"], "--revision", str(kept["revision"]), "--active-ms", "900")
        return task


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Script:
    """The study s: two cases, one arm that shows Grad-CAM, read by bob."""
    script = Script(capsys, f"sqlite:///{tmp_path / 'study.db'}", tmp_path)
    script("person", "ada", "--role", "admin", group="labels")
    script("person", "bob", "--role", "clinician", "--by", "ada", group="labels")
    arms = [{"name": "aided", "methods": ["gradcam"], "output": False}]
    folder = write_study(tmp_path / "bundle", [case("a", 0), case("b", 1)], arms)
    script("create", "s", "--from", str(folder), "--by", "ada", "--reader", "bob", "--washout", "0", "--seed", "4")
    return script


def test_a_whole_study(say: Script, tmp_path: Path) -> None:
    assert say("status")[0]["state"] == "draft"
    assert "not open" in say.refused("read", "--study", "s", "--reader", "bob")
    assert say("open", "s", "--by", "ada")["state"] == "open"
    assert [one["state"] for one in say("worklist", "--study", "s", "--reader", "bob")] == ["at hand", "waiting"]
    for score in (20, 30):
        say.read("bob", score)
    done = say.read("bob", 80)
    assert (done["position"], done["explanations"], done["unaided"]) == (2, {}, {})
    task = say("read", "--study", "s", "--reader", "bob")
    assert list(task["explanations"]) == ["A"]
    assert task["lacking"][0] == "density of the breasts"
    say.read("bob", 60)
    assert say("read", "--study", "s", "--reader", "bob") is None
    out = tmp_path / "reads.csv"
    assert main(["study", "export", "s", "--out", str(out), "--db", say.db]) == 0
    say.capsys.readouterr()
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [(row["step"], row["score"]) for row in rows] == [
        ("unaided", "20"), ("final", "30"), ("unaided", "80"), ("final", "60")
    ]  # fmt: skip
    (area,) = (row for row in say("analyse", "s", "--resamples", "200")["auc"][:1])
    higher = {row["truth"]: float(row["score"]) for row in rows if row["step"] == "unaided"}
    assert area["auc"] == float(higher["1"] > higher["0"])
    assert main(["study", "analyse", "s", "--resamples", "200", "--db", say.db]) == 0
    assert "AUC  aided  unaided  bob" in say.capsys.readouterr().out
    assert say("close", "s", "--by", "ada")["state"] == "closed"


def test_what_is_locked_is_amended_with_a_reason_and_else_refused(say: Script) -> None:
    say("open", "s", "--by", "ada")
    task = say.read("bob", 20)
    given = say.file(answers("unaided", "A", score=90))
    told = say.refused("save", "--token", task["token"], "--revision", "1", "--answers", given)
    assert told == "rhoscope: This step is locked, and nothing changes it: amend it, with a reason.\n"
    assert "is locked" in say.refused("lock", "--token", task["token"], "--revision", "1")
    amend = ("amend", "--study", "s", "--reader", "bob", "--position", "1", "--step", "unaided", "--answers", given)
    assert "A reason of 0 characters" in say.refused(*amend, "--reason", "")
    assert say(*amend, "--reason", "Wrong side.")["version"] == 2
    assert [(one["version"], one["answers"]["score"]) for one in say("locked", "--study", "s", "--reader", "bob")] == [
        (1, 20), (2, 90)
    ]  # fmt: skip
    assert "no practice case" in say.refused("feedback", "--study", "s", "--reader", "bob", "--position", "1")
    assert main(["labels", "verify", "--db", say.db]) == 0


def test_what_is_lacking_or_no_answer_is_said_in_one_line(say: Script, tmp_path: Path) -> None:
    say("open", "s", "--by", "ada")
    token = say("read", "--study", "s", "--reader", "bob")["token"]
    lock = ("lock", "--token", token, "--revision", "0")
    assert say.refused(*lock).startswith("rhoscope: Not complete: density of the breasts; assessment;")
    (tmp_path / "bad.json").write_text("[]")
    save = ("save", "--token", token, "--revision", "0", "--answers")
    assert "holds no table of answers" in say.refused(*save, str(tmp_path / "bad.json"))
    assert "cannot be read as JSON" in say.refused(*save, str(tmp_path / "none.json"))
    assert "a number from 0 to 100" in say.refused(*save, say.file({"score": "high"}))
    assert "did you mean 'readings'" in say.refused("export", "s", "--table", "reading")


def test_the_lexicon_is_told_and_a_sites_own_is_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["study", "lexicon"]) == 0
    assert "density (case): almost only fat, " in capsys.readouterr().out
    (tmp_path / "site.toml").write_text("name = 3")
    assert main(["study", "lexicon", str(tmp_path / "site.toml")]) == 2
    assert "it needs 1 to 50 tables [[field]]" in capsys.readouterr().err


def test_a_build_can_wait_for_a_worker(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHOSCOPE_DB", f"sqlite:///{tmp_path / 'runs.db'}")
    asked = ["--data", "phantom:2,5", "--arm", "aided=gradcam", "--out", str(tmp_path / "build"), "--queue"]
    assert main(["study", "build", *asked]) == 0
    assert "waits for a worker" in capsys.readouterr().out
    assert main(["runs", "list", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["kind"], run["spec"]["arms"]) == ("study", ["aided=gradcam"])
    assert callable(RUNS["study"].function())
