"""What every measurement stands on: a network, pictures, and a unit to measure in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from explain_core.data.images import fit
from explain_core.data.sources import load_data
from explain_core.engine.answers import device_name, versions
from explain_core.engine.lending import lend
from explain_core.engine.library import Held, hold
from explain_core.errors import ImageError, InputError
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier, pick
from explain_core.params import Params
from explain_core.types import Explanation, Images, Question

SIDE = 224


@dataclass(frozen=True)
class Measured:
    """What was measured on."""

    model: str
    model_sha256: str
    device: str
    threads: int
    batch: int
    size: tuple[int, int]
    rounds: int
    versions: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    def head(self) -> str:
        """The first line of a table."""
        height, width = self.size
        return (
            f"{self.model}, batch {self.batch} of {height} x {width} on {self.device}, {self.threads} thread(s), "
            f"medians of {self.rounds} rounds"
        )


def measured(model: Classifier, question: Question, threads: int, rounds: int) -> dict[str, Any]:
    """The fields of `Measured`."""
    batch, _, height, width = question.images.shape
    return {
        "model": model.spec,
        "model_sha256": model.sha256(),
        "device": device_name(model.mean.device),
        "threads": threads,
        "batch": batch,
        "size": (height, width),
        "rounds": rounds,
        "versions": versions(),
    }


def opened(model: Classifier) -> Held:
    """The model as the engine holds it for who asks: tried out, and prepared for many passes."""
    return hold(model, model.spec or type(model.net).__name__, model.mean.device, METHODS)


@contextmanager
def lent(held: Held) -> Iterator[None]:
    """Both of its networks, as the engine lends them."""
    with lend(held.model), lend(held.prepared):
        yield


def question_of(
    model: Classifier, batch: int, size: tuple[int, int] | None = None, data: str | None = None
) -> Question:
    """Each picture's most probable class: of the first pictures of `data`, or of seeded noise.

    `size` (h, w) defaults to the model's own, or 224 × 224 for noise.  Raises ImageError where the model does not
    take it, DataError or InputError where `data` does not have that many pictures of one size.
    """
    if data:
        images = pictures(model, data, batch, size)
    else:
        images = noise(model, batch, size or model.input.size or (SIDE, SIDE))
    model.check_images(images.shape)
    images = images.to(model.mean)
    with torch.no_grad():
        target = model(images).argmax(dim=1)
    return Question(images, target, keys=tuple(f"{'picture' if data else 'noise'} {row}" for row in range(batch)))


def noise(model: Classifier, batch: int, size: tuple[int, int]) -> Images:
    """Coarse enough to have edges; the same for all who ask for as many."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, model.input.channels, 8, 8, generator=generator)
    return F.interpolate(coarse, size=size, mode="bilinear")


def pictures(model: Classifier, data: str, batch: int, size: tuple[int, int] | None) -> Images:
    """The first of a data set, as the network sees them."""
    items = load_data(data)[:batch]
    if len(items) < batch:
        raise InputError(f"{data} has {len(items)} pictures: {batch} are asked for; give a smaller --batch.")
    shown = [fit(item.read(), replace(model.input, size=size or model.input.size)) for item in items]
    if len({picture.shape for picture in shown}) > 1:
        raise ImageError(f"The first {batch} pictures of {data} differ in size: give --size.")
    return torch.from_numpy(np.stack(shown))


def unit(model: Classifier, question: Question) -> None:
    """One forward + backward pass with respect to the input."""
    x = question.images.detach().requires_grad_()
    with torch.enable_grad():
        torch.autograd.grad(pick(model(x), question.target).sum(), x)


def solve(held: Held, method: Method, params: Params, question: Question) -> tuple[Explanation, int]:
    """The method's answer on the network that the engine gives it, and in how many steps it came."""
    given, _ = held.for_method(method)
    working, steps = method.run(given, question, params), 0
    while True:
        try:
            next(working)
        except StopIteration as end:
            return end.value, steps
        steps += 1
