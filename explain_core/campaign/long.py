"""A campaign's bundle as long work: from names to networks and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from explain_core.asked import settings_of
from explain_core.campaign.build import build
from explain_core.campaign.params import CampaignParams
from explain_core.data.sources import load_data
from explain_core.engine.library import Library, choose_device
from explain_core.methods import METHODS
from explain_core.runs.kinds import Report


def work(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    """A run of the kind `campaign`."""
    carry_out(spec, folder, report.device, report.progress)


def carry_out(
    spec: Mapping[str, Any], folder: Path, device: str, on_progress: Callable[[float], None] = lambda _: None
) -> Path:
    """The bundle's folder.  `spec`: model, data, beside (a list), params and title; raises what `build` does."""
    library = Library(choose_device(device), METHODS)
    held, beside = library.open(spec["model"]), [library.open(name) for name in spec.get("beside", ())]
    params = CampaignParams.build(spec.get("params", {}))
    return build(
        held, load_data(spec["data"]), params, folder, beside=beside, title=spec.get("title", ""),
        on_progress=on_progress,
    )  # fmt: skip


def knobs_of(settings: Iterable[str]) -> dict[str, Any]:
    """KNOB=VALUE as values; raises ParamError."""
    return dict(settings_of({"campaign": CampaignParams}, [f"campaign.{one}" for one in settings])["campaign"])
