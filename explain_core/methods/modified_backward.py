"""Guided backpropagation (Springenberg et al. 2015) and the deconvolutional network (Zeiler & Fergus 2014).

The gradient of the class with respect to the pixels, with another rule at every rectifier, see
`backward/rectifiers.py`; max pooling passes back through its switches, as ordinary.  S[u] = max_k |g_k[u]|.
One forward and one backward pass.  A network without any activation shows its gradient.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from explain_core.backward.rectifiers import Rectifying, Rule
from explain_core.errors import CannotExplain
from explain_core.methods.base import Method
from explain_core.methods.gradient import one_pass
from explain_core.methods.pixels import PixelParams, class_gradient, flatten_channels, score_of, told
from explain_core.models.classifier import Classifier
from explain_core.types import Explanation, Images, Logits, Passes, Question, Working

NO_RECTIFIERS = (
    *(nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.ELU, nn.SELU, nn.CELU, nn.Softplus, nn.Tanh),
    *(nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.Threshold),
)


def run(rule: Rule, title: str, model: Classifier, question: Question, params: PixelParams) -> Working:
    """Yields no step, because there is only one."""
    check(title, model)

    def forward(x: Images) -> Logits:
        with Rectifying(rule):
            logits: Logits = model(x)
        return logits

    logits, slope = class_gradient(forward, question.images, question.target, score_of(model, params))
    saliency = flatten_channels(slope, params)
    return Explanation(
        saliency=saliency,
        before=logits,
        outcomes=told(saliency, "What excites the class, followed back through the rectifiers."),
        passes=(Passes(1, 1),) * len(logits),
    )
    yield  # makes this a generator, like every method


def check(title: str, model: Classifier) -> None:
    """Raises CannotExplain, with the reason."""
    if reason := cannot(model):
        raise CannotExplain(f"{title} cannot explain {model.spec}, because {reason}")


def cannot(model: Classifier) -> str | None:
    """Why there is no such rule for this network, or None; functions without a module are found when it runs."""
    for module in model.net.modules():
        kind = type(module).__name__
        if "Attention" in kind:
            return "attention layers have no rectifier's rule; gradient, SmoothGrad and integrated gradients work."
        if isinstance(module, NO_RECTIFIERS):
            return f"its activation {kind} is no rectifier; gradient, SmoothGrad and integrated gradients work."
    return None


def _row(rule: Rule, name: str, title: str, summary: str, citation: str) -> Method:
    return Method(
        name=name,
        title=title,
        summary=summary,
        citation=citation,
        run=partial(run, rule, title),
        params=PixelParams,
        rho="none",
        cost=one_pass,
        cannot=cannot,
        limits="Sharp, but much the same for every class, and little moved when the weights are drawn anew.",
        prepared=True,
    )


GUIDED_BACKPROP = _row(
    "guided",
    "guided-backprop",
    "Guided backprop",
    "What excites the class, through active rectifiers only.",
    "Springenberg et al., Striving for Simplicity, ICLR Workshop 2015.",
)
DECONVNET = _row(
    "deconvnet",
    "deconvnet",
    "Deconvnet",
    "What excites the class, whether rectifiers are active or not.",
    "Zeiler & Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.",
)
