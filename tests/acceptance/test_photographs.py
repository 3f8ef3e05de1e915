"""Real photographs and published ImageNet networks, as a user would ask; minutes each."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from explain_core import explain, load_model
from explain_core.data.images import fit, read_picture
from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

NETWORKS = ("squeezenet1_1", "mobilenet_v2")
PATH = (0.01, 0.02, 0.05, 0.1)


@pytest.fixture(scope="module", params=NETWORKS)
def model(request: pytest.FixtureRequest, shared_data: Path) -> Classifier:
    return load_model(f"torchvision/{request.param}@{shared_data}/imagenet/{request.param}.safetensors")


@pytest.fixture(scope="module")
def pictures(model: Classifier, shared_data: Path) -> list[Floats]:
    files = sorted((shared_data / "pictures").iterdir())
    assert len(files) == 6
    return [fit(read_picture(file), model.input) for file in files]


def by_rho(answers: list[Answer]) -> list[list[Answer]]:
    """Answers of one ρ each, in the order of PATH."""
    return [answers[index :: len(PATH)] for index in range(len(PATH))]


@pytest.mark.parametrize("method", ["perceptual-ball", "explain-plus", "explain-minus", "ape"])
def test_inside_the_ball_on_every_picture(model: Classifier, pictures: list[Floats], method: str) -> None:
    """Must show 2: rmse ≤ ρ; explain-plus does not fall as ρ grows, explain-minus does not rise."""
    path = by_rho(explain(model, pictures, method=method, rho=list(PATH)))
    for rho, answers in zip(PATH, path, strict=True):
        worst = max(answer.rmse or 0.0 for answer in answers)
        print(
            f"{model.spec[:24]} {method} rho {rho}: largest rmse {worst:.7f}, p", [f"{a.p_after:.4f}" for a in answers]
        )
        assert worst <= rho + 1e-6
    sign = {"explain-plus": 1, "explain-minus": -1}.get(method)
    if sign:
        for smaller, larger in pairwise(path):
            for before, after in zip(smaller, larger, strict=True):
                assert sign * ((after.p_after or 0.0) - (before.p_after or 0.0)) >= -0.02


def test_gradcam_is_never_empty(model: Classifier, pictures: list[Floats]) -> None:
    for answer in explain(model, pictures, method="gradcam"):
        assert np.isfinite(answer.saliency).all()
        assert answer.saliency.max() > 0


def test_the_perceptual_ball_turns_the_decision(model: Classifier, pictures: list[Floats]) -> None:
    """Must show 5: without ρ the margin falls below 0 on at least 80 %, at the network's default knobs."""
    answers = explain(model, pictures, method="perceptual-ball", rho="none")
    margins = [answer.numbers["margin"] for answer in answers]
    print(f"{model.spec[:24]} margins", np.round(margins, 2))
    assert np.mean(np.asarray(margins) < 0) >= 0.8


def test_ape_finds_a_mask(shared_data: Path, pictures: list[Floats], model: Classifier) -> None:
    """Must show 5: neither empty nor full on at least 90 %; phase 2 at most the restricted phase 1."""
    if "squeezenet" not in model.spec:
        pytest.skip("asked of squeezenet only")
    answers = explain(model, pictures, method="ape", rho="none")
    shares = np.asarray([answer.numbers["mask share"] for answer in answers])
    print("ape masks", np.round(shares, 4), "APE_D", [round(answer.numbers["ape_d"], 4) for answer in answers])
    assert np.mean((shares > 0) & (shares < 1)) >= 0.9
    assert all(answer.numbers["class"] <= answer.numbers["class phase 1"] + 1e-6 for answer in answers)
