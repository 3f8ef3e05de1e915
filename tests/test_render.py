"""Colours of maps whose pictures are known, and maps that could trip the arithmetic."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from explain_core import render
from explain_core.records import Answer, Provenance

RAMP = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, 101)


def answer(saliency: np.ndarray, **more: object) -> Answer:
    origin = Provenance("ape", 1, {}, "demo", "", "", 0, "normal", 0.05, 0, 1.0, 1.0, "cpu")
    pixels = np.full((1, *saliency.shape), 0.5, np.float32)
    return Answer(pixels, saliency, np.array([0.3, 0.7], np.float32), "", origin, **more)  # type: ignore[arg-type]


def test_a_picture_is_its_grey_levels() -> None:
    pixels = np.array([[[0, 1], [0.5, 1.5]]], np.float32)
    assert render.picture(pixels).tolist() == [[[0] * 3, [255] * 3], [[128] * 3, [255] * 3]]


def test_a_colour_picture_keeps_its_channels() -> None:
    pixels = np.array([[[1.0]], [[0.0]], [[0.2]]], np.float32)
    assert render.picture(pixels).tolist() == [[[255, 0, 51]]]


def test_the_scale_is_a_percentile_and_survives_one_hot_pixel() -> None:
    saliency = np.ones((100, 100), np.float32)
    saliency[0, 0] = 1000
    assert render.scale_of(saliency) == 1
    assert render.scale_of(-saliency) == 1


def test_a_map_that_is_almost_everywhere_0_has_its_largest_value_as_scale() -> None:
    saliency = np.zeros((100, 100), np.float32)
    saliency[3, 4] = 7
    assert render.scale_of(saliency) == 7


def test_zero_is_white_in_a_signed_map_and_the_ends_are_blue_and_red() -> None:
    low, middle, high = render.heat(np.array([[-1, 0, 1]], np.float32), 1.0)[0].astype(int)
    assert middle.min() > 240
    assert low[2] > low[0] + 80
    assert high[0] > high[2] + 80


def test_a_signed_map_is_centred_whatever_its_values() -> None:
    saliency = np.array([[-1, 0, 100]], np.float32)
    assert render.heat(saliency, 100.0)[0, 1].min() > 240


def test_brightness_rises_along_the_sequential_scale() -> None:
    light = render.heat(RAMP, 1.0)[0].astype(int).sum(axis=1)
    assert (np.diff(light[::5]) > 0).all()


def test_a_layer_is_clear_where_the_map_is_0_and_opaque_at_its_ends() -> None:
    alpha = render.layer(np.array([[-2, 0, 1]], np.float32), 1.0)[0, :, 3]
    assert alpha.tolist() == [255, 0, 255]


def test_an_overlay_without_opacity_is_the_input() -> None:
    found = answer(RAMP)
    assert (render.overlay(found, 0.0) == render.picture(found.input)).all()
    assert (render.overlay(found, 1.0)[0, -1] == render.heat(RAMP, 1.0)[0, -1]).all()


@pytest.mark.parametrize(("largest", "gain"), [(0.5, 1), (0.1, 5), (0.049, 10), (0.0005, 1000), (0.8, 1), (0.0, 10000)])
def test_the_gain_is_round_and_fits(largest: float, gain: int) -> None:
    assert render.gain_of(np.full((1, 4, 4), -largest, np.float32)) == gain


def test_a_difference_is_grey_where_nothing_changed() -> None:
    change = np.array([[[-0.05, 0, 0.05]]], np.float32)
    assert render.difference(change, 10)[0, :, 0].tolist() == [0, 128, 255]


def test_a_mask_keeps_the_picture_inside() -> None:
    pixels = np.full((1, 1, 2), 0.5, np.float32)
    inside, outside = render.masked(pixels, np.array([[True, False]]))[0].tolist()
    assert inside == [128, 128, 128]
    assert outside[2] > outside[0]


def test_an_outline_leaves_the_region_alone() -> None:
    region = np.zeros((9, 9), bool)
    region[4, 4] = True
    image = render.outlined(np.zeros((9, 9, 3), np.uint8), region)
    assert image[4, 4].tolist() == [0, 0, 0]
    assert image[4, 5].tolist() == [255, 214, 0]
    assert image[0, 0].tolist() == [0, 0, 0]


def test_a_png_is_lossless_and_a_large_one_is_reduced() -> None:
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    data = base64.b64decode(render.png_uri(image).removeprefix("data:image/png;base64,"))
    assert (np.asarray(Image.open(io.BytesIO(data))) == image).all()
    large = np.zeros((1000, 2000, 3), np.uint8)
    assert Image.open(io.BytesIO(render.png(large, 768))).size == (768, 384)
    assert Image.open(io.BytesIO(render.png(large))).size == (2000, 1000)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    )
)
def test_any_map_can_be_drawn(saliency: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        scale = render.scale_of(saliency)
        assert np.isfinite(scale)
        assert render.heat(saliency, scale).shape == (*saliency.shape, 3)
        assert render.layer(saliency, scale).shape == (*saliency.shape, 4)
        assert render.overlay(answer(saliency)).dtype == np.uint8
