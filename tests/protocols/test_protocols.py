"""What every row of PROTOCOLS must do: its arms exist, can be built, and its marks have a place in its table."""

from __future__ import annotations

import pytest

from explain_core.evaluation.asked import arms_asked
from explain_core.methods import METHODS
from explain_core.metrics import METRICS
from explain_core.params import knobs
from explain_core.protocols import PROTOCOLS, get_protocol
from explain_core.protocols.base import VALUE, Protocol

ALL = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=list(PROTOCOLS))


@ALL
def test_arms_name_what_exists(protocol: Protocol) -> None:
    arms = arms_asked(protocol.name, (), (), None)
    assert arms
    for arm in arms:
        METRICS[arm.metric].params.build(arm.metric_knobs)
        if arm.method is not None:
            METHODS[arm.method].params.build(arm.method_knobs)
        assert (arm.method is not None) >= (METRICS[arm.metric].of == "method")


@ALL
def test_no_arm_is_run_twice(protocol: Protocol) -> None:
    arms = [repr(arm) for arm in arms_asked(protocol.name, (), (), None)]
    assert len(set(arms)) == len(arms)


@ALL
def test_published_numbers_have_a_place(protocol: Protocol) -> None:
    """In a table of methods each mark has its row; in one of models a row is a model's name."""
    arms = arms_asked(protocol.name, (), (), None)
    columns = {column for arm in arms for column in arm.columns}
    assert {mark.column for mark in protocol.marks} <= columns
    if all(arm.row for arm in arms):
        assert {mark.row for mark in protocol.marks} <= {arm.row for arm in arms}


@ALL
def test_a_protocol_says_what_was_published(protocol: Protocol) -> None:
    assert get_protocol(protocol.name) is protocol
    assert protocol.setting
    assert protocol.citation
    assert protocol.n >= 1
    assert all(knob.help for knob in knobs(protocol.params))
    if protocol.figure == "curves":
        assert protocol.axis
    assert any(VALUE in arm.columns.values() for arm in arms_asked(protocol.name, (), (), None))
