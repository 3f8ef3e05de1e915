"""What a rival is: another program's way to an answer of ours, and how far the two agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn

from explain_core.methods.gradcam import look
from explain_core.models.classifier import Classifier
from explain_core.types import Explanation, Images, Labels, PerRow, Question

PLAIN = "plain"
MODULES = {"captum": "captum.attr", "grad-cam": "pytorch_grad_cam", "foolbox": "foolbox"}
"""The peers, as they are installed and as they are imported."""

REMEDY = "pip install 'rhoscope[peers]'"

Ways = Mapping[str, Callable[[], Any]]
"""The settings that change nothing but the speed, by name; the fastest counts."""


@dataclass(frozen=True)
class Asked:
    """What a peer is asked: `params` are those of our method.

    The model is as it was loaded, in eval mode, and nobody else's: hooks may stay in it.
    """

    model: Classifier
    question: Question
    params: Any


def nothing(_: Question) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Rival:
    """A contest: our `method` against `what` of a `peer`.

    `ways` sets the peer up, which is not timed; `agreement(asked, ours, theirs)` names figures that compare the two
    answers.  `settings` are parameters of ours where nobody asks for others and the defaults do not suit.  With
    `frozen` parameters, where a peer does not freeze them and users could.
    """

    method: str
    peer: str
    what: str
    ways: Callable[[Asked], Ways]
    agreement: Callable[[Asked, Explanation, Any], dict[str, float]]
    settings: Callable[[Question], Mapping[str, Any]] = nothing
    frozen: bool = False

    def version(self) -> str | None:
        """The peer's; None where it is not installed."""
        if self.peer == PLAIN:
            return torch.__version__.partition("+")[0]
        try:
            return version(self.peer)
        except PackageNotFoundError:
            return None


def module(peer: str) -> Any:
    """A peer that is installed; imported when a contest needs it, because it is no dependency."""
    return import_module(MODULES[peer])


class Scored(nn.Module):
    """One score a picture instead of logits, so that a peer explains the same objective."""

    def __init__(self, model: Classifier, score: Callable[[Tensor, Labels], PerRow]) -> None:
        super().__init__()
        self.model, self.score = model, score

    def forward(self, x: Images, target: Labels) -> PerRow:
        return self.score(self.model(x), target)


def layer_of(asked: Asked) -> nn.Module:
    """The layer that our Grad-CAM uses."""
    return asked.model.net.get_submodule(look(asked.model, asked.question, asked.params.layer).name)


def out_of_place(model: Classifier) -> None:
    """The same network for peers that would otherwise read a map after its rectifier has changed it."""
    for part in model.modules():
        if isinstance(part, (nn.ReLU, nn.ReLU6)):
            part.inplace = False


def relative(ours: Tensor, theirs: Tensor) -> dict[str, float]:
    """The largest difference, as a share of the largest value; of two maps that are empty, 0.

    >>> relative(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0]))
    {'relative difference': 0.25}
    """
    most = theirs.abs().max().clamp_min(torch.finfo(theirs.dtype).tiny)
    return {"relative difference": float((ours - theirs).abs().max() / most)}


def correlation(ours: Tensor, theirs: Tensor) -> dict[str, float]:
    """Pearson's, the lowest of the rows."""
    pairs = zip(ours.flatten(1).double(), theirs.flatten(1).double(), strict=True)
    return {"correlation": min(float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs)}
