"""What a campaign's build is asked, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from explain_core.campaign.strategies import STRATEGIES
from explain_core.params import Choice, Params, Pattern, Range

UNCHANGED, RIGHT_THING, BETTER = "unchanged", "right-thing", "better"
NAME = Pattern(r"[\w.-]+", "a method's name, as `rhoscope methods` lists it")


@dataclass(frozen=True)
class CampaignParams(Params):
    question: Annotated[
        str, Choice((UNCHANGED, RIGHT_THING, BETTER)), "Whether a class is unchanged; or about explanations."
    ] = UNCHANGED
    items: Annotated[int, Range(1, 100_000, 1), "Examples to ask about, beside gold items and repeats."] = 600
    strategy: Annotated[str, Choice(tuple(STRATEGIES)), "Which pictures come first."] = "random"
    share_random: Annotated[float, Range(0, 1, 0.05), "Share drawn at random, so that estimates stay unbiased."] = 0.2
    margin: Annotated[float, Range(0, 0.99, 0.01), "How sure of a wrong class the network must be made."] = 0.5
    steps: Annotated[int, Range(5, 1000, 5), "Steps of each of the attack's two phases."] = 100
    gold: Annotated[float, Range(0, 0.5, 0.01), "Gold items, as a share of the examples."] = 0.05
    repeats: Annotated[float, Range(0, 0.5, 0.01), "Repeated items, as a share of the examples."] = 0.05
    practice: Annotated[int, Range(0, 20, 1), "Practice items, whose answers are told; half are examples."] = 6
    method: Annotated[str, NAME, "Explains, where the question is about explanations."] = "perceptual-ball"
    against: Annotated[str, NAME, "The other method, where the question is which is better."] = "gradcam"
    seed: Annotated[int, Range(0, 2**31 - 1, 1), "Of every draw."] = 0
