"""An engine that knows every answer at once, or when it is told to, and counts what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

from explain_core.engine import Job, ModelCard
from explain_core.errors import Cancelled, CannotExplain, SpecError
from explain_core.methods import METHODS
from explain_core.models.classifier import InputSpec
from explain_core.records import Answer, Floats, Provenance

Opened = Callable[..., AppTest]
CLASSES = ("normal", "lesion", "marker")


class FakeTicket:
    def __init__(self, job: Job, pixels: Floats, state: str, seconds: float) -> None:
        self.job, self.pixels, self.state, self.seconds = job, pixels, state, seconds
        self.progress = 0.0
        self.drawn: Floats | None = None

    def result(self, timeout: float | None = None) -> Answer:
        if self.state == "cancelled":
            raise Cancelled("Given up.")
        if self.state == "failed":
            raise CannotExplain("The map is not finite.")
        return solve(self.job, self.pixels, self.seconds)

    def preview(self) -> Floats | None:
        return self.drawn

    def cancel(self) -> None:
        self.state = "cancelled"


class FakeEngine:
    """With `at_once` every ticket is done when it is handed out; otherwise `finish` does it.

    Every answer costs 12 passes and `seconds`.
    """

    def __init__(self, at_once: bool = True) -> None:
        self.at_once = at_once
        self.seconds = 0.05
        self.failing: set[str] = set()
        self.cannot: dict[str, str] = {}
        self.tickets: list[FakeTicket] = []
        self.priorities: list[int] = []

    def open(self, spec: str, allow_code: Path | None = None) -> ModelCard:
        if not spec.startswith("demo"):
            raise SpecError(f"No model {spec!r}: there is demo and demo-shortcut.")
        return ModelCard(spec, spec * 8, CLASSES, "softmax", InputSpec(1, None, None, 8), self.cannot)

    def predict(self, spec: str, pixels: Floats) -> Floats:
        return np.array([0.25, 0.7, 0.05], np.float32)

    def submit_all(self, questions: Iterable[tuple[Job, Floats]], priority: int = 0) -> list[FakeTicket]:
        made = [FakeTicket(job, pixels, self._state(job), self.seconds) for job, pixels in questions]
        self.tickets += made
        self.priorities += [priority] * len(made)
        return made

    def _state(self, job: Job) -> str:
        if job.method in self.failing:
            return "failed"
        return "done" if self.at_once else "waiting"

    def finish(self, *methods: str) -> None:
        for ticket in self.tickets:
            if ticket.state == "waiting" and ticket.job.method in (methods or METHODS):
                ticket.state = "done"

    @property
    def jobs(self) -> list[Job]:
        return [ticket.job for ticket in self.tickets]


def solve(job: Job, pixels: Floats, seconds: float = 0.05) -> Answer:
    """The target loses 8·ρ of its probability to class 0; the change is flat, and half of ρ for APE."""
    before = np.array([0.25, 0.7, 0.05], np.float32)
    origin = Provenance(
        job.method, job.version, job.params.as_dict(), job.model, job.model_sha256, job.image, job.target,
        CLASSES[job.target], job.rho, job.seed, 12.0, seconds, "cpu",
    )  # fmt: skip
    saliency = pixels[0] - pixels[0].mean()
    if METHODS[job.method].rho == "none":
        return Answer(pixels, np.abs(saliency), before, "It looked.", origin)
    used = (job.rho or 0.01) * (0.5 if job.method == "ape" else 1)
    changed = np.where(pixels > 0.5, pixels - used, pixels + used).astype(np.float32)
    lost = min(0.7, 8 * (job.rho or 0.01))
    after = before + np.array([lost, -lost, 0], np.float32)
    mask = saliency > 0 if job.method == "ape" else None
    return Answer(pixels, saliency, before, "It pushed.", origin, changed, after, mask)
