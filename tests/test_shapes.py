"""What people draw: the same after a way through JSON, or refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.errors import InputError
from explain_core.shapes import Box, Ellipse, Freehand, Shape, shape_of, shape_record

PLACE = st.floats(-100_000, 100_000)
ELLIPSES = st.builds(Ellipse, PLACE, PLACE, st.floats(1e-3, 1e5), st.floats(1e-3, 1e5), st.floats(-360, 360))
BOXES = (
    st.tuples(PLACE, PLACE, PLACE, PLACE).filter(lambda at: at[0] < at[2] and at[1] < at[3]).map(lambda at: Box(*at))
)
OUTLINES = st.lists(st.tuples(PLACE, PLACE), min_size=3, max_size=9).map(lambda points: Freehand(tuple(points)))


@given(st.one_of(ELLIPSES, BOXES, OUTLINES))
def test_a_shape_survives_json(shape: Shape) -> None:
    assert shape_of(json.loads(json.dumps(shape_record(shape)))) == shape


def test_the_records_are_as_the_viewer_draws_them() -> None:
    assert shape_record(Box(4, 25, 20.5, 35)) == {"box": {"left": 4, "top": 25, "right": 20.5, "bottom": 35}}
    drawn = {"freehand": {"points": [[4, 25], [20.5, 25], [12, 35]]}}
    assert shape_record(shape_of(drawn)) == drawn
    assert shape_of(drawn).outline() == [(4, 25), (20.5, 25), (12, 35)]


@pytest.mark.parametrize(("rx", "ry"), [(8, 3), (3, 8)])
def test_the_major_axis_comes_first(rx: float, ry: float) -> None:
    """By 30 degrees: the ends of the axes are known."""
    ends = Ellipse(50, 40, rx, ry, 30).axes()
    lengths = [math.dist(ends[0], ends[1]), math.dist(ends[2], ends[3])]
    assert lengths == pytest.approx([16, 6])
    along = (50 + rx * math.cos(math.radians(30)), 40 + rx / 2)
    assert ends[0 if rx > ry else 2] == pytest.approx(along)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({}, "one of ellipse, box, freehand"),
        ([], "one of ellipse"),
        ({"box": {}, "ellipse": {}}, "one of ellipse"),
        ({"circle": {"cx": 1}}, "A region 'circle'"),
        ({"box": {"left": 1, "top": 1, "right": 2}}, "left, top, right, bottom"),
        ({"box": {"left": 1, "top": 1, "right": 1, "bottom": 2}}, "both above 0"),
        ({"box": {"left": math.nan, "top": 1, "right": 2, "bottom": 2}}, "left is no number"),
        ({"box": {"left": "1", "top": 1, "right": 2, "bottom": 2}}, "left is no number"),
        ({"freehand": {"points": [[1, 1], [2, 2]]}}, "3 to 10000 points"),
        ({"freehand": {"points": "abcd"}}, "3 to 10000 points"),
        ({"freehand": {"points": [[1, 1], [2, 2], [3]]}}, "pairs"),
        ({"freehand": {"points": [[1, 1], [2, 2], [3, math.inf]]}}, "y is no number"),
        ({"ellipse": {"cx": 1, "cy": 1, "rx": 0, "ry": 1, "angle": 0}}, "half-axes above 0"),
    ],
)
def test_what_is_no_shape_is_refused(record: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        shape_of(record)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["points", "left", "cx"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["ellipse", "box", "freehand", "other"]), JSON, max_size=2))
def test_whatever_is_sent_is_a_shape_or_refused(record: dict[str, Any]) -> None:
    try:
        shape = shape_of(record)
    except InputError:
        return
    assert all(math.isfinite(x) and math.isfinite(y) for x, y in shape.outline())
