"""An explanation's file: the map as the method gave it, and how it lies on the film."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from explain_core.data.window import Window
from explain_core.films.network import Sight
from explain_core.records import Floats


def packed(saliency: Floats, seen: Sight) -> bytes:
    """A map (h', w') of what a network saw, as the file that is kept of it."""
    one, buffer = seen.window, BytesIO()
    np.savez(
        buffer, saliency=saliency.astype(np.float32), size=np.array(one.size), mirrored=np.array(seen.mirrored),
        window=np.array([one.top, one.left, one.height, one.width], np.float64),
    )  # fmt: skip
    return buffer.getvalue()


def read_map(path: Path) -> Floats:
    """|saliency| over its largest value, (h, w) in [0, 1] in the film's own grid."""
    with np.load(path, allow_pickle=False) as arrays:
        saliency, mirrored = np.abs(arrays["saliency"].astype(np.float32)), bool(arrays["mirrored"])
        height, width = (int(one) for one in arrays["size"])
        window = Window((height, width), *(float(one) for one in arrays["window"]))
    placed = Sight(saliency[None], window, mirrored, ()).place(saliency)
    return np.asarray((placed / max(float(placed.max()), 1e-12)).clip(0, 1), np.float32)
