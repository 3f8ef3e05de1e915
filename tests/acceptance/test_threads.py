"""Many threads, one engine, one real model in float32: every answer is as if it had been asked alone."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest
from scipy.stats import spearmanr

from explain_core import load_model
from explain_core.data.images import image_key
from explain_core.data.phantom import phantom
from explain_core.engine import Engine, Job
from explain_core.methods import METHODS
from explain_core.records import Answer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PATH = (0.005, 0.02, 0.05, 0.1)
ONE_PASS = 1e-5


def jobs(engine: Engine) -> list[tuple[Job, np.ndarray]]:
    """Sixteen different questions: every method, at several ρ, about two phantoms."""
    card = engine.add("shared", load_model("demo"))
    pictures = [phantom(900_000 + index, 128, label=1).pixels[None] for index in range(2)]
    asked = [
        (Job("shared", card.sha256, method.name, image_key(picture), 1, method.params(), rho), picture)
        for picture in pictures
        for method in METHODS.values()
        for rho in ([None] if method.rho == "none" else PATH)
    ]
    return [asked[index] for index in np.linspace(0, len(asked) - 1, 16).round().astype(int)]


def test_sixteen_threads_on_one_engine() -> None:
    """Must show 7: 1e-5 for one pass, Spearman ≥ 0.99 for iterative ones, bit-equal when replayed."""
    answers: dict[int, Answer] = {}
    with Engine("cpu") as engine:
        asked = jobs(engine)

        def ask(index: int) -> None:
            job, pixels = asked[index]
            answers[index] = engine.submit(job, pixels, keep=True).result()

        threads = [Thread(target=ask, args=(index,)) for index in range(len(asked))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        by_key = {job.key: (job, pixels) for job, pixels in asked}
        for answer in answers.values():
            chunk = [by_key[key] for key in answer.provenance.chunk]
            again = engine.replay(chunk, answer.provenance.drops)
            assert any(other is not None and np.array_equal(other.saliency, answer.saliency) for other in again)
    with Engine("cpu") as engine:
        asked = jobs(engine)
        for index, (job, pixels) in enumerate(asked):
            alone = engine.submit(job, pixels, keep=True).result()
            together = answers[index]
            if METHODS[job.method].cost(job.params) < 2:
                assert np.abs(alone.saliency - together.saliency).max() <= ONE_PASS
                continue
            agreement = spearmanr(alone.saliency.ravel(), together.saliency.ravel()).statistic
            print(f"{job.method} rho {job.rho}: chunk of {len(together.provenance.chunk)}, Spearman {agreement:.5f}")
            assert agreement >= 0.99
