"""An engine with one tiny model and methods that a test can hold."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from explain_core.engine import Engine
from explain_core.methods import METHODS
from explain_core.models.classifier import Classifier
from explain_core.records import Floats
from tests.engine.walking import Bench, Clock, Glance, Walk


@pytest.fixture
def pictures() -> list[Floats]:
    """Eight pictures of noise (3, 16, 16), read-only."""
    made = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(3)).numpy()
    made.flags.writeable = False
    return list(made)


@pytest.fixture
def bench(tiny: Classifier) -> Iterator[Bench]:
    walk, other, glance, clock = Walk(), Walk("other"), Glance(), Clock()
    methods = {**METHODS, "walk": walk.method, "other": other.method, "glance": glance.method}
    with Engine("cpu", methods=methods, clock=clock) as engine:
        made = Bench(engine, engine.add("tiny", tiny), tiny, walk, other, glance, clock)
        try:
            yield made
        finally:
            walk.go.set()
            other.go.set()
