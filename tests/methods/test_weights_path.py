"""One picture at several λ': rows of a batch, or a path; what a row finds is what it finds alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from explain_core import explain
from explain_core.descent.loop import OVER
from explain_core.engine.lending import lend
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier
from explain_core.types import Drop, Explanation, Question
from tests.contracts.test_methods import pictures
from tests.descent.walking import walk

BALL = METHODS["perceptual-ball"]
WEIGHTS = (3.0, 300.0, 30.0)


def ask(model: Classifier, x: Tensor, weights: tuple[float, ...], **knobs: object) -> Explanation:
    """Every picture at every weight."""
    with torch.no_grad():
        target = model(x).argmax(1).repeat_interleave(len(weights))
    question = Question(
        images=x.repeat_interleave(len(weights), 0),
        target=target,
        keys=tuple(f"picture {row}" for row in range(len(x)) for _ in weights),
        knobs={"feature_weight": x.new_tensor(weights * len(x))},
    )
    with lend(model):
        return walk(BALL.run(model, question, BALL.params.build({"steps": 40, **knobs})))[0]


def alone(model: Classifier, x: Tensor, weight: float, **knobs: object) -> Explanation:
    """By the parameter, as a method without rows of different weights is asked."""
    with torch.no_grad():
        target = model(x).argmax(1)
    params = BALL.params.build({"steps": 40, "feature_weight": weight, **knobs})
    with lend(model):
        return walk(BALL.run(model, Question(x, target), params))[0]


@pytest.fixture
def model(tiny_named: Callable[[str], Classifier]) -> Classifier:
    return tiny_named("residual").double()


@pytest.fixture
def x(model: Classifier, rng: torch.Generator) -> Tensor:
    return pictures(model, 2, rng).double()


def test_weights_in_one_batch_are_single_runs(model: Classifier, x: Tensor) -> None:
    together = ask(model, x, WEIGHTS)
    for row in range(2):
        for place, weight in enumerate(WEIGHTS):
            single = alone(model, x[row : row + 1], weight)
            assert torch.allclose(together.saliency[3 * row + place], single.saliency[0], atol=1e-10)
            assert together.passes[3 * row + place] == single.passes[0]


def test_a_row_is_done_when_it_hardly_gets_lower(model: Classifier, x: Tensor) -> None:
    share = 0.01
    trace = alone(model, x, 30.0, tolerance=share).trace["loss"]
    whole = alone(model, x, 30.0).trace["loss"]
    for row in range(2):
        taken = int(trace[:, row].isfinite().sum())
        lowest = whole[:, row].cummin(0).values
        falls = (lowest[:-OVER] - lowest[OVER:]) / lowest[OVER:]
        assert OVER < taken < len(whole)
        assert taken == int((falls < share).nonzero()[0, 0]) + OVER + 1
        assert torch.allclose(trace[:taken, row], whole[:taken, row], rtol=1e-9)


def test_a_path_is_lower_in_fewer_steps_than_runs_from_the_picture(model: Classifier, x: Tensor) -> None:
    share = 0.01
    path = ask(model, x, WEIGHTS, tolerance=share)
    with torch.no_grad():
        assert torch.allclose(path.before, model(x).repeat_interleave(3, 0))
    steps = {"path": 0, "alone": 0}
    for row in range(2):
        for place, weight in enumerate(WEIGHTS):
            single, whole = (alone(model, x[row : row + 1], weight, tolerance=t) for t in (share, 0.0))
            loss = path.numbers["loss"][3 * row + place]
            assert loss <= 1.02 * whole.numbers["loss"][0]
            steps["path"] += path.passes[3 * row + place].backward
            steps["alone"] += single.passes[0].backward
            if weight == max(WEIGHTS):
                assert torch.allclose(path.saliency[3 * row + place], single.saliency[0], atol=1e-10)
    assert steps["path"] < steps["alone"]


def test_a_picture_of_a_path_never_notices_the_others(model: Classifier, x: Tensor) -> None:
    both = ask(model, x, WEIGHTS, tolerance=0.01)
    for row in range(2):
        one = ask(model, x[row : row + 1], WEIGHTS, tolerance=0.01)
        assert torch.allclose(both.saliency[3 * row : 3 * row + 3], one.saliency, atol=1e-9)


def test_rows_dropped_before_they_begin_cost_nothing(model: Classifier, x: Tensor) -> None:
    """λ' = 300 and 30 of the only picture are dropped at once: 3 is then solved from the picture itself."""
    with torch.no_grad():
        target = model(x[:1]).argmax(1).repeat(3)
    question = Question(
        x[:1].repeat(3, 1, 1, 1), target, keys=("a",) * 3, knobs={"feature_weight": x.new_tensor(WEIGHTS)}
    )
    drop: Drop | None = frozenset({1, 2})
    with lend(model):
        working = BALL.run(model, question, BALL.params.build({"steps": 40, "tolerance": 0.01}))
        step = next(working)
        assert step.rows is not None
        assert step.rows.tolist() == [1]
        try:
            while True:
                step = working.send(drop)
                drop = None
        except StopIteration as end:
            found: Explanation = end.value
    assert [spent.backward for spent in found.passes[1:]] == [1, 0]
    assert float(found.numbers["loss"][0]) <= 1.02 * float(alone(model, x[:1], 3.0).numbers["loss"][0])


def test_lists_of_settings_are_asked_at_once(model: Classifier, x: Tensor) -> None:
    model = model.float()
    images = x.float()
    answers = explain(
        model,
        images,
        "perceptual-ball",
        rho="none",
        feature_weight=list(WEIGHTS),
        blur=[0, 1],
        steps=10,
        tolerance=0.02,
    )
    asked = [(answer.provenance.params["feature_weight"], answer.provenance.params["blur"]) for answer in answers]
    assert asked == [(weight, blur) for weight in WEIGHTS for blur in (0, 1)] * 2
    assert {len(answer.provenance.chunk) for answer in answers} == {6}
    again = explain(
        model, images, "perceptual-ball", rho="none", feature_weight=list(WEIGHTS), blur=0, steps=10, tolerance=0.02
    )
    for answer, same in zip(answers[::2], again, strict=True):
        assert (answer.saliency == same.saliency).all()
