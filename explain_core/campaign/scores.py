"""What strategies choose by: probabilities, embeddings, how small a change suffices, what other networks say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from explain_core.engine.lending import lend
from explain_core.engine.library import Held
from explain_core.engine.predictions import predict
from explain_core.errors import InputError
from explain_core.evaluation.asking import Asking
from explain_core.methods import gradcam
from explain_core.metrics.base import Case
from explain_core.types import Question

Array = NDArray[Any]
NEAREST = "deepfool-l2"
"""The attack whose ρ is taken for the smallest that changes the decision."""
AT_ONCE = 64


def scores_for(
    needs: Sequence[str], held: Held, cases: Sequence[Case], others: Sequence[Held] = ()
) -> Mapping[str, Array]:
    """The arrays that a strategy needs, a row a case; raises InputError for those that cannot be had."""
    return {name: MAKERS[name](held, cases, others) for name in needs}


def probabilities(held: Held, cases: Sequence[Case], _others: Sequence[Held] = ()) -> Array:
    """(items, classes)."""
    return np.stack(predict(held, [case.pixels for case in cases])).astype(np.float64)


def smallest_rho(held: Held, cases: Sequence[Case], _others: Sequence[Held]) -> Array:
    """(items,): RMS of the change by which DeepFool takes the class away, infinite where it does not."""
    ask, found = Asking(held, NEAREST), []
    for start in range(0, len(cases), AT_ONCE):
        some = cases[start : start + AT_ONCE]
        for answer in ask([case.pixels for case in some], [int(case.label or 0) for case in some]):
            lost = answer.after is not None and int(np.argmax(answer.after)) != answer.provenance.target
            found.append(answer.rmse if lost and answer.rmse is not None else np.inf)
    return np.array(found)


def embeddings(held: Held, cases: Sequence[Case], _others: Sequence[Held]) -> Array:
    """(items, channels): the last convolution's map, averaged over its positions."""
    found = []
    for case in cases:
        x = torch.from_numpy(np.array(case.pixels))[None].to(held.device, held.dtype)
        target = torch.tensor([int(case.label or 0)], device=held.device)
        with lend(held.model):
            look = gradcam.look(held.model, Question(x, target), "auto")
        found.append(look.layer.mean(dim=(2, 3))[0].double().cpu().numpy())
    return np.stack(found)


def classes(_held: Held, cases: Sequence[Case], _others: Sequence[Held]) -> Array:
    """(items,): labels."""
    return np.array([int(case.label or 0) for case in cases])


def samples(held: Held, cases: Sequence[Case], others: Sequence[Held]) -> Array:
    """(networks, items, classes): probabilities by an ensemble, the campaign's own network first."""
    if not others:
        raise InputError("The strategy bald compares networks: name others beside the campaign's own (--beside).")
    return np.stack([probabilities(one, cases) for one in (held, *others)])


MAKERS: Mapping[str, Callable[[Held, Sequence[Case], Sequence[Held]], Array]] = {
    "probabilities": probabilities,
    "rho": smallest_rho,
    "embeddings": embeddings,
    "classes": classes,
    "samples": samples,
}
