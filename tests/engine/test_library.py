"""Models that are opened, and jobs that cannot be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from explain_core.data.images import image_key
from explain_core.engine import Engine, Job
from explain_core.engine.library import choose_device, devices
from explain_core.errors import (
    CannotExplain,
    ImageError,
    ModelError,
    ParamError,
    RhoscopeError,
    SpecError,
    TargetError,
    WeightsError,
)
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier
from explain_core.records import Floats
from tests.engine.walking import Bench


def test_rho_is_settled_by_the_method(bench: Bench, pictures: list[Floats]) -> None:
    """A method without ρ is one job at every ρ; one that needs it takes its default."""
    jobs = [bench.job("gradcam", pictures[0], rho=rho) for rho in (None, 0.01, 0.1)]
    tickets = [bench.engine.submit(job, pictures[0]) for job in jobs]
    assert len({ticket.job.key for ticket in tickets}) == 1
    plus = bench.engine.submit(bench.job("explain-plus", pictures[0]), pictures[0])
    assert plus.job.rho == METHODS["explain-plus"].default_rho == 0.05


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ({"method": "gradcm"}, ParamError, "did you mean 'gradcam'"),
        ({"model": "unknown"}, ModelError, "'unknown' is not open here"),
        ({"model_sha256": "0" * 64}, ModelError, "other weights"),
        ({"params": METHODS["gradcam"].params()}, ParamError, "walk takes WalkParams"),
        ({"target": 5}, TargetError, "Target 5 is out of range"),
        ({"target": -1}, TargetError, "Target -1 is out of range"),
        ({"rho": 0.0}, ParamError, "rho = 0.0"),
        ({"rho": -1.0}, ParamError, "rho = -1.0"),
        ({"rho": float("nan")}, ParamError, "rho = nan"),
    ],
    ids=str,
)
def test_a_job_that_cannot_be_is_refused_at_once(
    bench: Bench, pictures: list[Floats], change: dict[str, object], kind: type[RhoscopeError], told: str
) -> None:
    with pytest.raises(kind, match=re.escape(told)):
        bench.engine.submit(replace(bench.job("walk", pictures[0]), **change), pictures[0])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 2, 16), (3, 16)])
def test_a_picture_that_does_not_suit_is_refused_at_once(
    bench: Bench, pictures: list[Floats], shape: Sequence[int]
) -> None:
    with pytest.raises(ImageError):
        bench.engine.submit(bench.job("walk", pictures[0]), np.zeros(shape, np.float32))


def test_a_card_says_what_cannot_be_done(bench: Bench, pictures: list[Floats], tiny_named: object) -> None:
    card = bench.engine.add("linear", tiny_named("linear"))  # type: ignore[operator]
    assert "gradcam" in card.cannot
    assert "gradient" not in card.cannot
    assert bench.card.cannot == {}
    job = Job("linear", card.sha256, "gradcam", image_key(pictures[0]), 1, METHODS["gradcam"].params())
    with pytest.raises(CannotExplain, match="gradcam cannot explain linear: "):
        bench.engine.submit(job, pictures[0])


FACTORY = """
from pathlib import Path
from torch import nn
from explain_core.models.classifier import Classifier, InputSpec

def net():
    with (Path(__file__).parent / "calls").open("a") as calls:
        calls.write("x")
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Classifier(layers, classes=("no", "yes"), kind="softmax", input=InputSpec(1, smallest=3))
"""


def test_a_model_is_loaded_once_for_everybody(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FACTORY)
    spec = f"{tmp_path}/own.py:net"
    with pytest.raises(SpecError):
        bench.engine.open(spec)
    with ThreadPoolExecutor(8) as pool:
        cards = list(pool.map(lambda _: bench.engine.open(spec, allow_code=tmp_path), range(8)))
    assert all(card is cards[0] for card in cards)
    assert (tmp_path / "calls").read_text() == "x"
    assert (cards[0].spec, cards[0].classes, cards[0].kind) == (spec, ("no", "yes"), "softmax")
    assert bench.engine.predict(spec, np.zeros((1, 8, 8), np.float32)).shape == (2,)


def test_weights_that_are_not_numbers_are_refused(bench: Bench, tiny: Classifier) -> None:
    with torch.no_grad():
        next(iter(tiny.parameters())).fill_(float("nan"))
    with pytest.raises(WeightsError, match="logits that are not finite"):
        bench.engine.add("broken", tiny)


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(ModelError, match="auto, cpu, cuda"):
        Engine("tpu")


@pytest.mark.parametrize("name", ["tpu", "cuda:", "cuda:x", "cpu:1", "auto:0", "cuda:-1", "cuda:1000"])
def test_a_device_that_is_not_there_is_said(name: str) -> None:
    with pytest.raises(ModelError, match=re.escape(f"device {name!r}")):
        choose_device(name)


@pytest.mark.parametrize(("count", "all_"), [(0, ["cpu"]), (1, ["cuda:0"]), (3, ["cuda:0", "cuda:1", "cuda:2"])])
def test_devices_go_by_their_numbers(monkeypatch: pytest.MonkeyPatch, count: int, all_: list[str]) -> None:
    """On a machine with so many accelerators: naming one does not touch it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    assert devices() == all_
    assert [str(choose_device(name)) for name in all_] == all_
    assert str(choose_device("auto")) == ("cuda" if count else "cpu")
    with pytest.raises(ModelError, match=f"cuda:{count}.*use one of auto, {all_[0]}"):
        choose_device(f"cuda:{count}")


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two accelerators")
def test_a_second_accelerator_finds_the_same(tiny: Classifier, pictures: list[Floats]) -> None:
    found = []
    for name in ("cuda:0", "cuda:1"):
        with Engine(name) as engine:
            sha256 = engine.add("tiny", tiny.to("cuda:0")).sha256
            job = Job("tiny", sha256, "gradcam", image_key(pictures[0]), 1, METHODS["gradcam"].params())
            found.append(engine.submit(job, pictures[0]).result(60).saliency)
    tiny.cpu()
    assert np.allclose(*found, rtol=1e-4, atol=1e-6)
