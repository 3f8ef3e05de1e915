"""Pictures standardised by themselves: mean and deviation are constants of the picture before it was changed.

About one picture, such a network is an ordinary one that has that picture's mean and deviation as its own, so every
answer, attack and figure must be that of this twin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explain_core.api import asking, explain
from explain_core.data.sources import load_data
from explain_core.engine.lending import lend
from explain_core.errors import ParamError, TrainingError, WeightsError
from explain_core.methods import METHODS
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Subject
from explain_core.models.card import CARD, read_card
from explain_core.models.classifier import FLATTEST, Classifier, InputSpec, standards
from explain_core.models.trained import load_trained
from explain_core.records import Floats
from explain_core.training.batch import Batch, forward
from explain_core.training.recipe import parse_recipe
from explain_core.training.terms import Setting, Term, get_term
from explain_core.training.training import train

SIDE = 16
METHODS_TRIED: dict[str, dict[str, Any]] = {
    "gradient": {},
    "integrated-gradients": {"steps": 4},
    "occlusion": {},
    "rise": {"samples": 40},
    "gradcam": {},
    "perceptual-ball": {"steps": 5},
    "ape": {"steps": 5},
    "fgsm": {},
    "pgd-l2": {"steps": 3},
    "deepfool-l2": {"steps": 5},
}
RECIPE = """
[network]
architecture = "lenet"
[input]
size = 28
channels = 1
normalise = "picture"
[schedule]
epochs = 1
batch = 4
rate = 0.01
[terms.adversarial]
steps = 2
share = 0.5
[terms.cross-entropy]
[terms.lipschitz]
target = 0.5
"""


def network(**handling: Any) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3),
        )  # fmt: skip
        net[-1].weight.data *= 30  # type: ignore[union-attr, operator]  # decisions that a small change moves
    input = InputSpec(1, (SIDE, SIDE))
    return Classifier(net, classes=tuple("abc"), kind="softmax", input=input, spec="net", **handling).eval()


def own() -> Classifier:
    return network(standardise=True)


def twin(picture: Floats) -> Classifier:
    """The same network with one picture's mean and deviation for all."""
    flat = picture.astype(np.float64)
    return network(mean=[float(flat.mean())], std=[float(flat.std())])


def pictures(count: int = 3) -> Floats:
    """Of different brightness and contrast."""
    drawn = np.random.default_rng(7).random((count, 1, SIDE, SIDE))
    scale = np.linspace(0.2, 0.6, count)[:, None, None, None]
    found: Floats = (0.1 + 0.1 * np.arange(count)[:, None, None, None] + scale * drawn).clip(0, 1).astype(np.float32)
    return found


def test_by_hand() -> None:
    x = torch.tensor([[[[0.1, 0.5], [0.3, 0.7]]]])
    mean, std = standards(x)
    assert mean.item() == pytest.approx(0.4)
    assert std.item() == pytest.approx(0.05**0.5)  # (0.09 + 0.01 + 0.01 + 0.09) / 4
    flat = torch.full((1, 1, 2, 2), 0.5)
    assert standards(flat)[1].item() == pytest.approx(FLATTEST)


def test_a_picture_is_taken_as_it_is_and_what_becomes_of_it_by_its_first_constants() -> None:
    x = torch.from_numpy(pictures())
    changed = (x * 0.5).clamp(0, 1)  # its own mean and deviation would make this the same picture again
    model, constants = own(), standards(x)
    torch.testing.assert_close(model(x), model.net((x - constants[0]) / constants[1]))
    torch.testing.assert_close(model(changed), model(x), rtol=1e-4, atol=1e-5)
    about = model.about(x)
    torch.testing.assert_close(about(changed), model.net((changed - constants[0]) / constants[1]))
    assert not torch.allclose(about(changed), about(x), atol=1e-3)
    assert about.about(changed) is about  # the first ones stay
    plain = network()
    assert plain.about(x) is plain


