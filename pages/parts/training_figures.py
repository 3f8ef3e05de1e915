"""Plotly figures of training runs: one curve, or several, in the same axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from explain_core.training.curves import Curves
from pages.parts.figures import COLOURS

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def lines(runs: Mapping[str, Curves], names: Sequence[str], *, log: bool) -> go.Figure:
    """The curves of these names; of one run each has a colour, of several each run, and a dash each name."""
    figure = go.Figure()
    for place, (run, curves) in enumerate(runs.items()):
        for number, name in enumerate(names):
            if name not in curves:
                continue
            series = curves[name]
            colour, dash = (number, number // len(COLOURS)) if len(runs) == 1 else (place, number)
            label = name if len(runs) == 1 else run if len(names) == 1 else f"{run}: {name}"
            figure.add_scatter(
                x=list(series.steps),
                y=list(series.values),
                customdata=list(series.epochs),
                name=label,
                mode="lines" if len(series.steps) > 1 else "markers",
                line={"color": COLOURS[colour % len(COLOURS)], "dash": DASHES[dash % len(DASHES)], "width": 2},
                hovertemplate="step %{x}, after %{customdata} epochs: %{y:.4g}<extra>" + label + "</extra>",
            )
    figure.update_layout(
        height=290,
        margin={"l": 0, "r": 10, "t": 8, "b": 0},
        showlegend=len(figure.data) > 1,
        legend={"orientation": "h", "yanchor": "top", "y": -0.3, "x": 0},
        uirevision="kept",
    )
    figure.update_xaxes(title="step", rangemode="tozero")
    figure.update_yaxes(type="log" if log else "linear", exponentformat="power", nticks=6, rangemode="tozero")
    return figure


def words(runs: Mapping[str, Curves], names: Sequence[str]) -> str:
    """The same for those who cannot see the figure: where each curve stands."""
    told = [
        f"{run}, {name}: {curves[name].last:.4g} at step {curves[name].steps[-1]}"
        for run, curves in runs.items()
        for name in names
        if name in curves
    ]
    return "; ".join(told)
