"""The networks that ship: each is whole, says where it comes from, and names no machine."""

from __future__ import annotations

import pytest
import torch

from explain_core.models.card import CARD, WEIGHTS, read_card
from explain_core.models.shipped import FOLDER, shipped
from explain_core.models.zoo import known_specs, load_model
from explain_core.training.recipe import parse_recipe


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_network_runs_and_its_card_is_true(name: str) -> None:
    model = load_model(f"shipped/{name}")
    described = read_card(FOLDER / name)
    assert f"shipped/{name}" in known_specs()
    assert model.spec == f"shipped/{name}"
    assert model.sha256() == described.model_sha256
    side = model.input.size or (64, 64)
    assert torch.isfinite(model(torch.rand(2, model.input.channels, *side))).all()
    assert parse_recipe(described.card.recipe).architecture == described.card.architecture
    assert not described.card.data.partition(":")[2].startswith("/"), "a card names no machine's folder"
    assert (FOLDER / name / WEIGHTS).stat().st_size <= 5_000_000
    assert {file.name for file in (FOLDER / name).iterdir()} == {CARD, WEIGHTS}
    assert f"`{name}`" in (FOLDER / "README.md").read_text(encoding="utf-8")
