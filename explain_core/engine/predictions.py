"""What a model says about pictures as they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from explain_core.engine.faults import is_out_of_memory, one_line
from explain_core.engine.jobs import Pixels
from explain_core.engine.lending import lend
from explain_core.engine.library import Held
from explain_core.errors import MemoryExhausted, ModelError, RhoscopeError, WeightsError
from explain_core.records import Floats


def predict(held: Held, pixels: Sequence[Pixels]) -> list[Floats]:
    """Probabilities (v,) of each picture (c, h, w), one at a time: sizes may differ; read-only."""
    return [_probabilities(held, picture) for picture in pixels]


def _probabilities(held: Held, picture: Pixels) -> Floats:
    model, spec = held.model, held.card.spec
    model.check_images(picture.shape)
    x = torch.from_numpy(np.array(picture))[None].to(held.device, held.dtype)
    try:
        with lend(model), torch.inference_mode(False), torch.no_grad():
            logits = model(x)
    except RhoscopeError:
        raise
    except Exception as error:
        height, width = picture.shape[-2:]
        if is_out_of_memory(error):
            raise MemoryExhausted(f"A picture of {width} × {height} does not fit into memory; reduce it.") from None
        raise ModelError(f"{spec} does not take a picture of {width} × {height} ({one_line(error)}).") from error
    if not torch.isfinite(logits).all():
        raise WeightsError(f"{spec} gives logits that are not finite; use weights without NaN or overflow.")
    probabilities: Floats = model.probabilities(logits)[0].float().cpu().numpy()
    probabilities.flags.writeable = False
    return probabilities
