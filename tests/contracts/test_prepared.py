"""Every row that may be given a prepared network says the same of it as of the plain one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from explain_core.api import asking
from explain_core.evaluation.asking import Asking
from explain_core.methods import METHODS
from explain_core.methods.base import Method
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Metric, Subject
from explain_core.models.classifier import Classifier
from explain_core.models.packed import PackedConv2d
from explain_core.models.prepared import prepare
from tests.contracts.test_methods import ask, pictures, tensors

LAYERS = {"gradcam": ("auto", "stem.0", "branch.0", "branch.1"), "guided-gradcam": ("auto", "stem.0", "branch.0")}
ROWS = [(row, layer) for row in METHODS.values() if row.prepared for layer in LAYERS.get(row.name, ("",))]


@pytest.mark.parametrize(("method", "layer"), ROWS, ids=lambda part: getattr(part, "name", part))
def test_a_method(method: Method, layer: str, tiny_named: Callable[[str], Classifier], rng: torch.Generator) -> None:
    """To 1e-7 in float64: ten steps amplify its last bits."""
    model = tiny_named("residual").to(torch.float64).requires_grad_(False)
    ready, x = prepare(model), pictures(model, 2, rng, torch.float64)
    assert ready is not model
    knobs = {"layer": layer} if layer else {}
    plain, swift = (tensors(ask(method, each, x, [0.02, 0.1], **knobs)) for each in (model, ready))
    for name, value in plain.items():
        assert (value.double() - swift[name].double()).abs().max() < 1e-7, name


@pytest.mark.parametrize(
    ("method", "layer"), [row for row in ROWS if row[0].rho == "none"], ids=lambda part: getattr(part, "name", part)
)
def test_a_method_of_few_passes_as_it_is_computed(
    method: Method, layer: str, tiny_named: Callable[[str], Classifier], rng: torch.Generator
) -> None:
    """To 1e-3 in float32, in which kernels are laid out; iterations would amplify its last bits."""
    model = tiny_named("residual").requires_grad_(False)
    ready, x = prepare(model), pictures(model, 2, rng)
    assert any(isinstance(module, PackedConv2d) for module in ready.net.modules())
    knobs = {"layer": layer} if layer else {}
    plain, swift = (tensors(ask(method, each, x, None, **knobs)) for each in (model, ready))
    for name, value in plain.items():
        torch.testing.assert_close(swift[name], value, rtol=0, atol=1e-3 * float(value.double().abs().max()))


@pytest.mark.parametrize("metric", [row for row in METRICS.values() if row.prepared], ids=lambda row: row.name)
def test_a_metric(metric: Metric, tiny_named: Callable[[str], Classifier], rng: torch.Generator) -> None:
    model = tiny_named("residual").to(torch.float64).requires_grad_(False)
    cases = [
        Case(f"case {number}", picture.numpy().astype(np.float64), label=number)
        for number, picture in enumerate(pictures(model, 3, rng, torch.float64))
    ]
    found = []
    for each in (model, prepare(model)):
        asked = Asking(replace(asking(model).held, prepared=each), "gradient")
        found.append(list(metric.measure(Subject(each, asked, "gradient"), cases, metric.params())))
    for plain, swift in zip(*found, strict=True):
        assert plain.value == pytest.approx(swift.value, abs=1e-6)
