"""Meaningful perturbation (Fong & Vedaldi 2017): the smallest smooth mask that takes the class away.

A coarse mask m in [0, 1], 1 where the picture stays, is enlarged to M(m) (nearest neighbour, then a Gaussian) and

    x̂ = M x + (1 − M) r,    minimise  s(x̂) + α·mean(1 − m) + β·mean ‖∇m‖₂^τ,

s the class's probability and r a picture without content: blurred, or of its smallest value.  Saliency is 1 − M.
Adam, rate 0.1, from a mask drawn uniformly; the mask stays in [0, 1] by clamping.

Presets give whatever is left at auto:
    fv-2017               blurred r; α = 1e-4 and β = 1e-2 of sums over the mask, τ = 3; the picture shifts by 0 to 3
    fv-2017-localisation  the same with α = 1e-3, τ = 2, and s the sum over the five best classes
    ape-2018              the baseline of Shoshan & Ratner: r of the smallest value, α = 0.01, β = 0.2, τ = 1, no shift
In ape-2018 β grows with √(cells / 1024²) as APE's own does: the mean of a gradient shrinks as the grid gets finer.

Departures: lengths that were pixels of 224 (cell 8, mask blur 5, picture blur 10) are shares of the shorter side;
the shift repeats edges, where the original cuts from a picture that is four pixels larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from explain_core.descent.loop import Found, descend
from explain_core.descent.losses import gradient_power
from explain_core.descent.plan import Jitter, Plan
from explain_core.descent.rules import adam
from explain_core.descent.view import Rows, View
from explain_core.methods.base import Method
from explain_core.methods.outcomes import decision
from explain_core.methods.smoothing import gaussian
from explain_core.models.classifier import Classifier, pick
from explain_core.params import AUTO, Choice, Params, Range
from explain_core.sampling import generators
from explain_core.types import Explanation, Images, Passes, PerRow, Question, Working

REFERENCE = 1024**2  # pixels for which APE's β was chosen
MASK_BLUR = 5 / 8  # σ, of a cell
PICTURE_BLUR = 10 / 224  # σ of the blurred reference, of the shorter side
BEST = 5


@dataclass(frozen=True)
class Preset:
    """What stands for auto; `summed` where α and β weigh sums over the mask's cells, not means."""

    alpha: float
    beta: float
    tau: float
    reference: str
    jitter: int
    best: int = 1
    summed: bool = True


PRESETS = {
    "fv-2017": Preset(1e-4, 1e-2, 3, "blur", jitter=4),
    "fv-2017-localisation": Preset(1e-3, 1e-2, 2, "blur", jitter=4, best=BEST),
    "ape-2018": Preset(0.01, 0.2, 1, "min", jitter=0, summed=False),
}


@dataclass(frozen=True)
class MeaningfulPerturbationParams(Params):
    preset: Annotated[str, Choice(tuple(PRESETS)), "Whose settings stand for auto."] = "fv-2017"
    reference: Annotated[
        str, Choice((AUTO, "blur", "min", "mean")), "What shows where the mask hides; min is the picture's least value."
    ] = AUTO
    alpha: Annotated[float | None, Range(0, 1000), "α: weight of the hidden area."] = None
    beta: Annotated[float | None, Range(0, 1e5), "β: weight of the mask's gradient."] = None
    tau: Annotated[float | None, Range(1, 4, 0.5), "τ: power of the mask's gradient; 1 is total variation."] = None
    grid: Annotated[int, Range(2, 64, 1, unit="cells"), "Cells of the mask along the shorter side."] = 28
    steps: Annotated[int, Range(5, 2000, 5, unit="steps"), "Adam steps."] = 300
    rate: Annotated[float, Range(1e-3, 1, log=True), "Adam's rate, of the mask's range."] = 0.1
    jitter: Annotated[
        int | None, Range(0, 16, 1, unit="pixels"), "At each step the picture is shifted by fewer pixels than this."
    ] = None
    threshold: Annotated[
        float | None,
        Range(0, 1, 0.01),
        "Saliency from which a pixel counts as hidden: whole inside the mask, not at all outside; auto fades.",
    ] = None

    @property
    def settings(self) -> Preset:
        return PRESETS[self.preset]

    def cells(self, height: int, width: int) -> tuple[int, int]:
        side = min(height, width) / self.grid
        return max(1, round(height / side)), max(1, round(width / side))

    def weights(self, cells: int) -> tuple[float, float]:
        """(α, β) of means over so many cells."""
        own = self.settings
        alpha, beta = (own.alpha * cells, own.beta * cells) if own.summed else (own.alpha, own.beta)
        alpha, beta = (value if given is None else given for given, value in ((self.alpha, alpha), (self.beta, beta)))
        return alpha, beta if own.summed else beta * (cells / REFERENCE) ** 0.5

    @property
    def power(self) -> float:
        return self.settings.tau if self.tau is None else self.tau

    @property
    def shifts(self) -> int:
        return self.settings.jitter if self.jitter is None else self.jitter


