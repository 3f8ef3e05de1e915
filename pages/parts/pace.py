"""How long a question will take here: the seconds that passes took in the answers of this session so far."""

from __future__ import annotations

from collections import defaultdict

from explain_core.records import Answer

Key = tuple[str, str]


class Pace:
    """Seconds per pass and pixel, by model and method; what a convolution costs grows with the area."""

    def __init__(self) -> None:
        self._seconds: defaultdict[Key, float] = defaultdict(float)
        self._work: defaultdict[Key, float] = defaultdict(float)

    def note(self, answer: Answer) -> None:
        """Takes in what an answer cost."""
        origin = answer.provenance
        height, width = answer.input.shape[1:]
        for key in ((origin.model_sha256, origin.method), (origin.model_sha256, "")):
            self._seconds[key] += origin.seconds
            self._work[key] += origin.units * height * width

    def seconds(self, model_sha256: str, method: str, passes: float, shape: tuple[int, ...]) -> float | None:
        """Expected for so many passes on a picture (c, h, w); None before anything was solved with this model.

        The method's own pace where it is known, as its steps may cost more than the passes in them.
        """
        for key in ((model_sha256, method), (model_sha256, "")):
            if self._work.get(key):
                return self._seconds[key] / self._work[key] * passes * shape[-2] * shape[-1]
        return None


def words(seconds: float) -> str:
    """Rounded as far as an expectation can be trusted."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 100:
        return f"about {_round(seconds):g} s"
    minutes = seconds / 60
    return f"about {_round(minutes):g} min" if minutes < 100 else f"about {_round(minutes / 60):g} h"


def passes(count: float) -> str:
    """A number of passes as a label says it."""
    return f"{count:,.0f}" if count >= 10 else f"{count:g}"


def _round(value: float) -> float:
    """One digit below 10, whole above."""
    return round(value) if value >= 10 else float(f"{value:.1g}")
