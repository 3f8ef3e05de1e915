"""What the methods share that hide parts of the picture: what is scored, and what shows in place of the hidden part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch

from explain_core.methods.pixels import baseline_of
from explain_core.models.classifier import Classifier, pick
from explain_core.params import Choice, Params
from explain_core.sampling import LARGE, Tally
from explain_core.types import Images, Labels, Logits, Passes, PerRow

FILLS = ("mean", "black", "grey", "white", "blur")

ACTIVATIONS = 24.0
"""Pictures' worth of memory that a sample takes on its way through a network, without a backward pass, besides
what is counted for one picture's backward pass: two maps of a VGG's first layers are 43."""


@dataclass(frozen=True)
class MaskedParams(Params):
    objective: Annotated[
        str, Choice(("probability", "logit", "log-odds")), "What is scored: the class's probability, logit or log-odds."
    ] = "probability"
    fill: Annotated[str, Choice(FILLS), "What shows where the picture is hidden; mean is the network's zero."] = "mean"
    bfloat16: Annotated[
        bool,
        "Score samples in bfloat16, where the processor has it: about twice as fast; maps correlate to 0.993–0.9999 "
        "with the exact ones, on MobileNet the least.",
    ] = False


def score_of(model: Classifier, params: MaskedParams) -> Callable[[Logits, Labels], PerRow]:
    """What a sample is scored by."""
    if params.objective == "probability":
        return lambda logits, target: pick(model.probabilities(logits), target)
    return pick if params.objective == "logit" else model.log_odds


def fill_of(model: Classifier, x: Images, name: str) -> Images:
    """What shows where the picture is hidden, as a whole picture; 0.5 is grey."""
    return torch.full_like(x, 0.5) if name == "grey" else baseline_of(model, x, name)


def passes_of(tallies: Sequence[Tally], params: MaskedParams) -> tuple[Passes, ...]:
    """One forward pass a sample, and one of the picture itself, or two where samples are scored in bfloat16."""
    return tuple(Passes(tally.count + 1 + params.bfloat16, 0) for tally in tallies)


def memory(_: Params) -> float:
    """Samples on their way through the network, however many there will be."""
    return max(LARGE.values()) * ACTIVATIONS
