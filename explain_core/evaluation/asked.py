"""What `rhoscope evaluate` is asked, from the texts that were typed; every mistake is found before anything is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from explain_core.asked import settings_of
from explain_core.data.sources import load_data
from explain_core.engine.library import choose_device, hold
from explain_core.errors import ParamError, suggest
from explain_core.evaluation.study import Study
from explain_core.methods import METHODS, get_method
from explain_core.metrics import METRICS, get_metric
from explain_core.models.zoo import load_model
from explain_core.params import Params
from explain_core.protocols import PROTOCOLS
from explain_core.protocols.base import Arm, Protocol

Knobs = Mapping[str, Mapping[str, Any]]


def arms_asked(name: str, methods: Sequence[str], settings: Sequence[str], rho: float | None) -> list[Arm]:
    """The arms of a metric or protocol for the methods named; raises ParamError.

    A metric of explanations takes every method named; a protocol takes its paper's where none is.
    `settings` are METHOD.KNOB=VALUE, or the metric's or protocol's own NAME.KNOB=VALUE.
    """
    methods = [get_method(method).name for method in dict.fromkeys(methods)]
    protocol = PROTOCOLS.get(name)
    if protocol is None and name not in METRICS:
        raise ParamError(f"No metric or protocol {name!r}: {suggest(name, [*METRICS, *PROTOCOLS])}")
    named = methods or [get_method(method).name for method in (protocol.methods if protocol else ())]
    knobs = settings_of({name: _params_of(name), **{method: METHODS[method].params for method in named}}, settings)
    if protocol is not None:
        return _of_protocol(protocol, named, knobs, rho)
    return _of_metric(name, named, knobs, rho)


def _params_of(name: str) -> type[Params]:
    return PROTOCOLS[name].params if name in PROTOCOLS else METRICS[name].params


def _of_protocol(protocol: Protocol, methods: Sequence[str], knobs: Knobs, rho: float | None) -> list[Arm]:
    arms = protocol.arms(methods, protocol.params.build(knobs[protocol.name]))
    return [arm.with_more(knobs.get(arm.method or "", {}), rho) for arm in arms]


def _of_metric(name: str, methods: Sequence[str], knobs: Knobs, rho: float | None) -> list[Arm]:
    if get_metric(name).of == "model":
        if methods:
            raise ParamError(f"{name} measures the model itself: leave --method out.")
        return [Arm(row="", metric=name, metric_knobs=knobs[name])]
    if not methods:
        raise ParamError(f"{name} measures explanations: name at least one --method.")
    return [Arm(method, name, knobs[name], method, knobs[method], rho) for method in methods]


def study_asked(
    name: str,
    data: str,
    models: Sequence[str],
    methods: Sequence[str],
    settings: Sequence[str],
    rho: float | None,
    n: int | None,
    seed: int,
    device: str,
) -> Study:
    """A study out of texts; raises ParamError, ModelError, DataError or InputError."""
    arms = arms_asked(name, methods, settings, rho)
    where, source = choose_device(device), load_data(data)
    protocol = PROTOCOLS.get(name)
    tuning = protocol.tuning if protocol else 0.5 * any(get_metric(arm.metric).tunes for arm in arms)
    count = min(n or (protocol.n if protocol else len(source)), len(source))
    held = [hold(load_model(spec).eval().requires_grad_(False), spec, where, METHODS) for spec in dict.fromkeys(models)]
    return Study(name, held, arms, source, count, seed, tuning)
