"""Expected seconds, from what answers took."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explain_core.engine import Job
from explain_core.methods import METHODS
from explain_core.records import Answer
from pages.parts.pace import Pace, passes, words
from tests.pages.fake_engine import solve


def answer(method: str, side: int, seconds: float) -> Answer:
    """12 passes on a square picture."""
    job = Job("demo", "sha", method, "picture", 1, METHODS[method].params(), 0.05)
    found = solve(job, np.full((1, side, side), 0.5, np.float32))
    return replace(found, provenance=replace(found.provenance, seconds=seconds))


def test_a_pass_costs_what_it_cost_before_and_grows_with_the_area() -> None:
    pace = Pace()
    assert pace.seconds("sha", "ape", 600, (1, 8, 8)) is None
    pace.note(answer("ape", 8, 6.0))
    assert pace.seconds("sha", "ape", 600, (1, 8, 8)) == pytest.approx(300)
    assert pace.seconds("sha", "ape", 600, (3, 16, 16)) == pytest.approx(1200)
    assert pace.seconds("other", "ape", 600, (1, 8, 8)) is None


def test_a_method_s_own_pace_goes_before_that_of_the_others() -> None:
    pace = Pace()
    pace.note(answer("ape", 8, 6.0))
    pace.note(answer("explain-plus", 8, 2.0))
    assert pace.seconds("sha", "ape", 12, (1, 8, 8)) == pytest.approx(6)
    assert pace.seconds("sha", "gradcam", 12, (1, 8, 8)) == pytest.approx(4), "the mean of what is known"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "under 1 s"), (4.4, "about 4 s"), (59.7, "about 60 s"), (150, "about 2 min"), (3000, "about 50 min"),
     (9000, "about 2 h")],
)  # fmt: skip
def test_an_expectation_is_said_as_far_as_it_can_be_trusted(seconds: float, said: str) -> None:
    assert words(seconds) == said


def test_passes_are_short() -> None:
    assert [passes(count) for count in (0.5, 1, 35.5, 2000.5)] == ["0.5", "1", "36", "2,000"]
