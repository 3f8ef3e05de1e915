"""A checkpoint: everything that a stopped training needs to go on as if it had not stopped, in one file.

Tensors by name in a safetensors file, plain values in its metadata.  Random draws are keyed by picture and epoch
(batch.py), so the place in the schedule is all that the random state consists of.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from explain_core.errors import OutputError, TrainingError
from explain_core.training.moving_average import MovingAverage

FILE = "checkpoint.safetensors"
NET, AVERAGE, BEST, OPTIMISER = "net.", "average.", "best.", "optimiser."


@dataclass
class Place:
    """Where a training stands: `step` steps are done, `epoch` epochs; the best epoch's validation accuracy."""

    step: int = 0
    epoch: int = 0
    best: float = -1.0
    best_epoch: int = 0


@dataclass(frozen=True)
class Parts:
    """What a checkpoint is made of; `terms` by name, `best` the kept epoch's weights where one is kept."""

    net: nn.Module
    optimiser: torch.optim.Optimizer
    average: MovingAverage | None
    best: dict[str, Tensor]
    question: str


def write_checkpoint(folder: Path, parts: Parts, place: Place, terms: dict[str, dict[str, float]]) -> None:
    """Replaces the folder's checkpoint at once; raises OutputError and leaves the old one where it cannot."""
    state = parts.optimiser.state_dict()
    tensors = {NET + name: value for name, value in parts.net.state_dict().items()}
    tensors |= {AVERAGE + name: value for name, value in (parts.average.values if parts.average else {}).items()}
    tensors |= {BEST + name: value for name, value in parts.best.items()}
    numbers: dict[str, Any] = {}
    for index, entry in state["state"].items():
        for name, value in entry.items():
            key = f"{OPTIMISER}{index}.{name}"
            (tensors if isinstance(value, Tensor) else numbers)[key] = value
    plain = {"place": asdict(place), "terms": terms, "numbers": numbers, "question": parts.question}
    unfinished = folder / f"{FILE}.part"
    try:
        save_file(
            {name: value.contiguous() for name, value in tensors.items()}, unfinished, {"state": json.dumps(plain)}
        )
        unfinished.replace(folder / FILE)
    except (OSError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise OutputError(f"The checkpoint of step {place.step} cannot be written ({why}): make room; "
                          "the one before is kept, and the run goes on from it.") from None  # fmt: skip


def read_checkpoint(folder: Path, parts: Parts) -> tuple[Place, dict[str, dict[str, float]]] | None:
    """Puts a folder's checkpoint back into the parts; None where there is none.

    Raises TrainingError where it is damaged, or belongs to another network, recipe or data.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            plain = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError):
        raise TrainingError(f"{path} is damaged: delete it to begin anew, or give another folder.") from None
    if plain["question"] != parts.question:
        raise TrainingError(f"{path} belongs to another recipe or other data: give another folder, or what it had.")
    _put_net(path, parts.net, _under(tensors, NET))
    if parts.average:
        parts.average.values = _under(tensors, AVERAGE)
    parts.best.update(_under(tensors, BEST))
    _put_optimiser(parts.optimiser, _under(tensors, OPTIMISER), plain["numbers"])
    return Place(**plain["place"]), plain["terms"]


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _put_net(path: Path, net: nn.Module, tensors: dict[str, Tensor]) -> None:
    own = net.state_dict()
    for name in own.keys() | tensors.keys():
        found, needed = tensors.get(name), own.get(name)
        if found is None or needed is None or found.shape != needed.shape:
            have, want = (None if one is None else tuple(one.shape) for one in (found, needed))
            raise TrainingError(f"{path} is of another architecture: {name!r} has {have}, the recipe's {want}.")
    net.load_state_dict(tensors)


def _put_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    state = optimiser.state_dict()
    entries: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        entries.setdefault(int(index), {})[name] = value
    for key, value in numbers.items():
        index, _, name = key.removeprefix(OPTIMISER).partition(".")
        entries.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**state, "state": entries})
