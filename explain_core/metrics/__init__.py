"""The table of metrics.  To add one: write its file, add its row."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from explain_core.errors import ParamError, suggest
from explain_core.metrics import (
    accuracy,
    agreement,
    ape,
    ape_table,
    ara,
    causal,
    density,
    energy,
    hit_rate,
    localisation,
    pointing,
    sanity,
    sensitivity,
    stability,
    vii,
)
from explain_core.metrics.base import Metric
from explain_core.metrics.needs import checked

ROWS: tuple[Metric, ...] = (
    causal.DELETION,
    causal.INSERTION,
    pointing.METRIC,
    localisation.METRIC,
    energy.METRIC,
    ape.APE_D,
    ape.APE_S,
    hit_rate.METRIC,
    ape_table.METRIC,
    agreement.METRIC,
    stability.PATCH,
    stability.BLUR,
    sensitivity.METRIC,
    vii.METRIC,
    density.METRIC,
    sanity.CASCADE,
    sanity.INDEPENDENT,
    ara.ATTACK_ARA,
    ara.BTR_ARA,
    accuracy.METRIC,
)

METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: checked(metric) for metric in ROWS})


def get_metric(name: str) -> Metric:
    """The row of that name; raises ParamError."""
    if name not in METRICS:
        raise ParamError(f"No metric {name!r}: {suggest(name, METRICS)}")
    return METRICS[name]
