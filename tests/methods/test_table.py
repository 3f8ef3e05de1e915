"""The table of methods, and rows that other packages bring."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from explain_core.errors import ParamError
from explain_core.methods import GROUP, METHODS, by_name, get_method, gradcam, installed


def point(value: str) -> EntryPoint:
    return EntryPoint("theirs", value, GROUP)


def test_a_third_party_row_joins_through_its_entry_point() -> None:
    (found,) = installed([point("explain_core.methods.gradcam:METHOD")])
    assert found is gradcam.METHOD


def test_what_is_no_method_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"theirs.*not a Method"):
        installed([point("explain_core.methods.gradcam:cost")])


def test_two_rows_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two methods are called 'gradcam'"):
        by_name(gradcam.METHOD, gradcam.METHOD)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ParamError, match="did you mean 'gradcam'"):
        get_method("gradcm")
    assert set(METHODS) >= {"gradcam", "perceptual-ball", "ape", "explain-plus", "explain-minus"}
