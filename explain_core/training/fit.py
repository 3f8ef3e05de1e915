"""The only training loop.

    batch  →  each term prepares it  →  one forward pass  →  each term's loss  →  one backward pass  →  a step

Everything drawn at random is keyed by picture and epoch, and torch's own generator (dropout) is seeded for each
step, so a training that was stopped and taken up again ends bit for bit where one that was not would have.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from explain_core.backward.twice import Twice
from explain_core.errors import Cancelled, ParamError, TrainingError
from explain_core.models.classifier import Classifier
from explain_core.training.batch import Batch, Seen, decided, forward, generator, shuffled
from explain_core.training.checkpoint import Parts, Place, read_checkpoint, write_checkpoint
from explain_core.training.moving_average import MovingAverage
from explain_core.training.pictures import Pictures
from explain_core.training.processes import Processes
from explain_core.training.recipe import Recipe
from explain_core.training.schedule import optimiser_of, rate_at, set_rate
from explain_core.training.telling import CURVES, EVERY, Alone, Listener, Telling
from explain_core.training.terms import TERMS, Setting, Term

SECONDS = 60.0
"""Between two checkpoints inside an epoch."""
AT_ONCE = 256
DTYPES = {"float32": torch.float32, "bfloat16": torch.float32, "float64": torch.float64}


@dataclass(eq=False)
class Training:
    """One network on its way; `parts` are what checkpoints hold beside the place."""

    recipe: Recipe
    model: Classifier
    pictures: Pictures
    held_out: Pictures | None
    out: Path
    listener: Listener = field(default_factory=Alone)
    processes: Processes = field(default_factory=Processes)
    question: str = ""

    def __post_init__(self) -> None:
        schedule = self.recipe.schedule
        if schedule.batch % self.processes.world:
            raise ParamError(
                f"schedule.batch = {schedule.batch}: {self.processes.world} processes cannot share it evenly; "
                f"choose a multiple."
            )
        setting = Setting(self.model, self.pictures.counts, self.processes.mean)
        self.terms: dict[str, Term] = {
            name: TERMS[name].build(params, setting) for name, params in self.recipe.terms.items()
        }
        slow = [name for name in self.terms if not TERMS[name].mixed]
        if schedule.precision == "bfloat16" and slow:
            raise ParamError(f"schedule.precision = 'bfloat16': the term {slow[0]} needs float32; choose that.")
        self.model.to(DTYPES[schedule.precision])
        optimiser = optimiser_of(self.model.net, schedule)
        average = MovingAverage(self.model.net, schedule.ema) if schedule.ema else None
        self.parts = Parts(self.model.net, optimiser, average, {}, self.question)
        self.place = Place()
        self.saved = time.monotonic()
        self.telling = Telling(
            self.out / CURVES if self.processes.first else None, self.listener, self.steps, schedule.epochs,
            min(schedule.batch, len(self.pictures)),
        )  # fmt: skip

    @property
    def steps_an_epoch(self) -> int:
        """Whole batches of an epoch; a set smaller than a batch is one."""
        return max(1, len(self.pictures) // self.recipe.schedule.batch)

    @property
    def steps(self) -> int:
        return self.steps_an_epoch * self.recipe.schedule.epochs

    @property
    def device(self) -> torch.device:
        return self.model.mean.device

    def run(self) -> Place:
        """From the folder's checkpoint, or the beginning, to the end; raises Cancelled or TrainingError."""
        self.take_up()
        try:
            for epoch in range(self.place.epoch, self.recipe.schedule.epochs):
                self.epoch(epoch)
        except Cancelled:
            self.save()
            raise
        self.settle()
        return self.place

    def take_up(self) -> None:
        found = read_checkpoint(self.out, self.parts)
        if found is None:
            return
        self.place, terms = found
        for name, state in terms.items():
            self.terms[name].restore(state)
        self.telling.take_up(self.place.step)

    def epoch(self, epoch: int) -> None:
        schedule, steps = self.recipe.schedule, self.steps_an_epoch
        order = shuffled(len(self.pictures), schedule.seed, epoch, "order")
        self.model.train()
        for step in range(self.place.step - epoch * steps, steps):
            if self.listener.cancelled():
                raise Cancelled(f"Stopped at step {self.place.step}; resume to go on.")
            places = order[step * schedule.batch : (step + 1) * schedule.batch]
            set_rate(self.parts.optimiser, rate_at(schedule, epoch + step / steps))
            self.step(places, epoch)
            self.place.step += 1
            if self.place.step % EVERY == 0:
                self.tell()
            if time.monotonic() - self.saved > SECONDS and step + 1 < steps:
                self.save()
        self.tell()
        self.place.epoch = epoch + 1
        self.judge()
        self.save()

    def step(self, places: Sequence[int], epoch: int) -> None:
        """One step on these pictures of all processes together."""
        schedule, processes = self.recipe.schedule, self.processes
        torch.manual_seed(generator(schedule.seed, self.place.step, processes.rank, "torch").initial_seed())
        batch = self.pictures.batch(processes.share(places), epoch, schedule.seed, self.device)
        losses, logits = self.losses(batch, len(places))
        self.parts.optimiser.zero_grad(set_to_none=True)
        total = torch.stack(list(losses.values())).sum()
        total.backward()  # type: ignore[no-untyped-call]
        learnt = [one.grad for one in self.model.net.parameters() if one.grad is not None]
        processes.sum_all(learnt)
        right = decided(self.model, logits, batch.labels).sum() / len(places)
        size = torch.stack([gradient.square().sum() for gradient in learnt]).sum().sqrt()
        values = processes.sum(torch.stack([*(loss.detach() for loss in losses.values()), right]))
        self.check([*losses, "accuracy", "gradient norm"], [*values.tolist(), size.item()])
        self.parts.optimiser.step()
        if self.parts.average:
            self.parts.average.update(self.model.net)

    def losses(self, batch: Batch, whole: int) -> tuple[dict[str, Tensor], Tensor]:
        """Each term's part of the loss, of this process's pictures out of `whole`, and the logits."""
        batch = batch.showing(batch.pixels.to(self.model.mean.dtype))
        for term in self.terms.values():
            batch = term.prepare(batch, self.model)
        twice = any(term.differentiates for term in self.terms.values())
        batch = batch.showing(batch.pixels.detach().requires_grad_(twice))
        watch = next((found for one in self.terms.values() if (found := one.watch(batch, self.model))), None)
        mixed = self.recipe.schedule.precision == "bfloat16"
        with ExitStack() as around:
            if mixed:
                around.enter_context(torch.autocast(self.device.type, torch.bfloat16))
            if twice:
                around.enter_context(Twice())
            logits, features = (
                watch.run(lambda: forward(self.model, batch)) if watch else (forward(self.model, batch), ())
            )
        seen = Seen(batch, self.model, logits.to(self.model.mean.dtype), features)
        losses: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            loss = term.loss(seen)
            if loss is not None:
                losses[name] = loss.sum() / whole if loss.ndim else loss / self.processes.world
            term.release()
        return losses, seen.logits

    def check(self, names: Sequence[str], values: Sequence[float]) -> None:
        """Adds to the curves; raises TrainingError where a number is none, or infinite."""
        for name, value in zip(names, values, strict=True):
            if not math.isfinite(value):
                what = "the gradient" if name == "gradient norm" else f"the term {name}"
                raise TrainingError(
                    f"Step {self.place.step + 1} (epoch {self.place.epoch + 1}): {what} is {value}; the last "
                    "checkpoint is kept. Lower schedule.rate, or lengthen schedule.warm_up."
                )
        self.telling.add(names, values)

    def tell(self) -> None:
        """A point of every curve."""
        now = {"rate": float(self.parts.optimiser.param_groups[0]["lr"])}
        for term in self.terms.values():
            now.update(term.numbers())
        self.telling.point(self.place.step, self.place.epoch, now)

    def judge(self) -> None:
        """At the end of an epoch: accuracy on what was held out, and whether this is the best epoch."""
        if self.held_out is None:
            return
        with self.parts.average.shown(self.model.net) if self.parts.average else nullcontext():
            values = evaluate(self.model, self.held_out)
            if values["validation accuracy"] > self.place.best:
                self.place.best, self.place.best_epoch = values["validation accuracy"], self.place.epoch
                if self.recipe.schedule.keep == "best":
                    self.parts.best.update({n: v.detach().clone() for n, v in self.model.net.state_dict().items()})
        self.model.train()
        self.telling.note(self.place.step, self.place.epoch, values)

    def save(self) -> None:
        if self.processes.first:
            states = {name: term.state() for name, term in self.terms.items() if term.state()}
            write_checkpoint(self.out, self.parts, self.place, states)
        self.saved = time.monotonic()
        self.processes.wait()

    def settle(self) -> None:
        """Leaves the network with the weights that are kept, in evaluation mode."""
        if self.parts.best:
            self.model.net.load_state_dict(self.parts.best)
        elif self.parts.average:
            self.parts.average.put(self.model.net, self.parts.average.values)
        self.model.eval()


@torch.no_grad()
def evaluate(model: Classifier, pictures: Pictures) -> dict[str, float]:
    """Mean loss and accuracy on pictures, in evaluation mode."""
    model.eval()
    right = loss = 0.0
    for start in range(0, len(pictures), AT_ONCE):
        places = range(start, min(start + AT_ONCE, len(pictures)))
        batch = pictures.batch(places, 0, 0, model.mean.device)
        seen = Seen(batch, model, model(batch.pixels.to(model.mean.dtype)))
        right += float(decided(model, seen.logits, batch.labels).sum())
        loss += float(seen.cross_entropy.sum())
    return {"validation accuracy": right / len(pictures), "validation loss": loss / len(pictures)}
