"""What was typed becomes what is asked, or one error that says what to type."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explain_core.asked import knobs_from, methods_named, pictures_in, rho_from, rhos_for, size_from
from explain_core.errors import InputError, ParamError, RhoscopeError
from explain_core.methods import METHODS

texts = st.text(max_size=20)


@given(texts)
def test_any_rho_is_a_number_in_range_or_an_error(text: str) -> None:
    try:
        rho = rho_from(text)
    except ParamError:
        return
    assert rho is None or 0 < rho <= 1


@given(texts | st.from_regex(r"[a-z]{1,5}(\.[a-z]{1,5})?=[0-9a-z.-]{0,5}", fullmatch=True))
def test_any_setting_is_a_parameter_or_an_error(text: str) -> None:
    try:
        knobs = knobs_from(["ape"], [text])
    except ParamError:
        return
    METHODS["ape"].params.build(knobs["ape"])


@given(texts | st.from_regex(r"[0-9]{1,6}x[0-9]{1,6}", fullmatch=True))
def test_any_size_is_positive_or_an_error(text: str) -> None:
    try:
        height, width = size_from(text)
    except RhoscopeError:
        return
    assert text == f"{height}x{width}"
    assert min(height, width) > 0


def test_values_arrive_typed() -> None:
    knobs = knobs_from(["ape", "explain-plus"], ["ape.steps=20", "ape.alpha=auto", "explain-plus.rule=paper"])
    assert knobs == {"ape": {"steps": 20, "alpha": None}, "explain-plus": {"rule": "paper"}}


def test_parameters_are_judged_together() -> None:
    with pytest.raises(ParamError, match="ape: rate"):
        knobs_from(["ape"], ["ape.rate=0.05"])
    assert knobs_from(["ape"], ["ape.rate=0.05", "ape.epsilon=0.1"])["ape"]["rate"] == 0.05


def test_all_methods_where_none_is_named_and_each_once() -> None:
    assert methods_named([]) == list(METHODS)
    assert methods_named(["ape", "gradcam", "ape"]) == ["ape", "gradcam"]


def test_each_method_is_asked_at_the_rho_it_can_use() -> None:
    assert rhos_for(METHODS["gradcam"], (0.1, 0.2)) == (None,)
    assert rhos_for(METHODS["ape"], ()) == (None,)
    assert rhos_for(METHODS["ape"], (None, 0.1, 0.1)) == (None, 0.1)
    assert rhos_for(METHODS["explain-plus"], ()) == (0.05,)
    assert rhos_for(METHODS["explain-plus"], (None, 0.05, 0.1)) == (0.05, 0.1)


def test_an_empty_folder_says_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.png"):
        pictures_in([tmp_path])
    assert pictures_in([tmp_path / "missing.png"]) == [tmp_path / "missing.png"]
