"""Contests are held in turn and told in full, and the peers that are installed find what we find."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from explain_core.bench.peers import Row, against_peers
from explain_core.bench.report import peer_table
from explain_core.bench.rivals import RIVALS
from explain_core.bench.rivals.base import PLAIN, REMEDY, Asked, Rival, Ways
from explain_core.errors import ImageError, InputError
from explain_core.models.classifier import Classifier

CLOSE = 1e-3
QUICK: dict[str, dict[str, Any]] = {
    "rise": {"samples": 20},
    "smoothgrad": {"samples": 4},
    "integrated-gradients": {"steps": 4},
    "pgd-l2": {"steps": 3},
    "pgd-linf": {"steps": 3},
}


def held(model: Classifier, rival: Rival) -> Row:
    report = against_peers(model, {rival.method: QUICK.get(rival.method, {})}, batch=2, size=(16, 16), rivals=[rival])
    if "no faster in bfloat16" in "".join(report.left_out):
        pytest.skip(report.left_out[0])
    assert report.left_out == ()
    (row,) = report.rows
    return row


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: f"{rival.method}-{rival.what}")
def test_a_peer_finds_what_we_find(rival: Rival, tiny_named: Callable[[str], Classifier]) -> None:
    if rival.version() is None:
        pytest.skip(f"{rival.peer} is not installed")
    found = held(tiny_named("in-place"), rival).agreement
    if "bfloat16" in rival.what:
        assert found["correlation"] > 0.99
        return
    assert found.get("relative difference", 0) < (0.05 if rival.method == "gradcam-plus-plus" else CLOSE)
    if rival.method != "smoothgrad":  # its noise is other noise every time
        assert found.get("correlation", 1) > 0.9999
    assert found.get("same success", 1) == 1
    assert found.get("rmse between", 0) < CLOSE
    assert found.get("log-odds above theirs", 0) < CLOSE


def plain_rise() -> Rival:
    return next(rival for rival in RIVALS if rival.peer == PLAIN)


def test_a_row_tells_the_turns(tiny: Classifier) -> None:
    row = held(tiny, plain_rise())
    assert row.rounds >= 5
    assert row.ours_units == pytest.approx(row.ours_seconds / row.unit_seconds)
    assert row.theirs_units == pytest.approx(row.theirs_seconds / row.unit_seconds)
    assert row.low <= row.ratio <= row.high
    assert row.way.endswith("masks a pass")


def test_unit_ours_and_theirs_take_turns(tiny: Classifier) -> None:
    """Between two answers of theirs lie the same passes every time: the unit's and ours."""
    happened = list[str]()
    net = tiny.net
    net.register_forward_hook(lambda *_: happened.append("pass"))

    def ways(_: Asked) -> Ways:
        return {"": lambda: happened.append("theirs")}

    rival = replace(plain_rise(), ways=ways, agreement=lambda *_: {})
    report = against_peers(tiny, {"rise": {"samples": 10}}, size=(16, 16), rivals=[rival])
    _, *between, after = "".join(name[0] for name in happened).split("t")
    alone = between[0]  # the turn that warms up
    assert len(alone) > 2
    assert set(alone) == {"p"}
    assert between[1:] == [alone] * report.rows[0].rounds
    assert after == alone[1:]  # our answer, for the agreement


def test_what_is_not_held_is_told(tiny: Classifier, tiny_named: Callable[[str], Classifier]) -> None:
    def trips(_: Asked) -> Ways:
        raise ArithmeticError("a number\ntoo far")

    absent, broken = replace(plain_rise(), peer="no-such-package"), replace(plain_rise(), what="B", ways=trips)
    report = against_peers(tiny, {"rise": QUICK["rise"]}, size=(16, 16), rivals=[absent, broken, plain_rise()])
    assert len(report.rows) == 1
    first, second = report.left_out
    assert REMEDY in first
    assert "ArithmeticError: a number too far" in second
    assert f"without {first}" in peer_table(report).splitlines()
    linear = against_peers(tiny_named("linear"), {"gradcam": {}}, rivals=[replace(plain_rise(), method="gradcam")])
    assert "no convolutional layer" in linear.left_out[0]
    with pytest.raises(InputError, match="No peer has ape"):
        against_peers(tiny, {"ape": {}})
    with pytest.raises(InputError, match="at least 5"):
        against_peers(tiny, {"rise": {}}, rounds=4)
    with pytest.raises(ImageError):
        against_peers(tiny, {"rise": {}}, size=(2, 2))


def test_theirs_is_the_network_as_it_was_loaded_and_ours_is_left_as_it_was(tiny: Classifier) -> None:
    seen = list[Classifier]()

    def looks(asked: Asked) -> Ways:
        seen.append(asked.model)
        return {"": lambda: None}

    tiny.train()
    for frozen in (False, True):
        rival = replace(plain_rise(), ways=looks, agreement=lambda *_: {}, frozen=frozen)
        against_peers(tiny, {"rise": QUICK["rise"]}, size=(16, 16), rivals=[rival])
    loaded, cold = seen
    assert not any(model is tiny or model.training for model in seen)
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert not any(parameter.requires_grad for parameter in cold.parameters())
    assert tiny.training
    assert all(parameter.requires_grad for parameter in tiny.parameters())
    assert torch.get_num_threads() >= 1


def test_the_table_and_the_file_have_the_same_rows(tiny: Classifier) -> None:
    report = against_peers(tiny, {"rise": QUICK["rise"]}, size=(16, 16), rivals=[plain_rise()])
    (row,) = json.loads(json.dumps(report.as_dict()))["rows"]
    line = next(line for line in peer_table(report).splitlines() if line.startswith("rise"))
    assert f"{row['ratio']:.2f}" in line
    assert f"opening our model took {report.opening_seconds:.2f} s" in peer_table(report)
