"""A run in its folder: stopped, killed and resumed, it ends where one that never stopped ends."""

from __future__ import annotations

import csv
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cli import main
from explain_core.errors import OutputError, ParamError
from explain_core.evaluation.asked import study_asked
from explain_core.evaluation.folder import RunFolder
from explain_core.evaluation.result import read_results, results, write_result
from explain_core.evaluation.run import run

ROOT = Path(__file__).resolve().parents[2]
DATA = "phantom:10,0"
"""Two chunks, of 8 and 2."""
METHODS = ("gradcam", "explain-plus")
SETTINGS = ("explain-plus.steps=5",)


def evaluated(out: Path, name: str = "deletion", methods: Sequence[str] = METHODS, seed: int = 0) -> dict[str, Any]:
    settings = SETTINGS if "explain-plus" in methods else ()
    study = study_asked(name, DATA, ["demo"], methods, settings, None, None, seed, "cpu")
    values = results(study, run(study, out.with_suffix(".run")))
    write_result(out, values)
    return values


def without_time(values: Any) -> Any:
    """The same, less the seconds, which no run repeats."""
    if isinstance(values, dict):
        return {name: without_time(value) for name, value in values.items() if name != "seconds"}
    return [without_time(value) for value in values] if isinstance(values, list) else values


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody stopped."""
    out = tmp_path_factory.mktemp("whole") / "deletion.json"
    evaluated(out)
    return out


def test_a_figure_has_everything_it_rests_on(whole: Path) -> None:
    arms = read_results(whole)
    assert [arm["method"] for arm in arms] == list(METHODS)
    for arm in arms:
        assert arm["n"] == len(arm["per_image"]) == 10
        assert 0 <= arm["value"] <= 1
        assert arm["interval"][0] <= arm["value"] <= arm["interval"][1]
        assert arm["value"] == pytest.approx(sum(entry["value"] for entry in arm["per_image"]) / 10)
        assert arm["units"] > 0
        assert arm["provenance"]["data"]["spec"] == DATA
        assert arm["provenance"]["models"][0]["sha256"]
        assert "step" in arm["search"]


def test_one_method_stands_at_the_top(tmp_path: Path) -> None:
    values = evaluated(tmp_path / "one.json", methods=("gradcam",))
    wanted = {"metric", "value", "standard_error", "interval", "n", "per_image", "not_found", "search", "units",
              "seconds", "provenance"}  # fmt: skip
    assert wanted <= set(values)
    assert "results" not in values


def test_asked_again_nothing_is_computed(whole: Path) -> None:
    records = sorted((whole.with_suffix(".run") / "records").rglob("*.json"))
    before = [record.stat().st_mtime_ns for record in records]
    assert len(records) == 20
    evaluated(whole)
    assert [record.stat().st_mtime_ns for record in records] == before


def test_another_question_does_not_go_into_the_same_folder(whole: Path) -> None:
    with pytest.raises(OutputError, match="its seed differs"):
        evaluated(whole, seed=1)


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = RunFolder(folder, {"name": "a"})
    code = "import sys; from pathlib import Path; from explain_core.evaluation.folder import RunFolder as F"
    command = [sys.executable, "-c", f"{code}; F(Path(sys.argv[1]), {{'name': 'a'}})", str(folder)]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Another process is at work" in second.stderr
    first.close()


@pytest.mark.parametrize(
    ("name", "methods", "settings", "told"),
    [
        ("deletoin", ["gradcam"], [], "deletion"),
        ("deletion", [], [], "name at least one --method"),
        ("deletion", ["gradcam"], ["deletion.step=0"], "step"),
        ("deletion", ["gradcam"], ["rise.samples=5"], "not asked"),
        ("attack-ara", ["gradcam"], [], "leave --method out"),
    ],
)
def test_mistakes_are_found_before_anything_is_run(
    name: str, methods: list[str], settings: list[str], told: str
) -> None:
    with pytest.raises(ParamError, match=told):
        study_asked(name, DATA, ["demo"], methods, settings, None, None, 0, "cpu")


def test_killed_at_random_moments_and_resumed(whole: Path, tmp_path: Path) -> None:
    """Must show 8: killed three times, then left alone, the result is the same to the last bit."""
    out = tmp_path / "deletion.json"
    command = [sys.executable, "-m", "cli", "evaluate", "deletion", "--data", DATA, "--out", str(out)]
    command += [word for method in METHODS for word in ("--method", method)]
    command += [word for setting in SETTINGS for word in ("--set", setting)]
    chance = random.Random(5)
    for stop in sorted(chance.sample(range(18), 3)):
        kill_after(command, out.with_suffix(".run") / "records", stop)
        assert not out.exists()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert without_time(json.loads(out.read_text())) == without_time(json.loads(whole.read_text()))


def kill_after(command: Sequence[str], records: Path, count: int) -> None:
    """Kills the process once there are more than `count` records, and nothing can tidy up."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(records.rglob("*.json"))) <= count:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)


def test_a_result_as_csv_from_the_shell(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def lines(*arguments: str) -> list[dict[str, str]]:
        assert main(["table", str(whole), *arguments]) == 0
        return list(csv.DictReader(capsys.readouterr().out.splitlines()))

    assert [line["row"] for line in lines()] == list(METHODS)
    assert len(lines("--pictures")) == 20
    compared = next(line for line in lines("--against", "gradcam") if line["figure"] == "value")
    one, other = (arm["value"] for arm in read_results(whole))
    assert float(compared["difference"]) == pytest.approx(other - one)
    assert float(compared["low"]) <= float(compared["difference"]) <= float(compared["high"])
    assert main(["table", str(whole), "--against", "nobody"]) == 2
    assert "No row 'nobody'" in capsys.readouterr().err
