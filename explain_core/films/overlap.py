"""How an explanation of a film and what a person drew on it go together, by the metrics' own rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from explain_core.data.annotation import Annotation, Bits, Region
from explain_core.data.marked import mask_of
from explain_core.errors import InputError
from explain_core.metrics import energy, hit_rate, pointing
from explain_core.metrics.base import Case
from explain_core.records import Floats
from explain_core.shapes import Shape


@dataclass(frozen=True)
class Overlap:
    """Each in [0, 1], `None` where it is not defined.

    `iou` of the regions and the map's mask; `energy` share of the positive saliency inside the regions; `area` share
    of the film that they cover, which a constant map reaches as its energy; `hit` whether the strongest pixel lies in
    a region; `hit_rate` share of the mask's components that touch one.
    """

    iou: float | None
    energy: float | None
    area: float
    hit: bool | None
    hit_rate: float | None

    def as_dict(self) -> dict[str, float | bool | None]:
        return asdict(self)


def overlap(saliency: Floats, shapes: Sequence[Shape], mask: Bits | None = None) -> Overlap:
    """Of a map (h, w) on the film's grid; without the method's own `mask` its strongest positive pixels, as many as
    the regions have, stand for one (more where values are equal, fewer where not so many are positive).

    Raises InputError for a map with values that are no numbers, a mask of another size, or regions without a pixel.
    """
    if not np.isfinite(saliency).all() or (mask is not None and mask.shape != saliency.shape):
        raise InputError("The map has values that are no numbers, or a mask of another size: explain the film again.")
    size = (saliency.shape[0], saliency.shape[1])
    drawn = mask_of(shapes, size)
    if not drawn.any():
        raise InputError("The regions cover no pixel of the film: were they drawn on another one?")
    case = Case("film", saliency[None], annotation=Annotation(size, (Region("region", drawn),)))
    inside = energy.read(case, saliency)
    chosen = strongest(saliency, int(drawn.sum())) if mask is None else mask
    together = int((chosen | drawn).sum())
    positive = inside.value is not None
    return Overlap(
        iou=float((chosen & drawn).sum() / together) if chosen.any() else None,
        energy=inside.value,
        area=inside.numbers["area"],
        hit=bool(drawn[pointing.point(case, saliency, 0.0)]) if positive else None,
        hit_rate=hit_rate.touching_share(case, chosen).value,
    )


def strongest(saliency: Floats, count: int) -> Bits:
    """The `count` largest of the positive values (h, w), and all that equal the smallest of them."""
    least = np.partition(saliency.ravel(), -count)[-count]
    chosen: Bits = (saliency >= least) & (saliency > 0)
    return chosen
