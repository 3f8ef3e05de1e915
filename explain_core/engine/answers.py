"""From an explanation (tensors, a batch) to answers (numpy, a row each) with their provenance."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explain_core import __version__
from explain_core.engine.jobs import Job, Pixels
from explain_core.errors import CannotExplain, RhoscopeError, WeightsError
from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats, Provenance
from explain_core.types import Explanation


@dataclass(frozen=True)
class Chunk:
    """How a batch was solved: its keys in order, who left when, each row's share of the time, and on what network."""

    keys: tuple[str, ...]
    drops: tuple[tuple[int, str], ...]
    seconds: tuple[float, ...]
    network: str


def to_answers(
    model: Classifier, found: Explanation, jobs: Sequence[Job], pixels: Sequence[Pixels], chunk: Chunk
) -> list[Answer | RhoscopeError]:
    """One answer per row, its arrays read-only; an error instead for a row that is not finite."""
    rows = range(len(jobs))
    return [_answer(model, found, jobs[i], pixels[i], chunk, i) for i in rows]


def _answer(
    model: Classifier, found: Explanation, job: Job, pixels: Pixels, chunk: Chunk, i: int
) -> Answer | RhoscopeError:
    if not torch.isfinite(found.before[i]).all():
        return WeightsError(f"{job.model} gives logits that are not finite; use weights without NaN or overflow.")
    if not torch.isfinite(found.saliency[i]).all():
        return CannotExplain(f"{job.method} gave values that are not finite; change its parameters or the picture.")
    return Answer(
        input=_frozen(pixels),
        saliency=_floats(found.saliency[i]),
        before=_floats(model.probabilities(found.before[i : i + 1])[0]),
        outcome=found.outcomes[i],
        provenance=_provenance(model, found, job, chunk, i),
        perturbed=None if found.perturbed is None else _floats(found.perturbed[i]),
        after=None if found.after is None else _floats(model.probabilities(found.after[i : i + 1])[0]),
        mask=None if found.mask is None else _read_only(found.mask[i].detach().cpu().numpy().astype(np.bool_)),
        numbers={name: float(values[i]) for name, values in found.numbers.items()},
        trace={name: _floats(curve[:, i]) for name, curve in found.trace.items()},
    )


def _provenance(model: Classifier, found: Explanation, job: Job, chunk: Chunk, i: int) -> Provenance:
    return Provenance(
        method=job.method,
        method_version=job.version,
        params=job.params.as_dict(),
        model=job.model,
        model_sha256=job.model_sha256,
        image_sha256=job.image,
        target=job.target,
        target_name=model.classes[job.target],
        rho=job.rho,
        seed=job.seed,
        units=found.passes[i].units,
        seconds=chunk.seconds[i],
        device=device_name(found.before.device),
        chunk=chunk.keys,
        drops=chunk.drops,
        versions={**versions(), "network": chunk.network},
    )


@cache
def versions() -> Mapping[str, str]:
    """Of everything that numbers depend on."""
    packages = {name: version(name) for name in ("torch", "torchvision", "numpy")}
    return {"rhoscope": __version__, **packages, "python": platform.python_version()}


def device_name(device: torch.device) -> str:
    """`cpu`, or the accelerator with its model name."""
    return f"{device.type} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def _floats(values: Tensor) -> Floats:
    # A copy of its own: a view would keep the whole batch in memory for as long as one row is cached.
    return _read_only(np.array(values.detach().float().cpu().numpy()))


def _frozen(pixels: Pixels) -> Floats:
    return _read_only(pixels.astype(np.float32, copy=False))


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values
