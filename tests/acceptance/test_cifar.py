"""The four networks published with Adversarial Explanations, on real CIFAR-10 test images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from explain_core import explain, load_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ACCURACY = {"standard": 0.950, "adv-train": 0.892, "all": 0.664, "robust": 0.650}
SUBSET = 32


@pytest.mark.parametrize("name", ACCURACY)
def test_explain_plus_raises_the_true_class(name: str, shared_data: Path) -> None:
    """Must show 3: accuracy ± 0.002; at ρ 0.1, triangular, 35 steps, the mean probability rises."""
    family = "preact-resnet44-hhrelu" if name in ("all", "robust") else "preact-resnet44"
    model = load_model(f"{family}@{shared_data}/cifar10/networks/resnet44-{name}.safetensors")
    with np.load(shared_data / "cifar10" / "test_lossless.npz") as held:
        pixels, labels = held["x"], held["y"]
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(100)])
    accuracy = float((logits.argmax(1) == torch.from_numpy(labels)).float().mean())
    targets = [int(label) for label in labels[:SUBSET]]
    answers = explain(model, images[:SUBSET], method="explain-plus", target=targets, rho=0.1)
    before, after = (np.mean([a.p_before for a in answers]), np.mean([a.p_after or 0.0 for a in answers]))
    print(f"{name}: accuracy {accuracy:.3f}, mean p of the true class {before:.4f} -> {after:.4f}")
    assert abs(accuracy - ACCURACY[name]) <= 0.002
    assert after > before
    assert all((answer.rmse or 0.0) <= 0.1 + 1e-6 for answer in answers)
