"""Baselines by hand: they see neither network nor class."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from explain_core.methods.baselines import BLUR_DIFFERENCE, CENTRE, centre
from tests.methods.closed import asked, linear, pictures

TARGET = torch.tensor([2, 0, 2])


def test_the_centre_is_1_in_the_middle_and_0_in_the_corners() -> None:
    (map_,) = centre(torch.zeros(1, 3, 5, 9))
    assert float(map_[2, 4]) == 1
    assert map_[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() == [0] * 4
    assert torch.allclose(map_[2, 7], 1 - 3 / torch.tensor(20.0).sqrt())
    assert centre(torch.zeros(1, 1, 1, 1)).tolist() == [[[1.0]]]


def test_the_blur_difference_is_scipys() -> None:
    model, _ = linear()
    x = pictures()
    found = asked(BLUR_DIFFERENCE, model, x, TARGET)
    for row, picture in zip(found.saliency, x.numpy(), strict=True):
        blurred = np.stack([ndimage.gaussian_filter(plane, 2.5, mode="nearest") for plane in picture])
        assert np.allclose(row.numpy(), np.sqrt(((picture - blurred) ** 2).mean(0)), atol=1e-12)


def test_a_flat_picture_has_no_edges() -> None:
    model, _ = linear()
    flat = torch.full((1, 3, 6, 6), 0.3, dtype=torch.float64)
    assert asked(BLUR_DIFFERENCE, model, flat, TARGET[:1]).saliency.abs().max() < 1e-12


def test_the_class_does_not_matter() -> None:
    model, _ = linear()
    x = pictures()
    for method in (CENTRE, BLUR_DIFFERENCE):
        first, second = (asked(method, model, x, target) for target in (TARGET, (TARGET + 1) % 4))
        assert torch.equal(first.saliency, second.saliency)
