"""What a training step costs, in steps of plain training: the loop's own steps, in turn, medians of one run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explain_core.data.images import Picture
from explain_core.data.sources import DataSet, Item
from explain_core.engine.lending import lend
from explain_core.engine.library import choose_device
from explain_core.models.classifier import Classifier
from explain_core.training.fit import Training
from explain_core.training.recipe import load_recipe
from explain_core.training.training import network, split

RECIPE = "ae-cifar10"
VARIANTS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "lipschitz": ("terms.lipschitz=true",),
    "adversarial": ("terms.adversarial=true",),
    "hhrelu": ("network.activation=hhrelu",),
    "hhrelu and lipschitz": ("network.activation=hhrelu", "terms.lipschitz=true"),
}
UNIT = "unit"
ATTACK_STEPS, CLASSES = 7, 10


@dataclass(frozen=True)
class Step:
    """The median seconds of one step, in plain steps, and the pictures a second that they make."""

    name: str
    seconds: float
    ratio: float
    images_per_second: float


@dataclass(frozen=True)
class Report:
    """`attack_overhead`: the adversarial step over seven units with frozen parameters and one plain step."""

    batch: int
    threads: int
    rounds: int
    device: str
    steps: tuple[Step, ...]
    attack_overhead: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """As a table for a shell."""
        head = (
            f"{RECIPE}, batch {self.batch} on {self.device}, {self.threads} thread(s), medians of {self.rounds} rounds"
        )
        rows = [
            f"{step.name:22s}{step.seconds:9.3f} s{step.ratio:8.2f} plain{step.images_per_second:9.1f} images/s"
            for step in self.steps
        ]
        last = f"adversarial over {ATTACK_STEPS} units and a plain step: {self.attack_overhead:.3f}"
        return [head, *rows, f"{last} (batch-norm in evaluation mode)"]


def bench_training(batch: int = 32, rounds: int = 7, settings: Sequence[str] = (), device: str = "cpu") -> Report:
    """Steps of every variant in turn, `rounds` times after one to warm up; `settings` change the recipe of all."""
    where = choose_device(device)
    items = _random(batch)
    with tempfile.TemporaryDirectory() as folder:
        work = {
            name: _step(items, [f"schedule.batch={batch}", *settings, *more], where, Path(folder))
            for name, more in VARIANTS.items()
        }
        frozen = network(load_recipe(RECIPE, settings), split(load_recipe(RECIPE), items)[0], where)
        work[UNIT] = _unit(frozen, batch)
        times: dict[str, list[float]] = {name: [] for name in work}
        for turn in range(rounds + 1):
            for name, step in work.items():
                seconds = _seconds(step, where)
                if turn:
                    times[name].append(seconds)
    medians = {name: statistics.median(found) for name, found in times.items()}
    plain = medians["plain"]
    steps = tuple(Step(name, one, one / plain, batch / one) for name, one in medians.items())
    overhead = medians["adversarial"] / (ATTACK_STEPS * medians[UNIT] + plain)
    return Report(batch, torch.get_num_threads(), rounds, str(where), steps, overhead)


def _random(batch: int) -> DataSet:
    drawn = np.random.default_rng(0).integers(0, 256, (batch, 3, 32, 32)).astype(np.float32) / np.float32(255)
    items = tuple(Item(f"{place}", partial(Picture, pixels, ""), place % CLASSES) for place, pixels in enumerate(drawn))
    return DataSet("random", items, tuple(map(str, range(CLASSES))))


def _step(items: DataSet, settings: Sequence[str], device: torch.device, out: Path) -> Callable[[], None]:
    recipe = load_recipe(RECIPE, settings)
    pictures, _ = split(recipe, items)
    training = Training(recipe, network(recipe, pictures, device), pictures, None, out)
    training.model.train()
    places = range(len(pictures))
    return lambda: training.step(places, 0)


def _unit(model: Classifier, batch: int) -> Callable[[], None]:
    """One forward and backward pass to the pixels, with frozen parameters."""
    x, y = (
        torch.rand(batch, 3, 32, 32, device=model.mean.device),
        torch.arange(batch, device=model.mean.device) % CLASSES,
    )

    def step() -> None:
        with lend(model):
            pixels = x.requires_grad_()
            torch.autograd.grad(model.log_odds(model(pixels), y).sum(), pixels)

    return step


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