def run(model: Classifier, question: Question, params: MeaningfulPerturbationParams) -> Working:
    x = question.images
    with torch.no_grad():
        before = model(x)
    best = before.topk(min(params.settings.best, before.shape[1]), dim=1).indices
    rows = Rows(x, question.target).adding(
        reference=reference_of(model, x, params),
        classes=best if params.settings.best > 1 else question.target[:, None],
    )
    rows, start = drawn(rows, question, params)
    found = yield from descend(model, plan_of(model, rows, start, params))
    return explained(model, rows, found, before, params)


def plan_of(model: Classifier, rows: Rows, start: Tensor, params: MeaningfulPerturbationParams) -> Plan:
    alpha, beta = params.weights(start[0].numel())
    fade = Fade()

    def loss(view: View) -> PerRow:
        belief = model.probabilities(view.logits).gather(1, view.rows.extra["classes"]).sum(1)
        hidden = (1 - view.z).flatten(1).mean(1)
        return belief + alpha * hidden + beta * gradient_power(view.z, params.power) / view.z[0].numel()

    return Plan(
        rows=rows,
        start=start,
        compose=fade.compose,
        loss=loss,
        rule=adam(params.rate),
        project=lambda z, _: z.clamp(0, 1),
        jitter=fade.jitter(params.shifts) if params.shifts > 1 else None,
        steps=params.steps,
    )


def drawn(rows: Rows, question: Question, params: MeaningfulPerturbationParams) -> tuple[Rows, Tensor]:
    """Each row's first mask (n, g, g') and its shifts (n, steps, 2), drawn from its own key."""
    grid, shifts = params.cells(*rows.x.shape[2:]), (params.steps, 2)
    masks, moves = [], []
    for source in generators(question, "meaningful-perturbation"):
        masks.append(torch.rand(grid, generator=source, dtype=torch.float64))
        moves.append(torch.randint(max(1, params.shifts), shifts, generator=source))
    return rows.adding(shifts=torch.stack(moves).to(rows.x.device)), torch.stack(masks).to(rows.x)


class Fade:
    """The picture where the mask (n, g, g') keeps it, the reference where it hides it; `mask` is the last, enlarged."""

    mask: Tensor

    def compose(self, z: Tensor, rows: Rows) -> Images:
        self.mask = enlarged(z, rows.x.shape[2:])[:, None]
        return self.between(rows.extra["reference"], rows.x)

    def between(self, reference: Images, x: Images) -> Images:
        return reference + self.mask * (x - reference)

    def jitter(self, size: int) -> Jitter:
        """Picture and reference moved under the mask, which stays where it is."""

        def moved(_: Images, rows: Rows, step: int) -> Images:
            places = rows.extra["shifts"][:, step]
            return self.between(shifted(rows.extra["reference"], places, size), shifted(rows.x, places, size))

        return moved


