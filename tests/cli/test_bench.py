"""The bench counts what methods say they spend, and measures it against the unit in the same run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cli import main
from explain_core.bench.methods import BALL, PATH, bench
from explain_core.bench.report import cost_table
from explain_core.errors import ImageError, InputError
from explain_core.models.classifier import Classifier
from explain_core.models.zoo import load_model


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
    text = cost_table(bench(tiny, {"gradcam": {}, "explain-plus": {"steps": 5}}, size=(16, 16)))
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


def test_the_first_pictures_of_data(model: str, paint: Callable[..., Path], tmp_path: Path) -> None:
    """Their own size, unless another is asked for."""
    for name in ("one.png", "two.png", "three.png"):
        paint(f"data/{name}")
    data = f"folder:{tmp_path / 'data'}"
    loaded = load_model(model)
    report = bench(loaded, {"gradcam": {}}, batch=2, data=data)
    assert (report.batch, report.size) == (2, (10, 12))
    with pytest.raises(InputError, match="3 pictures: 4 are asked for"):
        bench(loaded, {"gradcam": {}}, batch=4, data=data)


def test_peers_are_met_in_turn(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the table says is what the file says."""
    file = tmp_path / "peers.json"
    settings = ["--method", "rise", "--set", "rise.samples=20", "--size", "16x12"]
    assert main(["bench", "--peers", "--model", model, *settings, "--json", str(file)]) == 0
    row, *_ = json.loads(file.read_text())["rows"]
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("rise"))
    told = f"{row['ours_units']:8.2f}{row['theirs_units']:8.2f}  {row['ratio']:6.2f}"
    assert told in line
    assert f"correlation {row['agreement']['correlation']:.3g}" in line
    assert line.endswith(row["way"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--peers", "--growth"], "one at a time"),
        (["--growth", "--batch", "2"], "leave out --batch"),
        (["--figure", "curves.svg"], "add --growth"),
        (["--growth", "--method", "ape", "--method", "adv"], "leave out --method adv"),
        (["--growth", "--method", "gradcam"], "has no ρ"),
        (["--peers", "--method", "ape"], "No peer has ape"),
    ],
)
def test_what_does_not_go_together(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_growth_is_drawn(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure, file = tmp_path / "curves.svg", tmp_path / "curves.json"
    places = ["--figure", str(figure), "--json", str(file)]
    assert main(["bench", "--growth", "--model", model, "--size", "16x16", *places]) == 0
    curves = json.loads(file.read_text())["curves"]
    assert len(curves) == 6
    out = capsys.readouterr().out
    for curve in curves:
        assert curve["title"] in figure.read_text()
        assert all(f"{curve['along']} {point['at']}" in out for point in curve["points"])
