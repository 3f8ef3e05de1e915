"""What a retraining is asked, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from explain_core.params import Choice, Params, Range

SCRATCH, CURRENT = "scratch", "current"


@dataclass(frozen=True)
class RetrainParams(Params):
    n: Annotated[int | None, Range(2, 10_000_000), "Training pictures, drawn with the seed; auto is all."] = None
    start: Annotated[
        str, Choice((SCRATCH, CURRENT)), "Fresh weights, as in the paper, or those of the current network."
    ] = SCRATCH
    seeds: Annotated[int, Range(1, 20), "Networks of each arm; the same seeds for every arm."] = 3
    seed: Annotated[int, Range(0, 2**31 - 100), "The first of them, and of every other draw."] = 0
    small: Annotated[
        float, Range(0.0001, 0.2, log=True, unit="RMSE"), "Length of the control's plain adversarial changes."
    ] = 0.01
    test_n: Annotated[int, Range(2, 100_000), "Test pictures of the proof, drawn with the seed."] = 200
    steps: Annotated[int, Range(10, 2000), "Steps of the search behind the ARA; fewer mislead."] = 450
