"""The bench takes real steps of every variant and tells them in plain steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli import main
from explain_core.training.bench import UNIT, VARIANTS


def test_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bench.json"
    arguments = ["--batch", "4", "--rounds", "3", "--set", "network.depth=1", "--json", str(out)]
    assert main(["bench-training", *arguments]) == 0
    told = capsys.readouterr().out
    report = json.loads(out.read_text())
    assert [step["name"] for step in report["steps"]] == [*VARIANTS, UNIT]
    plain = report["steps"][0]
    assert plain["ratio"] == 1
    for step in report["steps"]:
        assert step["ratio"] == pytest.approx(step["seconds"] / plain["seconds"])
        assert step["name"] in told
    seven = 7 * report["steps"][-1]["seconds"] + plain["seconds"]
    assert report["attack_overhead"] == pytest.approx(report["steps"][2]["seconds"] / seven)
