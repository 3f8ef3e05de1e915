"""Asking is explaining with the model held open."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch

from explain_core import explain
from explain_core.api import asking
from explain_core.errors import CannotExplain, ParamError
from explain_core.models.classifier import Classifier


def test_it_answers_as_explain_does(tiny: Classifier, rng: torch.Generator) -> None:
    """To the bit, for so many steps that both prepare the model."""
    x = torch.rand(3, 3, 16, 16, generator=rng)
    ask = asking(tiny, "explain-plus", knobs={"steps": 25}, rho=0.1, seed=3)
    found = ask(list(x.numpy()), [0, 1, 2])
    expected = explain(tiny, x, "explain-plus", target=[0, 1, 2], rho=0.1, seed=3, steps=25)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.saliency, other.saliency)
        assert one.provenance.params == other.provenance.params
        assert (one.provenance.rho, one.provenance.seed) == (0.1, 3)


def test_another_method_has_its_own_knobs_and_rho(tiny: Classifier, rng: torch.Generator) -> None:
    x = torch.rand(1, 3, 16, 16, generator=rng)
    ask = asking(tiny, "explain-plus", knobs={"steps": 5}, rho=0.1)
    (found,) = ask(list(x.numpy()), [1], method="explain-minus")
    assert found.provenance.params["steps"] is None
    assert found.provenance.rho == 0.05
    (fewer,) = ask(list(x.numpy()), [1], knobs={"steps": 10})
    assert fewer.provenance.params["steps"] == 10


def test_the_weights_are_hashed_once(tiny: Classifier, rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    real = Classifier.sha256
    monkeypatch.setattr(Classifier, "sha256", lambda model: hashed.append(model) or real(model))
    ask = asking(tiny, "gradcam")
    x = list(torch.rand(1, 3, 16, 16, generator=rng).numpy())
    ask(x, [0])
    ask(x, [1])
    assert len(hashed) == 1


def test_another_model_for_one_call(tiny: Classifier, rng: torch.Generator) -> None:
    other = copy.deepcopy(tiny)
    torch.nn.init.constant_(other.net.head.weight, 0.5)
    x = list(torch.rand(1, 3, 16, 16, generator=rng).numpy())
    ask = asking(tiny, "gradcam")
    (before,), (changed,), (after,) = ask(x, [0]), ask(x, [0], model=other), ask(x, [0])
    assert np.array_equal(before.saliency, after.saliency)
    assert changed.provenance.model_sha256 != before.provenance.model_sha256
    assert np.array_equal(changed.saliency, explain(other, x[0], "gradcam", target=0)[0].saliency)


def test_mistakes_are_told(tiny: Classifier, tiny_named: Callable[[str], Classifier]) -> None:
    x = [np.zeros((3, 16, 16), np.float32)]
    with pytest.raises(ParamError, match="name one"):
        asking(tiny)(x, [0])
    with pytest.raises(ParamError, match="steps"):
        asking(tiny, "explain-plus", knobs={"steps": 10**6})(x, [0])
    with pytest.raises(CannotExplain, match="gradcam"):
        asking(tiny_named("linear"), "gradcam")(x, [0])