def test_gradients_hold_the_constants_constant() -> None:
    """dy/dx = W/σ for a linear network: with the mean's own slope each row would lose its mean."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    model = Classifier(net, classes=("a", "b"), kind="softmax", input=InputSpec(1, (2, 2)), standardise=True)
    x = torch.tensor([[[[0.1, 0.5], [0.3, 0.7]]]], requires_grad=True)
    (slope,) = torch.autograd.grad(model(x)[0, 0], x)
    torch.testing.assert_close(slope.flatten(), net[1].weight[0].detach() / 0.05**0.5)  # type: ignore[union-attr, operator]


@pytest.mark.parametrize("name", METHODS_TRIED)
def test_answers_are_those_of_the_twin(name: str) -> None:
    """Asked together, at two ρ where there is one; attacks and clipping in pixels."""
    stack = pictures()
    rho = [0.05, 0.2] if METHODS[name].rho != "none" else None
    together = explain(own(), stack, name, target=1, rho=rho, **METHODS_TRIED[name])
    each = len(together) // len(stack)
    for place, picture in enumerate(stack):
        wanted = explain(twin(picture), picture, name, target=1, rho=rho, **METHODS_TRIED[name])
        for ours, theirs in zip(together[place * each : (place + 1) * each], wanted, strict=True):
            close(ours.before, theirs.before)
            close(ours.saliency, theirs.saliency)
            assert (ours.perturbed is None) == (theirs.perturbed is None)
            if ours.perturbed is not None:
                close(ours.perturbed, theirs.perturbed)
                close(ours.after, theirs.after)


def close(ours: Floats | None, theirs: Floats | None) -> None:
    """To a thousandth of the largest value."""
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3 * float(np.abs(theirs).max()))


@pytest.mark.parametrize(
    ("name", "method", "knobs"),
    [("deletion", "gradient", {}), ("attack-ara", None, {"steps": 40}), ("vii", None, {})],
)
def test_figures_are_those_of_the_twin(name: str, method: str | None, knobs: dict[str, Any]) -> None:
    metric, stack = METRICS[name], pictures()

    def measured(model: Classifier, cases: list[Case]) -> list[float | None]:
        subject = Subject(model, asking(model, method), method, mean=np.full((1, SIDE, SIDE), 0.4, np.float32))
        with lend(model):
            return [reading.value for reading in metric.measure(subject, cases, metric.params.build(knobs))]

    cases = [Case(f"{place}", picture, label=place % 3) for place, picture in enumerate(stack)]
    found = measured(own(), cases)
    assert found == pytest.approx([measured(twin(case.pixels), [case])[0] for case in cases], rel=1e-3, abs=1e-5)


def batch() -> Batch:
    return Batch(torch.from_numpy(pictures()), torch.tensor([0, 1, 2]), (0, 1, 2), seed=3)


def term(name: str, model: Classifier, **knobs: Any) -> Term:
    row = get_term(name)
    return row.build(row.params.build(knobs), Setting(model))


def test_training_on_noise_keeps_the_constants_of_what_was_there_before() -> None:
    model = own()
    noisy = term("gaussian-noise", model, sigma=0.2).prepare(batch(), model)
    mean, std = standards(batch().pixels)
    torch.testing.assert_close(forward(model, noisy), model.net((noisy.pixels - mean) / std))
    assert torch.equal(term("gaussian-noise", model).prepare(noisy, model).unperturbed, batch().pixels)


@pytest.mark.parametrize("attack", ["l2", "l2-min", "linf"])
def test_attacks_in_training_are_those_on_the_twin(attack: str) -> None:
    def attacked(model: Classifier, one: Batch) -> Tensor:
        return term("adversarial", model, attack=attack, eps=0.1, steps=3).prepare(one, model).pixels

    found = attacked(own(), batch())
    for place, picture in enumerate(pictures()):
        alone = Batch(batch().pixels[place : place + 1], batch().labels[place : place + 1], (place,), seed=3)
        torch.testing.assert_close(found[place : place + 1], attacked(twin(picture), alone), rtol=1e-4, atol=1e-5)
    with pytest.raises(ParamError, match="batch_norm = 'train': pictures that are standardised by themselves"):
        term("adversarial", own(), batch_norm="train")


def test_trained_so_it_is_loaded_so(tmp_path: Path) -> None:
    """The card says it, an older card without the word means no, and the model's hash tells them apart."""
    finished = train(parse_recipe(RECIPE), load_data("phantom:8,0"), tmp_path / "run", device="cpu")
    model = load_trained(finished.network)
    assert model.standardise
    assert read_card(finished.network).handling.standardise
    card: Mapping[str, Any] = json.loads((finished.network / CARD).read_text())
    assert card["model_sha256"] == model.sha256()
    older = {**card, "handling": {key: value for key, value in card["handling"].items() if key != "standardise"}}
    (finished.network / CARD).write_text(json.dumps(older))
    plain = load_trained(finished.network)
    assert not plain.standardise
    assert plain.sha256() != model.sha256()
    (finished.network / CARD).write_text(json.dumps({**card, "handling": {**card["handling"], "standardise": 1}}))
    with pytest.raises(WeightsError, match="'standardise': true or false is needed"):
        load_trained(finished.network)
    with pytest.raises(TrainingError, match="another normalisation"):
        train(parse_recipe(RECIPE), load_data("phantom:8,0"), tmp_path / "other", start=plain, device="cpu")
