"""Plotly figures: what the model says, and how it changes along ρ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from explain_core.path import RHO_GRID, Curve

# Okabe and Ito's colours, told apart by the colour-blind and on light and dark alike.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
MARKERS = ("circle", "square", "diamond", "triangle-up")
# Grey that stands out from white and from black.
MARKED = "#7d8594"
QUIET: dict[str, Any] = {"displayModeBar": False}


def predictions(names: Sequence[str], probabilities: Sequence[float]) -> go.Figure:
    """Bars, most probable on top; the numbers stand at the bars."""
    bars = go.Bar(
        x=list(probabilities),
        y=list(names),
        orientation="h",
        text=[f"{p:.1%}" for p in probabilities],
        textposition="outside",
        cliponaxis=False,
        marker_color=COLOURS[0],
        hoverinfo="skip",
    )
    figure = go.Figure(bars)
    figure.update_layout(height=210, margin={"l": 0, "r": 45, "t": 8, "b": 24}, bargap=0.35)
    figure.update_xaxes(range=[0, 1], tickformat=".0%", fixedrange=True, nticks=5)
    figure.update_yaxes(autorange="reversed", fixedrange=True, ticklabelstandoff=6, type="category")
    return figure


def curves(lines: Mapping[str, tuple[int, Curve]], rho: float, target: str) -> go.Figure:
    """Probability of the target against ρ; `lines` maps a label to its panel's number and its curve."""
    figure = go.Figure()
    for label, (number, curve) in lines.items():
        style = number % len(COLOURS)
        figure.add_scatter(
            x=list(curve.rho),
            y=list(curve.probability),
            name=label,
            mode="lines+markers",
            line={"color": COLOURS[style], "dash": "solid" if number < len(COLOURS) else "dash"},
            marker={"symbol": MARKERS[style], "size": 9},
            hovertemplate="ρ %{x:.4g}: %{y:.1%}<extra>" + label + "</extra>",
        )
    figure.add_vline(
        x=rho,
        line={"color": MARKED, "dash": "dot", "width": 2},
        annotation={"text": f"ρ = {rho:g}", "font": {"color": MARKED}},
        annotation_position="top",
    )
    figure.update_layout(
        height=340,
        margin={"l": 0, "r": 10, "t": 28, "b": 0},
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0},
        showlegend=True,
    )
    figure.update_xaxes(
        type="log",
        title="ρ, RMS of the change (pixels in 0 … 1)",
        range=[-4.1, -0.42],
        tickvals=[1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3],
        ticktext=["0.0001", "0.001", "0.01", "0.02", "0.05", "0.1", "0.2", "0.3"],
        fixedrange=True,
    )
    figure.update_yaxes(title=f"Probability of {target}", range=[-0.03, 1.03], tickformat=".0%", fixedrange=True)
    return figure


def words(lines: Mapping[str, tuple[int, Curve]]) -> str:
    """The same for those who cannot see the figure: where each decision changes."""
    return "; ".join(f"{label}: {flip(curve)}" for label, (_, curve) in lines.items()) or "no curve yet"


def flip(curve: Curve) -> str:
    """The smallest ρ at which the decision changes, in words."""
    if not curve.rho:
        return "no value of ρ solved yet"
    missing = set(RHO_GRID) - set(curve.rho)
    if curve.flips_at is None:
        until = max(curve.rho)
        gaps = ", with gaps below" if any(rho < until for rho in missing) else ""
        return f"does not change up to ρ = {until:g}{gaps}"
    if any(rho < curve.flips_at for rho in missing):
        return f"has changed at ρ = {curve.flips_at:g}; smaller values are not all solved"
    return f"changes from ρ = {curve.flips_at:g}"
