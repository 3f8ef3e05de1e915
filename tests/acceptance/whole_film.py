"""One method on one film, in a process of its own: `python -m tests.acceptance.whole_film FILM.npy METHOD RHO GIB`.

Prints, as JSON, the largest resident memory of the process before and during the work (bytes), and seconds.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from explain_core.data.images import image_key
from explain_core.engine import Engine, Job
from explain_core.methods import METHODS

STEPS = 10


def main(film: str, method: str, rho: str, gib: str, model: str = "demo") -> None:
    pixels = np.load(film)
    schema = METHODS[method].params
    params = schema() if method == "gradcam" else schema.build({"steps": STEPS})
    with Engine("cpu", memory_bytes=int(float(gib) * 2**30)) as engine:
        card = engine.open(model)
        pixels = np.repeat(pixels, card.input.channels, axis=0)
        pixels.flags.writeable = False
        before, started = _peak(), time.perf_counter()
        job = Job(card.spec, card.sha256, method, image_key(pixels), 1, params, None if rho == "none" else float(rho))
        answer = engine.submit(job, pixels, keep=True).result()
    seconds, change = time.perf_counter() - started, answer.largest_change
    told = {"before": before, "peak": _peak(), "seconds": seconds, "rmse": answer.rmse, "change": change}
    print(json.dumps({**told, "shape": answer.saliency.shape, "outcome": answer.outcome}))


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