def enlarged(masks: Tensor, size: torch.Size) -> Tensor:
    """Masks (n, g, g') at the pictures' size (h, w): nearest neighbour, then a Gaussian of 5/8 of a cell."""
    down, across = (stretch(side, cells, masks) for side, cells in zip(size, masks.shape[1:], strict=True))
    return down @ masks @ across.T


def stretch(side: int, cells: int, like: Tensor) -> Tensor:
    """(side, cells): what each cell adds to each pixel of a line; the rows sum to 1."""
    basis = torch.eye(cells, dtype=like.dtype, device=like.device)[:, None]
    line = F.interpolate(basis, size=side, mode="nearest")
    return gaussian(line, MASK_BLUR * side / cells)[:, 0].T


def shifted(pictures: Images, places: Tensor, size: int) -> Images:
    """Pictures moved to their own places (n, 2) of `size` by `size`, about the middle; edges are repeated."""
    height, width = pictures.shape[2:]
    before = size // 2
    wide = F.pad(pictures, (before, size - before, before, size - before), mode="replicate")
    parts = zip(wide, places.tolist(), strict=True)
    return torch.stack([one[:, top : top + height, left : left + width] for one, (top, left) in parts])


def reference_of(model: Classifier, x: Images, params: MeaningfulPerturbationParams) -> Images:
    """A picture without content: blurred, of one value, or of the network's mean colour."""
    name = params.settings.reference if params.reference == AUTO else params.reference
    if name == "blur":
        return gaussian(x.flatten(0, 1), PICTURE_BLUR * min(x.shape[2:])).view_as(x).clamp(0, 1)
    if name == "min":
        return x.flatten(1).amin(1).view(-1, 1, 1, 1).expand_as(x)
    return model.mean.to(x).expand_as(x)


def explained(
    model: Classifier, rows: Rows, found: Found, before: Tensor, params: MeaningfulPerturbationParams
) -> Explanation:
    saliency = (1 - enlarged(found.z, rows.x.shape[2:])).clamp(0, 1)
    mask = saliency >= (0.5 if params.threshold is None else params.threshold)
    image = found.image.clamp(0, 1)
    if params.threshold is not None:
        image = rows.extra["reference"].where(mask[:, None], rows.x)
    with torch.no_grad():
        after = model(image)
    share = mask.flatten(1).to(saliency).mean(1)
    probability = pick(model.probabilities(after), rows.target)
    fell = decision(model, rows.target, before, after)
    return Explanation(
        saliency=saliency,
        before=before,
        after=after,
        perturbed=image,
        mask=mask,
        outcomes=tuple(
            told(part, belief) + text
            for part, belief, text in zip(share.tolist(), probability.tolist(), fell, strict=True)
        ),
        passes=tuple(spent + Passes(2, 0) for spent in found.passes),
        numbers={"loss": found.loss, "hidden": saliency.flatten(1).mean(1), "mask share": share},
        trace={"loss": found.traced},
    )


def told(share: float, belief: float) -> str:
    if share == 0:
        return "Nothing is hidden: the class was not worth the mask. Lower alpha, or choose a class that is seen. "
    return f"Hides {share:.1%} of the picture; {belief:.1%} of the class is left. "


def cost(params: MeaningfulPerturbationParams) -> float:
    return params.steps + 1.5


METHOD = Method(
    name="meaningful-perturbation",
    title="Meaningful perturbation",
    summary="The smallest smooth mask whose blurring or blackening takes the class away.",
    citation="Fong & Vedaldi, Interpretable Explanations of Black Boxes by Meaningful Perturbation, ICCV 2017.",
    run=run,
    params=MeaningfulPerturbationParams,
    rho="none",
    cost=cost,
    sensitive=True,  # measured on a phantom, float64 too: rounding grows tenfold every eleven steps
    limits="300 steps; as coarse as its mask, and the settings decide how much is hidden.",
    prepared=True,
)
