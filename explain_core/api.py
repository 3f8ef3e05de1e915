"""One call, no queue: explanations of pictures by one method, computed in the calling thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explain_core.data.images import image_key
from explain_core.engine.batches import make_row
from explain_core.engine.jobs import Job, Pixels, check_pixels, rho_for
from explain_core.engine.lending import lend
from explain_core.engine.library import Held, choose_device, hold
from explain_core.engine.predictions import predict
from explain_core.engine.schedule import Scheduler, memory_from
from explain_core.engine.solve import solve
from explain_core.errors import ImageError, InputError, ParamError, TargetError
from explain_core.evaluation.asking import Asking
from explain_core.methods import METHODS, get_method
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier
from explain_core.models.zoo import load_model
from explain_core.params import Params
from explain_core.records import Answer

Array = Tensor | NDArray[Any]
Target = int | str
Rho = float | Literal["none"] | None
WORTH_PREPARING = 20
"""Units of work a picture from which on a model is prepared first, which takes about ten.  It goes by the picture, so
that a picture has the same answer alone and among others."""


def explain(
    model: Classifier | str,
    images: Array | Sequence[Array],
    method: str = "ape",
    target: Target | Sequence[Target] = "top1",
    rho: Rho | Sequence[Rho] = None,
    seed: int = 0,
    device: str = "auto",
    chunk: int | None = None,
    memory: float | None = None,
    progress: Callable[[float], None] | None = None,
    **knobs: Any,
) -> list[Answer]:
    """Explains every picture at every ρ and setting; answers come picture by picture, then by ρ, then by setting.

    Args:
        model: a classifier (given back as it was; computed with where it is), or a spec.
        images: floats in [0, 1], (n, c, h, w) or (c, h, w), or a list of pictures of any sizes.
        target: a class by index or name, `top1` or `top2` for the most or second most probable,
            or a list of these, one per picture.
        rho: RMS of the change in (0, 1], a list, or `none` for the method's own form without a
            bound; None: the method's own choice.  Methods without ρ give one answer per picture.
        seed: of whatever the method draws at random.
        device: `auto`, `cpu` or `cuda`; a classifier stays where it is under `auto`.
        chunk: rows solved together at most; None: as many as fit.
        memory: GiB that the computing may take, besides the program itself; None: RHOSCOPE_MEMORY, or half of the
            machine's.  What a network keeps for its way back beyond that waits in a temporary file.
        progress: called after each step with the share done, 0 to 1.
        knobs: the method's parameters, see `rhoscope methods`; a list of values asks for each of them.

    Raises ImageError, TargetError, ParamError, ModelError, CannotExplain or MemoryExhausted; the
    model is back as it was then too.
    """
    row = get_method(method)
    settings = _settings(row, knobs)
    if chunk is not None and chunk < 1:
        raise ParamError(f"chunk = {chunk}: it must be at least 1.")
    limit = None if memory is None else memory_from(memory)
    rhos = _rhos(row, rho)
    pictures = [check_pixels(picture) for picture in _pictures(images)]
    held = _hold(model, device, ready=row.cost(settings[0]) >= WORTH_PREPARING)
    for picture in pictures:
        held.model.check_images(picture.shape)
    jobs = [
        (Job(held.card.spec, held.card.sha256, method, image_key(picture), index, params, value, seed), picture)
        for picture, index in zip(pictures, _targets(held, pictures, target), strict=True)
        for value in rhos
        for params in settings
    ]
    rows = [make_row(held, METHODS, job, picture) for job, picture in jobs]
    with lend(held.for_method(row)[0]):
        return solve(rows, Scheduler(held.device, limit, most_rows=chunk), progress or (lambda _: None))


def asking(
    model: Classifier | str,
    method: str | None = None,
    *,
    knobs: Mapping[str, Any] | None = None,
    rho: float | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Asking:
    """The model opened once, to be asked many times, as metrics do; see `Asking`."""
    return Asking(_hold(model, device, ready=True), method, knobs=knobs, rho=rho, seed=seed)


def _hold(model: Classifier | str, device: str, *, ready: bool) -> Held:
    if isinstance(model, str):
        return hold(load_model(model), model, choose_device(device), METHODS, ready=ready)
    where = model.mean.device if device == "auto" else choose_device(device)
    return hold(model, model.spec or type(model.net).__name__, where, METHODS, ready=ready)


def _pictures(images: Array | Sequence[Array]) -> list[Pixels]:
    arrays: Iterable[Array] = [images] if isinstance(images, (Tensor, np.ndarray)) else images
    found: list[Pixels] = []
    for array in arrays:
        if not isinstance(array, (Tensor, np.ndarray)):
            raise ImageError(f"A {type(array).__name__} for a picture: a tensor or numpy array is needed.")
        if isinstance(array, Tensor):
            array = (array.float() if array.dtype in (torch.float16, torch.bfloat16) else array).detach().cpu().numpy()
        pixels = np.asarray(array)
        found += list(pixels) if pixels.ndim == 4 else [pixels]
    if not found:
        raise InputError("No pictures: give at least one.")
    return found


def _rhos(method: Method, rho: Rho | Sequence[Rho]) -> list[float | None]:
    asked: Iterable[Rho] = rho if isinstance(rho, (list, tuple, np.ndarray)) else [rho]  # type: ignore[list-item]
    values = [rho_for(method, _number(value)) for value in asked]
    if not values:
        raise ParamError("rho is an empty list: give at least one value, or leave it out.")
    return values[:1] if method.rho == "none" else values


def _settings(method: Method, knobs: Mapping[str, Any]) -> list[Params]:
    """The parameters asked for: where knobs are lists, every combination, the last named varying fastest."""
    lists = [list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value] for value in knobs.values()]
    empty = [name for name, values in zip(knobs, lists, strict=True) if not values]
    if empty:
        raise ParamError(f"{empty[0]} is an empty list: give at least one value, or leave it out.")
    return [method.params.build(dict(zip(knobs, values, strict=True))) for values in product(*lists)]


def _number(rho: Any) -> float | None:
    if rho is None or rho == "none":
        return None
    if isinstance(rho, (int, float, np.number)) and not isinstance(rho, bool):
        return float(rho)
    raise ParamError(f"rho = {rho!r}: a number, or 'none', is needed.")


def _targets(held: Held, pictures: Sequence[Pixels], target: Target | Sequence[Target]) -> list[int]:
    asked = [target] * len(pictures) if isinstance(target, (int, str, np.integer)) else list(target)
    if len(asked) != len(pictures):
        raise TargetError(f"{len(asked)} targets for {len(pictures)} pictures: give one, or one for each.")
    return [_target(held, picture, wanted) for picture, wanted in zip(pictures, asked, strict=True)]


def _target(held: Held, picture: Pixels, wanted: Target) -> int:
    ranks = {"top1": 0, "top2": 1}
    if wanted not in ranks:
        return held.model.class_index(wanted)
    (probabilities,) = predict(held, [picture])
    place = min(ranks[str(wanted)], len(probabilities) - 1)
    return int(np.argsort(-probabilities, kind="stable")[place])
