"""A model opened once, and asked as often as a metric likes, in the calling thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from explain_core.data.images import image_key
from explain_core.engine.batches import make_row
from explain_core.engine.jobs import Job, check_pixels, rho_for
from explain_core.engine.lending import lend
from explain_core.engine.library import Held, hold
from explain_core.engine.schedule import Scheduler
from explain_core.engine.solve import solve
from explain_core.errors import ParamError
from explain_core.methods import METHODS, get_method
from explain_core.models.classifier import Classifier
from explain_core.records import Answer, Floats


class Asking:
    """An `Ask` (metrics/base.py) that holds its model open, so that its weights are hashed once.

    Args:
        held: the model that is asked.
        method: the subject's method, None where each call names one.
        knobs: the subject's knobs; another method has its own, or its defaults.
        rho: of the subject's method; None: the method's own choice.

    Calls raise ParamError, ImageError, TargetError, CannotExplain or MemoryExhausted.
    """

    def __init__(
        self,
        held: Held,
        method: str | None = None,
        *,
        knobs: Mapping[str, Any] | None = None,
        rho: float | None = None,
        seed: int = 0,
    ) -> None:
        self.held, self.method, self.rho, self.seed = held, method, rho, seed
        self.knobs = dict(knobs or {})

    def __call__(
        self,
        pixels: Sequence[Floats],
        targets: Sequence[int],
        *,
        method: str | None = None,
        knobs: Mapping[str, Any] | None = None,
        model: Classifier | None = None,
    ) -> list[Answer]:
        name = method or self.method
        if name is None:
            raise ParamError("No method to ask: name one.")
        row, own = get_method(name), method is None
        params = row.params.build(knobs if knobs is not None else self.knobs if own else {})
        rho = rho_for(row, self.rho if own else None)
        held = self.held if model is None else hold(model, self.held.card.spec, self.held.device, METHODS, ready=False)
        pictures = [check_pixels(picture) for picture in pixels]
        jobs = [
            Job(held.card.spec, held.card.sha256, name, image_key(picture), int(target), params, rho, self.seed)
            for picture, target in zip(pictures, targets, strict=True)
        ]
        rows = [make_row(held, METHODS, job, picture) for job, picture in zip(jobs, pictures, strict=True)]
        with lend(held.for_method(row)[0]):
            return solve(rows, Scheduler(held.device))
