"""Several targets of one picture: the maps of single questions, from one forward pass."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from explain_core.engine.lending import lend
from explain_core.methods import METHODS
from explain_core.methods.targets import pictures_of
from explain_core.models.classifier import Classifier
from explain_core.types import Explanation, Passes, Question
from tests.descent.walking import walk

ROWS = ["gradient", "input-x-gradient", "gradcam"]
KEYS = ("a", "b", "a", "a", "b")
TARGET = torch.tensor([0, 1, 2, 4, 3])


def pictures(side: int) -> Tensor:
    a, b = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return torch.stack([a, b, a, a, b])


def asked(name: str, model: Classifier, question: Question) -> tuple[Explanation, list[int]]:
    """Also how many pictures went through the network in each pass."""
    seen: list[int] = []
    watch = model.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    with lend(model):
        found, _ = walk(METHODS[name].run(model, question, METHODS[name].params()))
    watch.remove()
    return found, seen


@pytest.mark.parametrize("name", ROWS)
def test_as_if_each_were_asked_alone(name: str, tiny: Classifier) -> None:
    model, x = tiny.double(), pictures(80)
    found, seen = asked(name, model, Question(x, TARGET, keys=KEYS))
    assert seen == [2]
    backward = int(name != "gradcam")
    assert found.passes == tuple(Passes(forward, backward) for forward in (1, 1, 0, 0, 0))
    for row in range(5):
        alone, _ = asked(name, model, Question(x[row : row + 1], TARGET[row : row + 1], keys=KEYS[row : row + 1]))
        torch.testing.assert_close(found.saliency[row], alone.saliency[0], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(found.before[row], alone.before[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ROWS)
def test_small_pictures_and_nameless_ones_go_by_themselves(name: str, tiny: Classifier) -> None:
    model = tiny.double()
    assert asked(name, model, Question(pictures(16), TARGET, keys=KEYS))[1] == [5]
    large = Question(pictures(80), TARGET)
    assert asked(name, model, large)[1] == [5]
    assert pictures_of(large).all_different
    assert not pictures_of(replace(large, keys=KEYS)).all_different
