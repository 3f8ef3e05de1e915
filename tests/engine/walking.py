"""Test methods whose every step the test can watch and hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch

from explain_core.data.images import image_key
from explain_core.engine import Engine, Job, ModelCard
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier, pick
from explain_core.params import Params, Range, knobs
from explain_core.records import Floats
from explain_core.types import Explanation, Passes, Question, Step, Working

PATIENCE = 60
"""Seconds until a test gives up on a thread that hangs; none waits that long when all is well."""
SAMPLES = 15


@dataclass(frozen=True)
class WalkParams(Params):
    steps: Annotated[int, Range(1, 100_000), "Steps."] = 40


@dataclass
class Walk:
    """A method that climbs the target's logit in small steps and can be held after any of them.

    `steps` lists (done, rows at work) of every step taken, `chunks` the size of every batch begun.
    More than `most` rows are out of memory; `fault` is raised in the second step.
    """

    name: str = "walk"
    most: int = 1000
    fault: BaseException | None = None
    steps: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)
    hold_after: int | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    @property
    def method(self) -> Method:
        return Method(
            name=self.name,
            title=self.name.title(),
            summary="",
            citation="",
            run=self.run,
            params=WalkParams,
            rho="optional",
            cost=lambda params: float(params.steps),
        )

    def hold(self, after: int) -> None:
        """From now on the worker stops after that step, until `go` is set."""
        self.hold_after = after

    def run(self, model: Classifier, question: Question, params: WalkParams) -> Working:
        x, live = question.images.clone(), torch.arange(len(question.images))
        self.chunks.append(len(x))
        with torch.no_grad():
            before = model(x)
        for step in range(1, params.steps + 1):
            if len(live) > self.most:
                raise torch.OutOfMemoryError(f"out of memory: {len(live)} rows")
            if self.fault and step == 2:
                raise self.fault
            z = x[live].requires_grad_()
            (slope,) = torch.autograd.grad(pick(model(z), question.target[live]).sum(), z)
            x[live] = (x[live] + 0.01 * slope.sign()).clamp(0, 1)
            self.steps.append((step, tuple(live.tolist())))
            if step == self.hold_after:
                self.reached.set()
                assert self.go.wait(PATIENCE)
            drop = yield Step(step, params.steps, live, x if len(live) == len(x) else x[live])  # x goes on in place
            live = live[[i not in (drop or ()) for i in live.tolist()]]
        with torch.no_grad():
            after = model(x)
        spent = Passes(params.steps + 2, params.steps)
        change = (x - question.images).mean(dim=1)
        return Explanation(
            change, before, ("walked",) * len(x), (spent,) * len(x), perturbed=x, after=after,
            numbers={"mean": change.mean(dim=(1, 2))},
        )  # fmt: skip


@dataclass
class Glance:
    """The gradient of the target's logit: one forward, one backward, no pause; `when` is called as it begins."""

    when: Callable[[], None] = lambda: None
    count: int = 0

    @property
    def method(self) -> Method:
        return Method("glance", "Glance", "", "", self.run, Params, "none", lambda _: 1.0)

    def run(self, model: Classifier, question: Question, _: Params) -> Working:
        self.count += 1
        self.when()
        x = question.images.clone().requires_grad_()
        logits = model(x)
        (slope,) = torch.autograd.grad(pick(logits, question.target).sum(), x)
        rows = len(x)
        return Explanation(slope.mean(dim=1), logits.detach(), ("seen",) * rows, (Passes(1, 1),) * rows)
        yield


@dataclass
class Clock:
    """A clock that stands still until it is told to go on."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """An engine with one tiny model and the test's methods, and jobs for it."""

    engine: Engine
    card: ModelCard
    model: Classifier
    walk: Walk
    other: Walk
    glance: Glance
    clock: Clock

    def job(self, method: str, picture: Floats, *, target: int = 1, rho: float | None = None, steps: int = 40) -> Job:
        schema = self.engine.methods[method].params
        few = {"steps": steps, "samples": SAMPLES}
        params = schema.build({knob.name: few[knob.name] for knob in knobs(schema) if knob.name in few})
        return Job(self.card.spec, self.card.sha256, method, image_key(picture), target, params, rho)

    def questions(
        self, method: str, pictures: Sequence[Floats], *, rho: float | None = None, steps: int = 40
    ) -> list[tuple[Job, Floats]]:
        return [(self.job(method, picture, rho=rho, steps=steps), picture) for picture in pictures]
