"""From a panel's answers to what its component shows: pictures, a legend, and figures in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from explain_core import render
from explain_core.export import top
from explain_core.path import RHO_GRID, stayed_inside
from explain_core.records import Answer, Floats, Provenance
from pages.parts import pace
from pages.parts.choices import VIEWS, Panel
from pages.parts.desk import Desk

OPACITIES = 10
SMALL = 128
MOST_NUMBERS = 5
LARGEST_PREVIEW = 256
Cell = dict[str, Any]


def data_of(panel: Panel, desk: Desk, scales: Sequence[float | None]) -> dict[str, Any]:
    """What the panel component needs: `cells`, and for each value of ρ which of them (`at`).

    `scales` gives, per value of ρ, the scale that all panels share, or None for each picture's own.
    """
    height, width = panel.subject.pixels.shape[1:]
    cells: list[Cell] = []
    at: list[int] = []
    for job, scale in zip(panel.jobs, scales, strict=False):
        cell = {**_cell(panel, desk, job, scale), "job": job.key}
        if not cells or cell != cells[-1]:
            cells.append(cell)
        at.append(len(cells) - 1)
    return {
        "cells": cells or [_blank(panel.obstacle or "")],
        "at": at or [0] * len(RHO_GRID),
        "opacities": OPACITIES,
        "alone": panel.choice.view != "overlay",
        "aspect": f"{width} / {height}",
        "small": max(height, width) < SMALL,
        "under": _under(panel.subject.image, panel.subject.pixels),
    }


def shared_scales(panels: Sequence[Panel], desk: Desk) -> list[float]:
    """Per value of ρ, one scale for all panels."""
    found: list[list[float]] = [[] for _ in RHO_GRID]
    for panel in panels:
        for place, job in enumerate(panel.jobs):
            answer = desk.answer(job)
            if answer is not None:
                found[place].append(_scale(job.key, answer))
    return [max(scales, default=0.0) for scales in found]


def solving(panels: Sequence[Panel], desk: Desk, rho: float) -> dict[str, dict[str, str | None]]:
    """By the key of a job that is being solved at this ρ: how far it is, and the picture as it stands."""
    found = {}
    for panel in panels:
        job = panel.at(rho)
        under_way = desk.under_way(job) if job else None
        if job and under_way:
            progress, picture = under_way
            source = None if picture is None else preview(panel.choice.view, panel.subject.pixels, picture)
            share = f": {progress:.0%}{_left(panel, desk, progress)}" if progress else " …"
            found[job.key] = {
                "source": source,
                "note": ("Preview" if source else "Solving") + share,
                "alt": f"{panel.choice.method.title}, unfinished{share}" if source else "",
            }
    return found


def _left(panel: Panel, desk: Desk, progress: float) -> str:
    seconds = panel.seconds(1, desk.pace)
    return "" if seconds is None else f", {pace.words(seconds * (1 - progress))} left"


def preview(view: str, before: Floats, picture: Floats) -> str | None:
    """An unfinished change (c, h, w) in one view, small enough to be drawn every second; None for a mask."""
    if view == "mask":
        return None
    step = max(1, -(-max(picture.shape[1:]) // LARGEST_PREVIEW))
    before, picture = before[:, ::step, ::step], picture[:, ::step, ::step]
    if view == "perturbed":
        return render.png_uri(render.picture(picture))
    change = picture - before
    if view == "difference":
        return render.png_uri(render.difference(change, render.gain_of(change)))
    size = np.sqrt(np.square(change).mean(0))
    draw = render.layer if view == "overlay" else render.heat
    return render.png_uri(draw(size, render.scale_of(size)))


def _cell(panel: Panel, desk: Desk, job: Any, scale: float | None) -> Cell:
    outcome = desk.outcome(job)
    if outcome is None:
        if desk.held([job]):
            return _blank("Not solved at this ρ yet.")
        return {**_blank("Solving …"), "waiting": True}
    if not isinstance(outcome, Answer):
        return _blank(str(outcome))
    view = panel.choice.view
    own = _scale(job.key, outcome) if scale is None else scale
    title = panel.choice.method.title
    source, legend = _drawn(job.key, view, own, outcome)
    return {
        "over": source,
        "alone": view != "overlay",
        "alt": _alt(title, view, panel, job.rho),
        "note": "" if source else f"{title} makes no {VIEWS[view].lower()}.",
        "legend": legend,
        "outcome": outcome.outcome,
        "facts": facts(outcome, panel.subject.card.classes),
        "waiting": False,
    }


def _blank(note: str) -> Cell:
    return {
        "over": None,
        "alone": False,
        "alt": "",
        "note": note,
        "legend": None,
        "outcome": "",
        "facts": [],
        "waiting": False,
    }


def _alt(title: str, view: str, panel: Panel, rho: float | None) -> str:
    at = "" if rho is None else f" at ρ = {rho:g}"
    return f"{title}, {VIEWS[view].lower()}, for class {panel.subject.target_name}{at}"


@st.cache_data(max_entries=256, show_spinner=False)
def _under(image: str, _pixels: Any) -> str:
    return render.png_uri(render.picture(_pixels))


@st.cache_data(max_entries=4096, show_spinner=False)
def _scale(key: str, _answer: Answer) -> float:
    return render.scale_of(_answer.saliency)


# Keyed by the job and the view: Streamlit would hash large arrays by a sample only.
@st.cache_data(max_entries=1024, show_spinner=False)
def _drawn(key: str, view: str, scale: float, _answer: Answer) -> tuple[str | None, dict[str, str] | None]:
    """The picture of one view as a data URI, and its legend."""
    answer = _answer
    if view in ("overlay", "saliency"):
        signed = render.is_signed(answer.saliency)
        draw = render.layer if view == "overlay" else render.heat
        return render.png_uri(draw(answer.saliency, scale)), _legend(signed, scale)
    if view == "mask":
        return (None if answer.mask is None else render.png_uri(render.masked(answer.input, answer.mask))), None
    if answer.perturbed is None or answer.change is None:
        return None, None
    if view == "perturbed":
        return render.png_uri(render.picture(answer.perturbed)), None
    gain = render.gain_of(answer.change)
    ramp = {"colours": "black, white", "low": f"gain × {gain}: darker", "high": "brighter"}
    return render.png_uri(render.difference(answer.change, gain)), ramp


def _legend(signed: bool, scale: float) -> dict[str, str]:
    low = f"−{scale:.2g}" if signed else "0"
    return {"colours": ", ".join(render.legend(signed)), "low": low, "high": f"{scale:.2g}"}


def facts(answer: Answer, classes: Sequence[str]) -> list[tuple[str, str]]:
    """Name and value, ready to be read."""
    target = f"p({answer.provenance.target_name})"
    rows = [
        ("Decision", _arrow(_decision(answer.before, classes), _decision(answer.after, classes))),
        (target, _arrow(f"{answer.p_before:.1%}", None if answer.p_after is None else f"{answer.p_after:.1%}")),
    ]
    if answer.rmse is not None and answer.largest_change is not None:
        rows += [("RMSE", _rmse(answer)), ("Largest change", f"{answer.largest_change:.1f} grey levels")]
    rows += [("Cost", _cost(answer.provenance))]
    rows += [(name.replace("_", " "), f"{value:.4g}") for name, value in list(answer.numbers.items())[:MOST_NUMBERS]]
    return rows


def _cost(origin: Provenance) -> str:
    return f"{origin.units:g} pass{'' if origin.units <= 1 else 'es'}, {origin.seconds:.2g} s"


def _rmse(answer: Answer) -> str:
    rho = answer.provenance.rho
    if rho is None:
        return f"{answer.rmse:.3g}, no bound"
    return f"{answer.rmse:.3g}, {'inside the ball' if stayed_inside(answer) else f'all of ρ {rho:g}'}"


def _decision(probabilities: Any, classes: Sequence[str]) -> str | None:
    if probabilities is None:
        return None
    [(name, p)] = top(probabilities, classes, 1)
    return f"{name} {p:.0%}"


def _arrow(before: str | None, after: str | None) -> str:
    return f"{before} → {after}" if after else str(before)
