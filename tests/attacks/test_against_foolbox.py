"""PGD and DeepFool against foolbox, where it is installed: success and distances within 2 %."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from explain_core import load_model
from explain_core.descent.projections import rms
from explain_core.models.classifier import Classifier
from tests.attacks.linear import attack
from tests.conftest import make_tiny

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports a module that SciPy has deprecated
    foolbox = pytest.importorskip("foolbox", reason="foolbox is not installed")

CLOSE = 0.02
Asked = tuple[Classifier, Tensor, Tensor]


@pytest.fixture(scope="module", params=["functional", "linear", pytest.param("adv-train", marks=pytest.mark.slow)])
def asked(request: pytest.FixtureRequest) -> Asked:
    """A network, pictures and its decisions: a tiny one on random pictures, or a published one on CIFAR-10."""
    if request.param == "adv-train":
        data: Path = request.getfixturevalue("shared_data") / "cifar10"
        model = load_model(f"preact-resnet44@{data}/networks/resnet44-adv-train.safetensors")
        with np.load(data / "test_lossless.npz") as held:
            x = torch.from_numpy(held["x"][:100]).permute(0, 3, 1, 2).float() / 255
    else:
        model = make_tiny(request.param)
        x = torch.rand(200, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        return model, x, model(x).argmax(1)


def theirs(attack: Any, asked: Asked, eps: float | None) -> tuple[Tensor, Tensor]:
    """Pictures and success by foolbox, on the CPU."""
    model, x, target = asked
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    _, images, success = attack(wrapped, x, target, epsilons=eps)
    return images, success


def scale(asked: Asked, name: str) -> float:
    """The median distance that DeepFool finds, so that some pictures can be fooled within it and some cannot."""
    _, x, _ = asked
    change = attack(name, *asked).images - x
    size = change.abs().flatten(1).amax(1) if name.endswith("linf") else rms(change)
    return float(size.median())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_pgd(norm: str, asked: Asked) -> None:
    """The same steps without a random start: the same share is fooled, and by pictures as far away."""
    _, x, _ = asked
    eps, steps = scale(asked, f"deepfool-{norm}"), 40
    root = 1.0 if norm == "linf" else x[0].numel() ** 0.5  # their L2 is no mean
    kind = foolbox.attacks.LinfPGD if norm == "linf" else foolbox.attacks.L2PGD
    images, success = theirs(kind(rel_stepsize=2.5 / steps, steps=steps, random_start=False), asked, eps * root)
    found = attack(f"pgd-{norm}", *asked, eps=eps, steps=steps)
    ours, other = found.success.float().mean(), success.float().mean()
    assert 0.2 < other < 0.8
    assert abs(ours - other) <= CLOSE
    both = found.success & success
    assert rms(found.images - x)[both].mean() == pytest.approx(float(rms(images - x)[both].mean()), rel=CLOSE)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_deepfool(norm: str, asked: Asked) -> None:
    _, x, _ = asked
    kind = foolbox.attacks.LinfDeepFoolAttack if norm == "linf" else foolbox.attacks.L2DeepFoolAttack
    images, success = theirs(kind(steps=50, candidates=10, overshoot=0.02), asked, None)
    found = attack(f"deepfool-{norm}", *asked)
    assert abs(found.success.float().mean() - success.float().mean()) <= CLOSE
    both = found.success & success
    order = torch.inf if norm == "linf" else 2.0
    sizes = [(part - x).flatten(1).norm(p=order, dim=1)[both] for part in (found.images, images)]
    assert sizes[0].mean() == pytest.approx(float(sizes[1].mean()), rel=CLOSE)
    assert sizes[0].median() == pytest.approx(float(sizes[1].median()), rel=CLOSE)
