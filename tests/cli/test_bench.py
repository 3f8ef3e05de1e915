"""The bench counts what methods say they spend, and measures it against the unit in the same run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cli import main
from explain_core.bench import BALL, PATH, bench, table
from explain_core.errors import ImageError, InputError
from explain_core.models.classifier import Classifier


def test_passes_and_steps_are_counted(tiny: Classifier) -> None:
    report = bench(tiny, {"gradcam": {}, "explain-plus": {"steps": 5}}, batch=2, size=(16, 16))
    grad_cam, plus = report.costs
    assert (grad_cam.method, grad_cam.rho, grad_cam.forward, grad_cam.steps) == ("gradcam", None, 1, 0)
    assert grad_cam.per_step is None
    assert (plus.method, plus.rho, plus.steps) == ("explain-plus", BALL, 5)
    assert plus.forward >= 5
    assert plus.units == pytest.approx(plus.seconds / plus.unit_seconds)
    assert plus.per_step == pytest.approx(plus.units / 5)
    assert plus.per_closure == pytest.approx(plus.units / plus.backward)
    assert report.path is not None
    assert report.path.method == "explain-plus"
    assert report.path.share == pytest.approx(report.path.together / report.path.in_turn)
    assert json.loads(json.dumps(report.as_dict()))["rounds"] == 5


def test_a_method_with_both_forms_is_measured_in_both(tiny: Classifier) -> None:
    report = bench(tiny, {"perceptual-ball": {"steps": 5}}, size=(16, 16))
    assert [cost.rho for cost in report.costs] == [None, BALL]


def test_the_model_and_the_threads_come_back_as_they_were(tiny: Classifier) -> None:
    tiny.train()
    before = torch.get_num_threads()
    bench(tiny, {"gradcam": {}}, size=(16, 16), threads=before + 1)
    assert tiny.training
    assert all(parameter.requires_grad for parameter in tiny.parameters())
    assert torch.get_num_threads() == before


def test_the_table_names_every_method_and_the_path(tiny: Classifier) -> None:
    text = table(bench(tiny, {"gradcam": {}, "explain-plus": {"steps": 5}}, size=(16, 16)))
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["gradcam", "explain-plus"]
    assert f"{len(PATH)} values of rho" in lines[-1]


def test_what_cannot_be_measured(tiny: Classifier) -> None:
    with pytest.raises(InputError, match="at least 5"):
        bench(tiny, {"gradcam": {}}, rounds=4)
    with pytest.raises(ImageError):
        bench(tiny, {"gradcam": {}}, size=(2, 2))


def test_the_command_writes_its_figures(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    arguments = ["--model", model, "--size", "16x12", "--batch", "2", "--method", "gradcam", "--json", str(file)]
    assert main(["bench", *arguments]) == 0
    figures = json.loads(file.read_text())
    assert (figures["size"], figures["batch"], figures["threads"]) == ([16, 12], 2, 1)
    assert "gradcam" in capsys.readouterr().out
    assert main(["bench", "--model", model, "--size", "16"]) == 2
    assert "height x width" in capsys.readouterr().err
