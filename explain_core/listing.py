"""What there is, as lines for a shell: methods, metrics and protocols with their parameters."""

from __future__ import annotations

from collections.abc import Iterator

from explain_core.methods import METHODS
from explain_core.metrics import METRICS
from explain_core.params import Params, knobs
from explain_core.protocols import PROTOCOLS


def methods() -> Iterator[str]:
    for method in METHODS.values():
        default = "" if method.default_rho is None else f" (default {method.default_rho:g})"
        yield f"{method.name} · {method.title}: {method.summary}"
        yield f"    rho {method.rho}{default} · about {method.cost(method.params()):g} units · {method.citation}"
        yield from _knobs(method.name, method.params)


def metrics() -> Iterator[str]:
    for metric in METRICS.values():
        needs = f" · needs {', '.join(sorted(metric.needs))}" if metric.needs else ""
        yield f"{metric.name} · {metric.title}: {metric.summary}"
        yield (
            f"    of a {metric.of}, {metric.better} is better{needs} · about {metric.cost(metric.params()):g} units "
            f"a picture besides explaining it · {metric.citation}"
        )
        yield from _knobs(metric.name, metric.params)


def protocols() -> Iterator[str]:
    for protocol in PROTOCOLS.values():
        yield f"{protocol.name} · {protocol.title}: {protocol.summary}"
        yield f"    --data {protocol.data} · {protocol.n} pictures · {protocol.setting} · {protocol.citation}"
        if protocol.methods:
            yield f"    methods {', '.join(protocol.methods)}"
        yield from _knobs(protocol.name, protocol.params)


def _knobs(owner: str, params: type[Params]) -> Iterator[str]:
    for knob in knobs(params):
        value = "auto" if knob.default is None else knob.default
        yield f"    --set {owner}.{knob.name}={value}  {knob.help}"
