"""What is asked of a run: which models, which arms, which pictures; and how an arm is named in its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from explain_core import __version__
from explain_core.data.sources import DataSet
from explain_core.engine.library import Held
from explain_core.errors import ParamError
from explain_core.methods import get_method
from explain_core.metrics import get_metric
from explain_core.metrics.base import Metric
from explain_core.params import Params, fingerprint
from explain_core.protocols.base import Arm


@dataclass(frozen=True, eq=False)
class Study:
    """`n` pictures of `data`, drawn with `seed`, under every arm for every model.

    `name` is the metric's or the protocol's; `tuning` the share of pictures on which thresholds are
    chosen, which are not in the figures.
    """

    name: str
    models: Sequence[Held]
    arms: Sequence[Arm]
    data: DataSet
    n: int
    seed: int = 0
    tuning: float = 0.0

    def question(self) -> dict[str, Any]:
        """All that the figures depend on, in plain values."""
        return {
            "name": self.name,
            "models": [{"spec": held.card.spec, "sha256": held.card.sha256} for held in self.models],
            "data": {"spec": self.data.spec, "sha256": self.data.sha256, "n": self.n},
            "arms": [{**asdict(arm), "versions": _versions(arm)} for arm in self.arms],
            "seed": self.seed,
            "tuning": self.tuning,
            "version": __version__,
        }

    def works(self) -> list[Work]:
        """Every arm for every model; raises ParamError where a metric, method or knob does not exist."""
        return [Work.of(arm, held) for held in self.models for arm in self.arms]


@dataclass(frozen=True, eq=False)
class Work:
    """An arm for one model, checked; `key` names its records."""

    arm: Arm
    held: Held
    metric: Metric
    params: Params
    key: str

    @classmethod
    def of(cls, arm: Arm, held: Held) -> Work:
        metric = get_metric(arm.metric)
        if metric.of == "method" and arm.method is None:
            raise ParamError(f"{metric.name} measures explanations: name a --method.")
        params = metric.params.build(arm.metric_knobs)
        method_params: dict[str, Any] = {}
        if arm.method is not None:
            method_params = get_method(arm.method).params.build(arm.method_knobs).as_dict()
        parts = (params.as_dict(), method_params, arm.rho, arm.scale, arm.blur, held.card.sha256, _versions(arm))
        name = "-".join(filter(None, (metric.name, arm.method)))
        return cls(arm, held, metric, params, f"{name}-{fingerprint(*parts)[:12]}")

    @property
    def obstacle(self) -> str | None:
        """Why this cannot be run, or None."""
        if self.arm.method is not None and not self.arm.method_knobs:
            why = self.held.card.cannot.get(self.arm.method)
            if why:
                return f"{self.arm.method} cannot explain {self.held.card.spec}: {why}"
        why = self.metric.cannot(self.held.model)
        return f"{self.metric.name} does not apply to {self.held.card.spec}: {why}" if why else None


def _versions(arm: Arm) -> Mapping[str, int]:
    versions = {arm.metric: get_metric(arm.metric).version}
    return versions if arm.method is None else {**versions, arm.method: get_method(arm.method).version}
