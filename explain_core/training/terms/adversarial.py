"""Adversarial training (AE §III-B): the network learns from pictures attacked a moment before.

    l2        k steps of RMSE ε/k along the loss's gradient; `lengths` triangular: 2(k − n)/(k(k + 1))·ε
    l2-min    k steps of triangular length, along the gradient while the picture is classified correctly, else home;
              the smallest change that fooled is taken, none where none did
    linf      PGD: steps of sign, inside |δ| ≤ ε, begun at a random place (Madry et al.; NM, Eq. 2)

`share` of the pictures are attacked, each by a coin of its own; half-half is 0.5.  By default an attack sees the
network as it will be used (batch-norm's running statistics) and stays in [0, 1]; the authors' code attacks in
training mode and unclipped, which is an option.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Annotated

import torch

from explain_core.attacks.goals import fooled, met, size
from explain_core.descent.loop import Found, descend
from explain_core.descent.plan import Plan, itself
from explain_core.descent.projections import box, per_row
from explain_core.descent.rules import Rule, chain, pull_back_when, ramp_down, scaled, signed, unit_rms
from explain_core.descent.view import Rows
from explain_core.engine.lending import lend
from explain_core.errors import DataError, ParamError
from explain_core.models.classifier import Classifier
from explain_core.params import Choice, Params, Range
from explain_core.training.batch import Batch
from explain_core.training.terms.base import Setting, Term, TermRow
from explain_core.types import Images

NEVER = 2.0**20  # below every score that a change has
LINF_STEP = 2.5  # of ε, shared by all steps: as Madry et al. have it


@dataclass(frozen=True)
class AdversarialParams(Params):
    attack: Annotated[str, Choice(("l2", "l2-min", "linf")), "What is done to the pictures."] = "l2"
    eps: Annotated[float, Range(1e-4, 1, log=True), "ε: an RMSE, or the largest change of a pixel for linf."] = 0.01
    steps: Annotated[int, Range(1, 100), "k: gradient steps."] = 7
    share: Annotated[float, Range(0, 1, 0.05), "How many of the pictures are attacked; 0.5 is half-half."] = 1.0
    lengths: Annotated[str, Choice(("even", "triangular")), "Of l2's steps; triangular is the authors' code."] = "even"
    clip: Annotated[bool, "Keep pixels in [0, 1]."] = True
    batch_norm: Annotated[
        str, Choice(("eval", "train")), "Which statistics the attacked network uses; train is the authors' code."
    ] = "eval"


class Adversarial(Term):
    def __init__(self, params: AdversarialParams, setting: Setting) -> None:
        if setting.model.standardise and params.batch_norm == "train":
            raise ParamError(
                "batch_norm = 'train': pictures that are standardised by themselves are attacked one at a time, "
                "which has no batch statistics; choose eval."
            )
        self.params = params

    def prepare(self, batch: Batch, model: Classifier) -> Batch:
        if batch.labels.ndim != 1:
            raise DataError("adversarial training: an attack needs one class for each picture; leave the term out.")
        coins = batch.uniform("attacked", 1)[:, 0]
        chosen = (coins < self.params.share).nonzero()[:, 0]
        if not len(chosen):
            return batch
        with lent(model, self.params.batch_norm):
            rows = self.rows(batch, chosen)
            attacked = self.attacked(model, rows, batch.unperturbed[chosen])
        return batch.perturbed(batch.pixels.index_copy(0, chosen, attacked))

    def attacked(self, model: Classifier, rows: Rows, originals: Images) -> Images:
        """All rows together; one at a time where each picture is standardised by itself."""
        attack, each = ATTACKED[self.params.attack], torch.arange(len(rows), device=rows.x.device)
        parts = each.view(-1, 1 if model.standardise else len(rows)).unbind()
        return torch.cat([attack(model.about(originals[part]), rows.take(part), self.params) for part in parts])

    def rows(self, batch: Batch, chosen: torch.Tensor) -> Rows:
        x = batch.pixels[chosen]
        rows = Rows(x, batch.labels[chosen], x.new_full((len(x),), self.params.eps))
        if self.params.attack != "linf":
            return rows
        return rows.adding(begin=2 * batch.uniform("random start", *x.shape[1:])[chosen] - 1)


def l2(model: Classifier, rows: Rows, params: AdversarialParams) -> Images:
    """The last picture."""
    even, triangular = params.eps / params.steps, ramp_down(lambda _: params.eps, params.steps)
    length = triangular if params.lengths == "triangular" else lambda _: even
    return last(model, plan(model, rows, params, chain(unit_rms(), scaled(length))))


def l2_min(model: Classifier, rows: Rows, params: AdversarialParams) -> Images:
    """The smallest change that fooled, or none."""
    holds = met(fooled, model)
    rule = chain(pull_back_when(holds), unit_rms(), scaled(ramp_down(lambda _: params.eps, params.steps)))
    found = carried_out(
        model,
        replace(
            plan(model, rows, params, rule),
            score=lambda view: torch.where(holds(view), -size(view), -NEVER),
            resting=holds,
        ),
    )
    return found.image.where(per_row(fooled(model, found.logits, rows.target), rows.x), rows.x)


def linf(model: Classifier, rows: Rows, params: AdversarialParams) -> Images:
    """The last picture of PGD from a random place in the cube of half-width ε."""
    walk = plan(model, rows, params, chain(signed(), scaled(lambda _: LINF_STEP * params.eps / params.steps)))
    start = rows.x + params.eps * rows.extra["begin"]

    def project(z: Images, rows: Rows) -> Images:
        return walk.project(z.clamp(rows.x - params.eps, rows.x + params.eps), rows)

    return last(model, replace(walk, start=walk.project(start, rows), project=project))


def plan(model: Classifier, rows: Rows, params: AdversarialParams, rule: Rule) -> Plan:
    """Down the log-odds of the label, which has the direction of the loss's gradient and never saturates."""
    return Plan(
        rows=rows,
        start=rows.x.clone(),
        loss=lambda view: model.log_odds(view.logits, view.rows.target),
        rule=rule,
        steps=params.steps,
        project=(lambda z, _: box(z)) if params.clip else itself,
    )


def last(model: Classifier, walk: Plan) -> Images:
    """The picture after the last step, which nobody scores."""
    return carried_out(model, replace(walk, scored=False)).image


def carried_out(model: Classifier, walk: Plan) -> Found:
    work = descend(model, walk)
    try:
        while True:
            next(work)
    except StopIteration as end:
        found: Found = end.value
        return found


ATTACKED: Mapping[str, Callable[[Classifier, Rows, AdversarialParams], Images]] = {
    "l2": l2,
    "l2-min": l2_min,
    "linf": linf,
}


@contextmanager
def lent(model: Classifier, batch_norm: str) -> Iterator[None]:
    """The network with frozen parameters; in evaluation mode, or as it is."""
    training = [module for module in model.modules() if module.training] if batch_norm == "train" else []
    with lend(model):
        for module in training:
            module.training = True
        yield


ROW = TermRow(
    name="adversarial",
    title="Adversarial training",
    summary="Every picture, or half of them, is attacked before the network learns from it.",
    citation="AE §III-B; Madry et al., ICLR 2018 (linf).",
    params=AdversarialParams,
    build=Adversarial,
    passes=lambda params: params.share * params.steps,
)
