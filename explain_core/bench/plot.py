"""Curves of growth as one SVG: a panel each, both axes logarithmic, memory on a straight one from 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from explain_core.bench.growth import Curve, GrowthReport

ACROSS, WIDTH, HEIGHT, HEAD = 3, 340, 280, 28
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 52, 44
INK, PALE, LINE = "#222", "#ddd", "#0b62a4"
STRAIGHT = "MiB"

Scale = Callable[[float], float]
"""A value's place on an axis, 0 to 1."""


def drawn(report: GrowthReport) -> str:
    """The SVG's text; dashed is cost in proportion to the work."""
    rows = math.ceil(len(report.curves) / ACROSS)
    width, height = ACROSS * WIDTH, rows * HEIGHT + HEAD
    panels = (
        f'<g transform="translate({place % ACROSS * WIDTH} {place // ACROSS * HEIGHT + HEAD})">{"".join(lines)}</g>'
        for place, lines in enumerate(map(panel, report.curves))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12" fill="{INK}"><rect width="{width}" height="{height}" fill="white"/>'
        f'<text x="12" y="20">{escape(report.head())}</text>{"".join(panels)}</svg>\n'
    )


def panel(curve: Curve) -> Iterator[str]:
    """One curve with its axes."""
    at, values = [point.at for point in curve.points], [point.value for point in curve.points]
    expected = [values[0] * place / at[0] for place in at] if curve.proportional else []
    across = logarithmic(min(at), max(at))
    ticks, up = upright(curve.measure, [*values, *expected])
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def line(heights: Sequence[float], style: str) -> str:
        places = " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in zip(at, heights, strict=True))
        return f'<polyline fill="none" {style} points="{places}"/>'

    def x(value: float) -> float:
        return LEFT + wide * across(value)

    def y(value: float) -> float:
        return TOP + high * (1 - up(value))

    yield f'<text x="{LEFT}" y="18" font-weight="bold">{escape(curve.title)}</text>'
    yield f'<text x="{LEFT}" y="34" font-size="11">{escape(curve.of)}</text>'
    for value in ticks:
        yield f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{PALE}"/>'
        yield f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
    for value in at:
        yield f'<text x="{x(value):.1f}" y="{TOP + high + 16}" text-anchor="middle">{value}</text>'
    yield f'<text x="{LEFT + wide / 2}" y="{TOP + high + 34}" text-anchor="middle">{escape(curve.along)}</text>'
    yield f'<text x="14" y="{TOP + high / 2}" transform="rotate(-90 14 {TOP + high / 2})">{curve.measure}</text>'
    if expected:
        yield line(expected, f'stroke="{INK}" stroke-dasharray="4 4"')
    yield line(values, f'stroke="{LINE}" stroke-width="2"')
    for place, value in zip(at, values, strict=True):
        yield f'<circle cx="{x(place):.1f}" cy="{y(value):.1f}" r="3" fill="{LINE}"><title>{value:.4g}</title></circle>'


def upright(measure: str, values: Sequence[float]) -> tuple[list[float], Scale]:
    """Where the upright axis has its lines, and its scale."""
    if measure == STRAIGHT:
        ticks = list(steps(max(values)))
        return ticks, lambda value: value / ticks[-1]
    ticks = list(ones_twos_fives(min(values), max(values)))
    return ticks, logarithmic(ticks[0], ticks[-1])


def logarithmic(low: float, high: float) -> Scale:
    """
    >>> logarithmic(1, 100)(10)
    0.5
    """
    extent = math.log(high / low) if high > low else 1.0
    return lambda value: math.log(value / low) / extent


def steps(most: float) -> Iterator[float]:
    """From 0 to `most` or beyond, in four to ten steps of 1, 2 or 5 and zeros.

    >>> list(steps(850))
    [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]
    """
    step = next(size for size in _round_numbers(most / 100) if most / size <= 5)
    return (step * number for number in range(math.ceil(most / step) + 1))


def ones_twos_fives(low: float, high: float) -> Iterator[float]:
    """1, 2, 5, 10, …, the last at or below `low` up to the first at or above `high`.

    >>> list(ones_twos_fives(3, 60)), list(ones_twos_fives(10, 10))
    ([2.0, 5.0, 10.0, 20.0, 50.0, 100.0], [10.0, 20.0])
    """
    numbers = _round_numbers(low / 20)
    before = next(numbers)
    for number in numbers:
        if number > low:
            yield before
            if before >= high and before > low:
                return
        before = number


def _round_numbers(start: float) -> Iterator[float]:
    exponent = math.floor(math.log10(start))
    while True:
        yield from (digit * 10.0**exponent for digit in (1, 2, 5))
        exponent += 1
