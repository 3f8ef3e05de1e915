"""`rhoscope labels` from end to end, as a script would use it: a real database, and torch left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli import main
from tests.annotations.bundles import item, write_bundle

ROOT = Path(__file__).resolve().parents[2]


class Script:
    """Commands on one database."""

    def __init__(self, capsys: pytest.CaptureFixture[str], db: str) -> None:
        self.capsys, self.db = capsys, db

    def __call__(self, *words: str) -> Any:
        assert main(["labels", *words, "--db", self.db, "--json"]) == 0
        return json.loads(self.capsys.readouterr().out)

    def refused(self, *words: str) -> str:
        assert main(["labels", *words, "--db", self.db]) == 2
        return self.capsys.readouterr().err


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Script:
    """Ada organises the campaign cats; bob and cyd answer."""
    script = Script(capsys, f"sqlite:///{tmp_path / 'labels.db'}")
    items = [item("a"), item("g", "gold", truth="changed"), item("b"), item("r", "repeat", repeats="a")]
    folder = write_bundle(tmp_path / "bundle", items)
    script("person", "ada", "--role", "admin")
    for name in ("bob", "cyd"):
        script("person", name, "--by", "ada")
    script("campaign", "cats", "--from", str(folder), "--by", "ada", "--overlap", "2", "--most", "2")
    return script


def answer_all(say: Script, rater: str, *answers: str) -> None:
    for number, answer in enumerate(answers):
        token = say("next", "--campaign", "cats", "--rater", rater)["token"]
        say("answer", "--token", token, "--answer", answer, "--key", f"{rater} {number}")


def test_the_whole_round(say: Script, tmp_path: Path) -> None:
    first = say("next", "--campaign", "cats", "--rater", "bob")
    assert set(first) == {"item", "token", "original", "adversarial", "class"}
    assert (first["item"], first["class"]) == ("a", "cat")
    assert Path(first["original"]).is_file()
    once = say("answer", "--token", first["token"], "--answer", "changed", "--key", "k")
    assert say("answer", "--token", first["token"], "--answer", "changed", "--key", "k") == once
    back = say("undo", "--campaign", "cats", "--rater", "bob")
    assert (back["item"], back["earlier"]) == ("a", "changed")
    answer_all(say, "bob", "unchanged", "changed", "unsure", "unchanged")
    assert say("next", "--campaign", "cats", "--rater", "bob") is None
    answer_all(say, "cyd", "unchanged", "unsure", "changed", "changed")
    found = say("agreement", "cats")
    assert found["agreement"]["per-cent"]["value"] == 0.5
    assert found["gold"]["bob"]["value"] == 1
    assert found["gold"]["cyd"]["value"] == 0
    assert (found["consistency"]["bob"]["value"], found["consistency"]["cyd"]["value"]) == (1, 0)
    assert say("campaign")[0]["answers"] == 8
    head = say("verify")["head"]
    assert say("verify", "--head", head)["head"] == head


def test_what_people_disagree_on_is_decided_and_settled(
    say: Script, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answer_all(say, "bob", "unchanged", "changed", "changed")
    answer_all(say, "cyd", "unchanged", "unsure", "unchanged")
    assert [(one["item"], one["answer"]) for one in say("settled", "cats")] == [("a", "unchanged"), ("b", "unsure")]
    b = say("settled", "cats", "--rule", "weighted")[1]  # bob got the gold item right: 2/3 against 1/3
    assert (b["answer"], b["weights"]) == (
        "changed",
        {"unchanged": pytest.approx(1 / 3), "changed": pytest.approx(2 / 3)},
    )
    words = ["adjudicate", "--campaign", "cats", "--item", "b", "--by", "ada"]
    made = say(*words, "--answer", "unchanged", "--note", "an ear")
    assert (made["item"], made["answer"], made["by"], made["note"]) == ("b", "unchanged", "ada", "an ear")
    proposed = say("propose", "cats")
    assert proposed == {"new": 6, "settled": {"unchanged": 2, "unsure": 0, "changed": 0}, "last": None}
    assert main(["labels", "settled", "cats", "--db", say.db]) == 0
    assert capsys.readouterr().out == "a  cat  unchanged\nb  cat  unchanged  (decided)\n"
    assert main(["labels", "export", "cats", "--form", "folder", "--out", str(tmp_path / "out"), "--db", say.db]) == 0
    assert capsys.readouterr().out == f"2 pictures in {tmp_path / 'out'}\n"
    assert sorted(path.name for path in (tmp_path / "out/cat").iterdir()) == ["a.png", "b.png"]
    assert say(*words, "--withdraw")["answer"] is None
    assert say("settled", "cats")[1]["decided"] is False
    say("verify")


def test_exported_and_imported_elsewhere_the_labels_are_the_same(
    say: Script, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answer_all(say, "bob", "unchanged", "changed")
    say("undo", "--campaign", "cats", "--rater", "bob")
    answer_all(say, "cyd", "unsure")
    out = tmp_path / "labels.jsonl"
    assert main(["labels", "export", "cats", "--out", str(out), "--db", say.db]) == 0
    other = Script(capsys, f"sqlite:///{tmp_path / 'other.db'}")
    other("person", "eve", "--role", "admin")
    other("campaign", "cats", "--from", str(tmp_path / "bundle"), "--by", "eve")
    told = other("import", str(out), "--campaign", "cats", "--by", "eve")
    assert told == {"added": 4, "known": 0, "people": ["bob", "cyd"]}
    assert other("import", str(out), "--campaign", "cats", "--by", "eve")["known"] == 4
    again = tmp_path / "again.jsonl"
    assert main(["labels", "export", "cats", "--out", str(again), "--db", other.db]) == 0
    assert again.read_text() == out.read_text()
    other("verify")
    assert "made inactive" in other.refused("next", "--campaign", "cats", "--rater", "bob")


def test_a_plain_table_is_imported_once(say: Script, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("\ufeffitem,rater,answer,note\na,dan,changed,=1+1\nb,dan,unsure,\n", encoding="utf-8")
    assert say("import", str(table), "--campaign", "cats", "--by", "ada")["added"] == 2
    assert say("import", str(table), "--campaign", "cats", "--by", "ada") == {"added": 0, "known": 2, "people": []}
    out = tmp_path / "out.csv"
    assert main(["labels", "export", "cats", "--form", "csv", "--out", str(out), "--db", say.db]) == 0
    assert [line.split(",")[1] for line in out.read_text().splitlines()] == ["item", "a", "b"]
    assert "'=1+1" in out.read_text()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("item,rater\na,bob\n", "the columns item, rater, answer"),
        ("item,rater,answer\na,bob,changed\nzebra,bob,changed\n", "Line 3: the campaign has no item 'zebra'"),
        ("item,rater,answer\na,bob,perhaps\n", "Line 2: Answer 'perhaps'"),
        ("item,rater,answer\na,bob,changed\na,bob,unsure\n", "Line 3: bob has another answer"),
        ('item,rater,answer\na,"b\nb",changed\n', "no name of a person"),
        ("item,rater,answer\na,bob," + "x" * 200_000 + "\n", "it is no line of a table"),
        ("item,rater,answer,note\na,bob,changed," + "x" * 2001 + "\n", "a note at most 2000"),
        ('{"item": "a"}\n', "Line 1: it is no label"),
        ("{not json\n", "Line 1: it is no label"),
    ],
)
def test_a_file_that_does_not_fit_adds_nothing(say: Script, tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_text(text)
    told = say.refused("import", str(file), "--campaign", "cats", "--by", "ada")
    assert why in told
    assert "nothing of the file was imported" in told or "table with the columns" in told
    assert say("campaign", "cats")["answers"] == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["next", "--campaign", "cast", "--rater", "bob"], "did you mean 'cats'"),
        (["next", "--campaign", "cats", "--rater", "zoe"], "Nobody is called 'zoe'"),
        (["answer", "--token", "x", "--answer", "changed", "--key", "k"], "No item was given out"),
        (["campaign", "cats", "--close", "--by", "bob"], "may not organise"),
        (["campaign", "dogs", "--from", "nowhere", "--by", "ada"], "give the folder of a campaign's bundle"),
        (["export", "cats", "--form", "xml"], "Form 'xml'"),
        (["export", "cats", "--form", "folder"], "name a new folder with --out"),
        (["export", "cats", "--form", "folder", "--out", "new"], "nothing to train on yet"),
        (["adjudicate", "--campaign", "cats", "--item", "a", "--by", "bob", "--answer", "changed"], "may not settle"),
        (["adjudicate", "--campaign", "cats", "--item", "a", "--by", "ada"], "one of the two"),
        (["adjudicate", "--campaign", "cats", "--item", "a", "--by", "ada", "--withdraw"], "nothing to take back"),
        (["settled", "cats", "--rule", "most"], "Rule 'most'"),
        (["propose", "cast"], "did you mean 'cats'"),
        (["verify", "--head", "feed"], "was replaced"),
        (["person", "zoe", "--role", "boss", "--by", "ada"], "Role 'boss'"),
    ],
)
def test_what_is_refused_is_said_and_ends_in_2(say: Script, words: list[str], why: str) -> None:
    assert why in say.refused(*words)


def test_it_leaves_torch_alone(tmp_path: Path) -> None:
    code = (
        "import cli, sys; cli.main(['labels', 'person', 'ada', '--role', 'admin', '--db', sys.argv[1]]);"
        "cli.main(['labels', 'verify', '--db', sys.argv[1]]); sys.exit('torch' in sys.modules)"
    )
    url = f"sqlite:///{tmp_path / 'labels.db'}"
    run = subprocess.run([sys.executable, "-c", code, url], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "head:" in run.stdout


def test_an_ellipse_from_a_shell(say: Script, tmp_path: Path) -> None:
    marks = write_bundle(tmp_path / "marks", [item("a", question="right-thing")], question="right-thing")
    say("campaign", "marks", "--from", str(marks), "--by", "ada")
    task = say("next", "--campaign", "marks", "--rater", "bob")
    assert Path(task["explanation"]).is_file()
    words = ["answer", "--token", task["token"], "--answer", "partly", "--key", "k"]
    assert "five numbers, cx, cy, rx, ry, angle" in say.refused(*words, "--ellipse", "1,2,3")
    assert "half-axes above 0" in say.refused(*words, "--ellipse", "16,12,0,4,30")
    say(*words, "--ellipse", "16,12,8,4,30")
    say(*words, "--ellipse", "16,12,8,4,30")
    out = tmp_path / "marks.jsonl"
    assert main(["labels", "export", "marks", "--out", str(out), "--db", say.db]) == 0
    (label,) = map(json.loads, out.read_text().splitlines())
    assert label["shapes"] == {"ellipse": {"cx": 16, "cy": 12, "rx": 8, "ry": 4, "angle": 30}}
