"""The embedded default on phantoms, and on real films at full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from explain_core import explain, load_model
from explain_core.data.images import fit, read_picture
from explain_core.data.phantom import phantom
from explain_core.methods import METHODS
from explain_core.records import Floats

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

FIRST_UNSEEN = 900_000


def phantoms(count: int) -> list[Floats]:
    return [phantom(FIRST_UNSEEN + index, label=1).pixels[None] for index in range(count)]


def test_ape_on_phantoms() -> None:
    """Must show 5: both phases on 20 phantoms; masks neither empty nor full on at least 90 %."""
    answers = explain(load_model("demo"), phantoms(20), method="ape", target="lesion", rho="none")
    shares = np.asarray([answer.numbers["mask share"] for answer in answers])
    print("ape masks on phantoms", np.round(shares, 4), [round(a.numbers["ape_d"], 4) for a in answers])
    assert np.mean((shares > 0) & (shares < 1)) >= 0.9
    assert all(answer.numbers["class"] <= answer.numbers["class phase 1"] + 1e-6 for answer in answers)


@pytest.mark.parametrize("method", list(METHODS))
def test_films_at_full_size(method: str, shared_data: Path) -> None:
    """Must show 5: ten real films of 1024 × 1024 go through the demo network, by every method."""
    model = load_model("demo")
    files = sorted((shared_data / "mias" / "png").glob("*.png"))[:10]
    films = [fit(read_picture(file), model.input) for file in files]
    assert [film.shape for film in films] == [(1, 1024, 1024)] * 10
    knobs = {"steps": 60} if method == "ape" else {}  # 602 passes of 10 full films take half an hour
    answers = explain(model, films, method=method, rho=None if METHODS[method].rho == "none" else 0.02, **knobs)
    for answer in answers:
        assert answer.saliency.shape == (1024, 1024)
        assert np.isfinite(answer.saliency).all()
        assert (answer.rmse or 0.0) <= 0.02 + 1e-6
        print(method, f"p {answer.p_before:.3f} -> {answer.p_after}", f"rmse {answer.rmse}", answer.outcome)
