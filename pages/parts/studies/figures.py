"""Plotly figures of a study: areas with their intervals, ROC curves, and lesions found against false marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from annotations.reading.answers import FINAL, UNAIDED
from pages.parts.figures import COLOURS, MARKED, MARKERS

Row = Mapping[str, Any]
STYLES = {
    UNAIDED: (COLOURS[0], "rgba(0, 114, 178, 0.15)", "dash"),
    FINAL: (COLOURS[1], "rgba(213, 94, 0, 0.15)", "solid"),
}
"""Of each step its line, its band and its dash."""
UNTOLD: dict[str, Any] = {"mode": "lines", "hoverinfo": "skip", "showlegend": False}
LEGEND = {"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0, "traceorder": "normal"}


def areas(rows: Sequence[Row]) -> go.Figure:
    """Each reader's area as a small mark, their mean with its interval, by arm and step."""
    figure = go.Figure()
    for number, reader in enumerate(dict.fromkeys(row["reader"] for row in rows)):
        own = [row for row in rows if row["reader"] == reader]
        if reader == "mean":
            figure.add_scatter(
                x=_places(own), y=[row["auc"] for row in own], name="mean over readers", mode="markers",
                marker={"symbol": "diamond", "size": 13, "color": COLOURS[1]}, error_y=_errors(own, "auc"),
            )  # fmt: skip
        else:
            figure.add_scatter(
                x=_places(own), y=[row["auc"] for row in own], name=str(reader), mode="markers",
                marker={"symbol": f"{MARKERS[number % len(MARKERS)]}-open", "size": 8, "color": COLOURS[0]},
            )  # fmt: skip
    figure.update_yaxes(title="AUC", nticks=6)
    return _laid_out(figure)


def roc(parts: Sequence[Row]) -> go.Figure:
    """Of an arm: each step's mean curve with its band, and the readers' own as thin lines."""
    figure = go.Figure()
    for part in parts:
        colour, band, dash = STYLES[part["step"]]
        for points in part["readers"].values():
            _thin(figure, points, colour, "linear")
        mean = part.get("mean", [])
        false = [row["false"] for row in mean]
        figure.add_scatter(x=false, y=[row["high"] for row in mean], line={"width": 0}, **UNTOLD)
        figure.add_scatter(
            x=false, y=[row["low"] for row in mean], line={"width": 0}, fill="tonexty", fillcolor=band, **UNTOLD
        )
        figure.add_scatter(
            x=false, y=[row["true"] for row in mean], mode="lines", name=f"{part['step']}, mean over readers",
            line={"color": colour, "dash": dash, "width": 3},
        )  # fmt: skip
    figure.add_scatter(x=[0, 1], y=[0, 1], line={"color": MARKED, "dash": "dot", "width": 1}, **UNTOLD)
    figure.update_xaxes(title="false positive share", range=[-0.02, 1.02])
    figure.update_yaxes(title="true positive share", range=[-0.02, 1.02])
    return _laid_out(figure)


def froc(parts: Sequence[Row]) -> go.Figure:
    """Of an arm: the mean share of lesions found at so many false marks a film, and readers' curves as thin steps."""
    figure = go.Figure()
    for part in parts:
        colour, _, dash = STYLES[part["step"]]
        for points in part["readers"].values():
            _thin(figure, points, colour, "hv")
        figure.add_scatter(
            x=[row["false_per_film"] for row in part["mean"]], y=[row["found"] for row in part["mean"]],
            mode="lines+markers", name=f"{part['step']}, mean over readers", error_y=_errors(part["mean"], "found"),
            line={"color": colour, "dash": dash, "width": 3}, marker={"size": 9},
        )  # fmt: skip
    figure.update_xaxes(title="false marks a film", rangemode="tozero")
    figure.update_yaxes(title="lesions found", range=[-0.02, 1.02])
    return _laid_out(figure)


def words(rows: Sequence[Row]) -> str:
    """The means for those who cannot see the figure."""
    told = [f"{row['arm']}, {row['step']}: {_number(row['auc'])}" for row in rows if row["reader"] == "mean"]
    return f"Mean areas: {'; '.join(told)}"


def _thin(figure: go.Figure, points: Sequence[Sequence[Any]], colour: str, shape: str) -> None:
    figure.add_scatter(
        x=[point[0] for point in points], y=[point[1] for point in points], opacity=0.45,
        line={"color": colour, "width": 1, "shape": shape}, **UNTOLD,
    )  # fmt: skip


def _places(rows: Sequence[Row]) -> list[str]:
    return [f"{row['arm']}, {row['step']}" for row in rows]


def _errors(rows: Sequence[Row], name: str) -> dict[str, Any]:
    """From the value to both ends of its interval; none where there is none."""

    def reach(row: Row, end: str) -> float:
        return 0.0 if row[name] is None or row[end] is None else abs(row[end] - row[name])

    return {
        "type": "data", "symmetric": False, "thickness": 1.5, "width": 6,
        "array": [reach(row, "high") for row in rows], "arrayminus": [reach(row, "low") for row in rows],
    }  # fmt: skip


def _laid_out(figure: go.Figure) -> go.Figure:
    figure.update_layout(height=360, margin={"l": 0, "r": 10, "t": 10, "b": 0}, legend=LEGEND, showlegend=True)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return figure


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
