"""The demo networks: training learns and repeats itself, and the shipped weights do what their card says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from explain_core.errors import WeightsError
from explain_core.models.demo import CELL, SHARPNESS, SHIPPED, DemoNet, demo_classifier, pool
from explain_core.training.demo import Films, Recipe, train, write
from explain_core.training.figures import Figures, auc, measure

SMALL = Recipe(seed=5, films=16, side=64, patch_epochs=12, film_epochs=0, batch=8, rate=3e-3)


@pytest.fixture(scope="module")
def films() -> Films:
    return Films.draw(SMALL)


def test_half_the_films_have_lesions(films: Films) -> None:
    assert films.pixels.dtype == torch.uint8
    assert films.label.mean() == 0.5
    assert torch.equal(films.lesion.flatten(1).any(1).float(), films.label)


def test_training_lowers_the_loss_and_repeats_itself(films: Films) -> None:
    first, losses = train(SMALL, films)
    second, again = train(SMALL, films)
    assert sum(losses[-3:]) < 0.93 * sum(losses[:3])
    assert losses == again
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_weights_come_back_from_their_file(tmp_path: Path) -> None:
    net = DemoNet().eval()
    write(net, tmp_path / "net.safetensors")
    model = demo_classifier(weights=tmp_path / "net.safetensors")
    x = torch.rand(2, 1, 40, 56)
    assert torch.allclose(model(x)[:, 1] * 2, net((x - 0.3) / 0.25)[:, 0], atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"not weights")
    with pytest.raises(WeightsError, match=r"broken\.safetensors"):
        demo_classifier(weights=tmp_path / "broken.safetensors")


def test_pooling_lies_between_mean_and_maximum() -> None:
    maps = torch.randn(5, 7, 9, dtype=torch.float64)
    pooled = pool(maps)[:, 0]
    assert (pooled >= maps.mean((1, 2))).all()
    assert (pooled <= maps.amax((1, 2))).all()
    assert torch.allclose(pooled, (maps * SHARPNESS).exp().mean((1, 2)).log() / SHARPNESS)
    assert torch.allclose(pool(torch.full((1, 4, 4), 2.5)), torch.tensor([[2.5]]))


def test_auc_is_the_area_under_the_curve() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 2, 200)
    scores = (labels + draw.normal(size=200)).round(1).astype(np.float32)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)


@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("shape", [(32, 32), (33, 57), (256, 256)])
def test_any_size_from_32(shortcut: bool, shape: tuple[int, int]) -> None:
    model = demo_classifier(shortcut)
    assert model.classes == ("normal", "lesion")
    assert model.kind == "binary"
    assert model(torch.rand(2, 1, *shape)).shape == (2, 2)


def test_each_cell_of_the_map_lies_over_its_pixels() -> None:
    body = DemoNet().double().eval().body
    x = torch.rand(1, 1, 256, 256, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(body(x)[0, :, 16, 16].sum(), x)
    seen = [slope[0, 0].abs().sum(axis).nonzero()[:, 0] for axis in (0, 1)]
    assert [float(s.min() + s.max()) / 2 for s in seen] == [CELL * 16.5 - 0.5] * 2


@pytest.fixture(scope="module", params=[False, True], ids=["demo", "demo-shortcut"])
def measured(request: pytest.FixtureRequest) -> tuple[bool, Figures]:
    return request.param, measure(demo_classifier(request.param), shortcut=request.param, films=80, positives=30)


def test_shipped_weights_tell_phantoms_apart(measured: tuple[bool, Figures]) -> None:
    _, figures = measured
    assert figures.auc >= 0.95
    assert figures.largest_logit < 20


def test_the_honest_network_looks_at_lesions_and_the_other_at_the_ring(measured: tuple[bool, Figures]) -> None:
    shortcut, figures = measured
    if shortcut:
        assert figures.on_marker >= 0.70
        assert figures.auc_misled <= 0.5
    else:
        assert figures.pointing >= max(0.8, 4 * figures.chance)
        assert figures.auc_misled >= 0.9


def test_the_weights_are_small() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.glob("*.safetensors")) < 1 << 20


def test_the_command_asks_for_one_goal() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "explain_core.training.demo"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "--out" in run.stderr
