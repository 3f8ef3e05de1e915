"""Plotly figures of a benchmark: bars with their errors, lines, and what was published as reference marks."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from explain_core.evaluation.tables import Cell, Lines
from pages.parts.figures import COLOURS, MARKED, MARKERS

DASHES = ("solid", "dash", "dot", "dashdot")


def bars(found: Sequence[Cell], setting: str) -> go.Figure:
    """Each column of the table as a group of bars; published numbers are white diamonds, never bars."""
    figure = go.Figure()
    for number, column in enumerate(dict.fromkeys(cell.column for cell in found)):
        own = [cell for cell in found if cell.column == column]
        figure.add_bar(
            x=[cell.row for cell in own],
            y=[cell.value for cell in own],
            error_y={"type": "data", "array": [cell.error or 0 for cell in own], "thickness": 1.5, "color": MARKED},
            name=column,
            marker_color=COLOURS[number % len(COLOURS)],
            offsetgroup=column,
            hovertemplate="%{x}: %{y:.4g}<extra>" + column + "</extra>",
        )
    for column in dict.fromkeys(cell.column for cell in found):
        marked = [cell for cell in found if cell.column == column and cell.published is not None]
        if marked:
            figure.add_scatter(
                x=[cell.row for cell in marked],
                y=[cell.published for cell in marked],
                mode="markers",
                name=f"{column}, published",
                offsetgroup=column,
                marker={"symbol": "diamond", "size": 11, "color": "white", "line": {"width": 2, "color": "black"}},
                hovertemplate="%{x}: %{y:.4g}<extra>published: " + setting + "</extra>",
            )
    figure.update_layout(barmode="group", scattermode="group", height=420, margin={"l": 0, "r": 10, "t": 10, "b": 0})
    figure.update_layout(legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0})
    figure.update_xaxes(type="category")
    figure.add_hline(y=0, line={"color": MARKED, "width": 1})
    return figure


def curves(lines: Lines, axis: str) -> go.Figure:
    """One line for each label; colour, dash and marker tell them apart."""
    figure = go.Figure()
    for number, (label, (xs, ys)) in enumerate(lines.curves.items()):
        style = number % len(COLOURS)
        figure.add_scatter(
            x=list(xs),
            y=list(ys),
            name=label,
            mode="lines+markers" if len(xs) <= 30 else "lines",
            line={"color": COLOURS[style], "dash": DASHES[number // len(COLOURS) % len(DASHES)]},
            marker={"symbol": MARKERS[style], "size": 7},
            hovertemplate="%{x:.4g}: %{y:.4g}<extra>" + label + "</extra>",
        )
    height = max(420, 300 + 24 * len(figure.data))  # a long legend would press the axis' title onto itself
    figure.update_layout(height=height, margin={"l": 0, "r": 10, "t": 10, "b": 0}, showlegend=True)
    figure.update_layout(legend={"orientation": "h", "yanchor": "top", "y": -0.2, "x": 0})
    figure.update_xaxes(title=axis or lines.x)
    figure.update_yaxes(title=lines.y)
    return figure


def words(found: Sequence[Cell]) -> str:
    """The same for those who cannot see the figure."""
    told = [f"{cell.row}, {cell.column}: {cell.value:.4g}" for cell in found if cell.value is not None]
    return "; ".join(told) or "no figures"
