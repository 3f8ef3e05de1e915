"""Augmentation: which part of a picture is seen, and at which size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explain_core.data.images import Picture
from explain_core.data.sources import DataSet, Item
from explain_core.errors import ParamError
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.training.batch import Batch
from explain_core.training.recipe import parse_recipe
from explain_core.training.terms import Setting, Term, get_term
from explain_core.training.training import split

KEPT, SIDE = 24, 8
RECIPE = """
[network]
architecture = "mlp"
[input]
size = 8
[schedule]
validation = 0.5
[terms.random-scale]
smallest = 16
largest = 24
[terms.cross-entropy]
"""


def network(size: tuple[int, int] | None = (SIDE, SIDE)) -> Classifier:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    return Classifier(net, classes=("a", "b"), kind="softmax", input=InputSpec(3, size), mean=(0.0,), std=(1.0,))


def scale(smallest: int, largest: int) -> Term:
    row = get_term("random-scale")
    return row.build(row.params.build({"smallest": smallest, "largest": largest}), Setting(network()))


def ramps(count: int, epoch: int = 0) -> Batch:
    """The place of each pixel: rows in the first channel, columns in the second."""
    rows, columns = torch.meshgrid(torch.arange(KEPT), torch.arange(KEPT), indexing="ij")
    picture = torch.stack([rows, columns, torch.ones_like(rows)]).float()
    return Batch(picture.expand(count, 3, KEPT, KEPT), torch.zeros(count).long(), tuple(range(count)), epoch)


def test_at_the_size_that_is_kept_a_crop_is_a_piece_of_the_picture() -> None:
    batch = ramps(400)
    cut = scale(KEPT, KEPT).prepare(batch, network()).pixels
    corners = cut[:, :2, 0, 0].int().tolist()
    for picture, (top, left) in zip(cut, corners, strict=True):
        assert torch.equal(picture, batch.pixels[0][:, top : top + SIDE, left : left + SIDE])
    assert {top for top, _ in corners} == {left for _, left in corners} == set(range(KEPT - SIDE + 1))


def test_a_smaller_scale_shows_more_of_the_picture() -> None:
    cut = scale(12, 12).prepare(ramps(20), network()).pixels  # half the size: two pixels become one
    inner = cut[:, :2, 1:-1, 1:-1]
    torch.testing.assert_close(inner[:, 0].diff(dim=1), torch.full((20, 5, 6), 2.0))
    torch.testing.assert_close(inner[:, 1].diff(dim=2), torch.full((20, 6, 5), 2.0))
    assert torch.equal(cut[:, 2], torch.ones(20, SIDE, SIDE))


def test_scales_lie_between_their_ends_and_belong_to_the_picture() -> None:
    term, model = scale(12, 24), network()
    cut = term.prepare(ramps(200), model).pixels
    steps = cut[:, 0, 1:-1].diff(dim=1).mean((1, 2))
    assert 1 <= float(steps.min()) < 1.1
    assert 1.9 < float(steps.max()) <= 2
    whole, late = ramps(6), ramps(6, epoch=1)
    alone = Batch(whole.pixels[4:5], whole.labels[4:5], (4,))
    assert torch.equal(term.prepare(alone, model).pixels, term.prepare(whole, model).pixels[4:5])
    assert not torch.equal(term.prepare(late, model).pixels, term.prepare(whole, model).pixels)


def test_only_what_is_learnt_from_is_read_larger() -> None:
    drawn = np.random.default_rng(0).random((8, 3, 30, 40), dtype=np.float32)
    items = [Item(f"{n}", lambda n=n: Picture(drawn[n], f"{n}"), label=n % 2) for n in range(8)]  # type: ignore[misc]
    learnt, held_out = split(parse_recipe(RECIPE, Path()), DataSet("test:", tuple(items), ("a", "b")))
    assert learnt.pixels([0]).shape == (1, 3, 24, 24)
    assert held_out is not None
    assert held_out.pixels([0]).shape == (1, 3, 8, 8)


def test_a_crop_must_fit() -> None:
    row = get_term("random-scale")
    with pytest.raises(ParamError, match="smallest = 30: it is above largest = 20"):
        row.params.build({"smallest": 30, "largest": 20})
    for size in (None, (32, 32)):
        with pytest.raises(ParamError, match="random-scale: the network takes"):
            row.build(row.params.build({"smallest": 16, "largest": 24}), Setting(network(size)))
