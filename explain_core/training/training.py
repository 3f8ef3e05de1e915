"""A training run in its folder: recipe and data in, a network with its card out.

OUT/recipe.toml               the whole recipe as it is run
OUT/metrics.jsonl             the curves, a line every few steps
OUT/checkpoint.safetensors    where the run stands
OUT/network/                  the trained network and its card, once it is there: `trained:OUT/network`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from explain_core.data.sources import DataSet, load_data
from explain_core.engine.library import choose_device
from explain_core.errors import DataError, OutputError, TrainingError
from explain_core.models.architectures import get_architecture
from explain_core.models.architectures.base import Shape
from explain_core.models.card import Card
from explain_core.models.classifier import Classifier, InputSpec, Kind
from explain_core.models.trained import write_trained
from explain_core.params import fingerprint
from explain_core.runs.kinds import Report
from explain_core.training.checkpoint import FILE
from explain_core.training.fit import Training, evaluate
from explain_core.training.pictures import Pictures, class_names
from explain_core.training.processes import Processes, joined, own_device
from explain_core.training.recipe import Recipe
from explain_core.training.telling import Alone, Listener
from explain_core.training.terms import TERMS

NETWORK, RECIPE, LOCK = "network", "recipe.toml", "lock"


@dataclass(frozen=True)
class Finished:
    """A run that is done: the folder of its network, how many steps it took, its figures."""

    network: Path
    steps: int
    figures: Mapping[str, float]


def work(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    """A run of the kind `train`: `recipe` in plain values, `data` its spec, `n` pictures of it or None for all."""
    recipe = Recipe.of(dict(spec["recipe"]))
    train(recipe, spec["data"], folder, n=spec.get("n"), device=report.device, listener=report)


def train(
    recipe: Recipe,
    data: str | DataSet,
    out: Path,
    *,
    n: int | None = None,
    start: Classifier | None = None,
    device: str = "auto",
    listener: Listener | None = None,
) -> Finished:
    """Trains in a folder, from its checkpoint where it has one; asked again when it is done, it does nothing.

    Args:
        data: the training pictures, or their spec.
        n: draw so many of them with the recipe's seed; None: all.
        start: a network whose weights are gone on from; None: fresh ones, drawn with the recipe's seed.

    Raises DataError, ImageError or ParamError for what cannot be trained, TrainingError where a run cannot go on,
    OutputError where its folder cannot be written, Cancelled where the listener wants it to stop.
    """
    where = own_device(choose_device(device))
    with joined(where) as processes, held(out, processes):
        items = load_data(data) if isinstance(data, str) else data
        items = items if n is None else items.sample(n, recipe.schedule.seed)
        learnt, held_out = split(recipe, items)
        model = network(recipe, learnt, where)
        if start is not None:
            _go_on_from(start, model)
        question = fingerprint(recipe.as_dict(), items.sha256, n, *([start.sha256()] if start else []))
        if processes.first:
            put(out / RECIPE, recipe.as_toml())
        training = Training(recipe, model, learnt, held_out, out, listener or Alone(), processes, question)
        place = training.run()
        figures = evaluate(model, held_out) if held_out else {}
        if processes.first:
            write_trained(out / NETWORK, model.float(), card(recipe, items, figures))
        return Finished(out / NETWORK, place.step, figures)


def started(out: Path) -> bool:
    """Whether a folder holds a run that was begun."""
    return (out / FILE).exists() or (out / NETWORK).exists()


def split(recipe: Recipe, items: DataSet) -> tuple[Pictures, Pictures | None]:
    """The pictures to learn from, and those held out; a patient's stay together."""
    names = recipe.input.names or class_names(items)
    found = class_names(items)
    if len(found) > len(names):
        raise DataError(f"input.classes names {len(names)} classes, but {items.spec} has {len(found)}; name them all.")
    input = InputSpec(recipe.input.channels, (recipe.input.size,) * 2, recipe.input.resize)
    larger = max((side for name, knobs in recipe.terms.items() if (side := TERMS[name].reads(knobs))), default=None)
    read = InputSpec(recipe.input.channels, (larger,) * 2) if larger else input
    if not recipe.schedule.validation:
        return Pictures.of(items, read, names), None
    held_out, learnt = items.split(recipe.schedule.validation, recipe.schedule.seed)
    return Pictures.of(learnt, read, names), Pictures.of(held_out, input, names)


def network(recipe: Recipe, pictures: Pictures, device: torch.device) -> Classifier:
    """The recipe's network with its first weights, drawn with the recipe's seed."""
    row, names = get_architecture(recipe.architecture), pictures.classes
    binary = recipe.input.kind == "binary"
    kind: Kind = "binary" if binary else pictures.kind
    size = (recipe.input.size,) * 2
    mean: Sequence[float] = (0.0,)
    std: Sequence[float] = (1.0,)
    if row.normalisation:
        wanted = row.normalisation(recipe.network)
        mean, std = wanted.mean, wanted.std
    elif recipe.input.normalise == "data":
        mean, std = pictures.statistics()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.schedule.seed)
        net = row.make(recipe.network, Shape(recipe.input.channels, size, 1 if binary else len(names)))
    free = recipe.input.any_size and not row.fixed
    input = InputSpec(recipe.input.channels, None if free else size, recipe.input.resize, row.smallest)
    spec = f"{recipe.architecture} ({recipe.title})"
    each = recipe.input.normalise == "picture" and not row.normalisation
    return Classifier(net, classes=names, kind=kind, input=input, mean=mean, std=std, spec=spec, standardise=each).to(
        device
    )


def _go_on_from(start: Classifier, model: Classifier) -> None:
    """Weights and normalisation of `start`; raises TrainingError where it is another network."""
    try:
        model.net.load_state_dict(start.net.state_dict())
    except RuntimeError:
        raise TrainingError(
            f"{start.spec} has other weights than the recipe's network: give its own recipe, or start from scratch."
        ) from None
    if start.standardise != model.standardise:
        raise TrainingError(f"{start.spec} has another normalisation than the recipe: change input.normalise.")
    model.mean.copy_(start.mean)
    model.std.copy_(start.std)


def card(recipe: Recipe, items: DataSet, figures: Mapping[str, float]) -> Card:
    """What is told of the network wherever it goes."""
    return Card(
        architecture=recipe.architecture,
        knobs=recipe.network.as_dict(),
        recipe=recipe.as_toml(),
        data=items.spec,
        data_sha256=items.sha256,
        metrics=dict(figures),
        seed=recipe.schedule.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@contextmanager
def held(out: Path, processes: Processes) -> Iterator[None]:
    """The folder, for one run at a time."""
    lock = FileLock(out / LOCK)
    if not processes.first:
        yield
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise OutputError(f"{out}: another process is training there; wait for it, or give another folder.") from None
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}): give another folder.") from None
    try:
        yield
    finally:
        lock.release()


def put(path: Path, text: str) -> None:
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
