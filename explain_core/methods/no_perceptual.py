"""The perceptual ball without its perceptual term (Elliott, Law & Russell 2021, "no perceptual"): λ' = 0 in Eq. 5.

The un-regularised adversarial perturbation that the paper compares itself with: only the margin and the
distance in pixels count, so the change may be any pattern that the network happens to react to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from explain_core.methods import perceptual_ball
from explain_core.methods.base import Method
from explain_core.methods.perceptual_ball import PerceptualBallParams
from explain_core.models.classifier import Classifier
from explain_core.params import Params, Range
from explain_core.types import Question, Working


@dataclass(frozen=True)
class NoPerceptualParams(Params):
    margin_goal: Annotated[float, Range(-50, 0, 0.5, unit="logits"), "T: how far the class should fall behind."] = -2.0
    pixel_weight: Annotated[float, Range(0, 1e4), "λ: weight of the pixels' change."] = 1.0
    steps: Annotated[int, Range(5, 1000, 5, unit="steps"), "Iterations."] = 100
    history: Annotated[int, Range(1, 200, 1, unit="pairs"), "L-BFGS memory, without ρ; each pair costs memory."] = 10
    guided: Annotated[bool, "Multiply the saliency by the class's gradient at the picture."] = False
    fill_ball: Annotated[bool, "With ρ: lower the margin goal until the ball binds."] = False
    blur: Annotated[float, Range(0, 64, 0.5, unit="pixels"), "σ of the saliency's Gaussian blur."] = 2.0

    @property
    def ball(self) -> PerceptualBallParams:
        """The perceptual ball's parameters with no layer held still."""
        return PerceptualBallParams.build({**self.as_dict(), "layers": "none"})


def run(model: Classifier, question: Question, params: NoPerceptualParams) -> Working:
    return perceptual_ball.run(model, question, params.ball)


METHOD = Method(
    name="no-perceptual",
    title="No perceptual term",
    summary="The smallest change in pixels alone that makes the class lose: the perceptual ball without activations.",
    citation=perceptual_ball.METHOD.citation,
    run=run,
    params=NoPerceptualParams,
    rho="optional",
    cost=lambda params: perceptual_ball.cost(params.ball),
    memory=lambda params: perceptual_ball.memory(params.ball),
    limits="A baseline: often a haze that means nothing to people.",
    prepared=True,
)
