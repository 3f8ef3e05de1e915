"""Deformation: by nothing, by a quarter turn, by two, by a shear of one pixel a row; and squares where they lie."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explain_core.errors import ParamError
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.training.batch import Batch
from explain_core.training.terms import Setting, Term, get_term
from explain_core.training.terms.deform import covered, deformed

HEIGHT, WIDTH = 12, 16


def network() -> Classifier:
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    input = InputSpec(1, (HEIGHT, WIDTH))
    return Classifier(net, classes=("a", "b"), kind="softmax", input=input, mean=(0.0,), std=(1.0,))


def term(**knobs: float) -> Term:
    row = get_term("shear-rotate-scale")
    nothing = {"shear": 0, "rotation": 0, "smallest": 1, "largest": 1, "square": 0}
    return row.build(row.params.build({**nothing, **knobs}), Setting(network()))


def noise(count: int, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def batch_of(count: int) -> Batch:
    return Batch(noise(count), torch.zeros(count).long(), tuple(range(count)))


def by(pixels: Tensor, rotation: float = 0, shear: float = 0, scale: float = 1) -> Tensor:
    return deformed(pixels, *(pixels.new_full((len(pixels),), value) for value in (rotation, shear, scale)))


def test_nothing_changes_where_no_range_is_open() -> None:
    batch = batch_of(5)
    torch.testing.assert_close(term().prepare(batch, network()).pixels, batch.pixels, rtol=0, atol=1e-9)


def test_a_quarter_turn_and_a_half() -> None:
    square, oblong = noise(2, 12, 12), noise(2)
    torch.testing.assert_close(by(square, rotation=90), square.rot90(1, (2, 3)), rtol=0, atol=1e-9)
    torch.testing.assert_close(by(oblong, rotation=180), oblong.rot90(2, (2, 3)), rtol=0, atol=1e-9)


def test_a_quarter_turn_of_an_oblong_picture_turns_pixels_not_shares() -> None:
    oblong = noise(1)
    inner = by(oblong, rotation=90)[:, :, :, 2:14]  # the square part, all of which comes from the square part
    torch.testing.assert_close(inner, oblong[:, :, :, 2:14].rot90(1, (2, 3)), rtol=0, atol=1e-9)


def test_a_shear_of_45_degrees_moves_each_row_by_one_pixel_more() -> None:
    ramp = torch.arange(WIDTH, dtype=torch.float64).expand(1, 1, HEIGHT, WIDTH)
    sheared = by(ramp, shear=45)[0, 0]
    torch.testing.assert_close(sheared[1:, 6:10] - sheared[:-1, 6:10], torch.ones(HEIGHT - 1, 4, dtype=torch.float64))


def test_a_scale_of_two_shows_half_the_ramp() -> None:
    ramp = torch.arange(WIDTH, dtype=torch.float64).expand(1, 1, HEIGHT, WIDTH)
    middle = (WIDTH - 1) / 2
    torch.testing.assert_close(by(ramp, scale=2) - middle, (ramp - middle) / 2)


def test_a_square_lies_where_it_was_drawn() -> None:
    draws = torch.tensor([[0.5, 0.0, 0.0, 0.2], [0.5, 0.999, 0.999, 0.7], [0.0, 0.5, 0.5, 0.2]], dtype=torch.float64)
    pixels = noise(3)
    found = covered(pixels, draws, most=7)  # sides 4, 4 and 0
    white, black = found[0, 0], found[1, 0]
    assert bool((white[:4, :4] == 1).all())
    assert bool((black[-4:, -4:] == 0).all())
    assert [int((now != was).sum()) for now, was in zip(found, pixels, strict=True)] == [16, 16, 0]


def test_draws_belong_to_the_picture_and_spread_over_their_ranges() -> None:
    ranges = term(shear=30, rotation=45, smallest=0.61, largest=1.65, square=6)
    whole, model = batch_of(6), network()
    part = Batch(whole.pixels[[4, 1]], whole.labels[[4, 1]], (4, 1))
    torch.testing.assert_close(ranges.prepare(part, model).pixels, ranges.prepare(whole, model).pixels[[4, 1]])
    grey = Batch(torch.full((300, 1, HEIGHT, WIDTH), 0.5), torch.zeros(300).long(), tuple(range(300)))
    changed = ranges.prepare(grey, model).pixels
    sides = {round(int(((picture - 0.5).abs() > 0.1).sum()) ** 0.5) for picture in changed}
    assert sides == set(range(7))
    assert {round(float(value), 5) for value in changed.unique()} == {0.0, 0.5, 1.0}


def test_scales_must_be_in_order() -> None:
    with pytest.raises(ParamError, match="smallest = 2: it is above largest = 1"):
        term(smallest=2)
