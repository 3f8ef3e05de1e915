"""Equal jobs are the same job; pixels are checked at the door."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from explain_core.engine.faults import is_out_of_memory, one_line
from explain_core.engine.jobs import Job, check_pixels
from explain_core.errors import ImageError
from tests.engine.walking import WalkParams

JOB = Job("demo", "a" * 64, "walk", "b" * 64, 3, WalkParams(), 0.05)


def test_equal_jobs_have_one_key() -> None:
    assert JOB.key == replace(JOB).key


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"model_sha256": "c"},
        {"method": "gradcam"},
        {"image": "c"},
        {"target": 4},
        {"params": WalkParams(41)},
        {"rho": 0.1},
        {"rho": None},
        {"seed": 1},
        {"version": 2},
    ],
    ids=str,
)
def test_whatever_differs_changes_the_key(change: dict[str, object]) -> None:
    assert replace(JOB, **change).key != JOB.key


def test_rows_of_a_group_differ_in_picture_target_and_rho_only() -> None:
    group = JOB.group((3, 8, 8), "float32")
    assert replace(JOB, image="c", target=1, rho=0.2).group((3, 8, 8), "float32") == group
    changes = [{"rho": None}, {"seed": 1}, {"params": WalkParams(41)}, {"version": 2}]
    others = [replace(JOB, **change) for change in changes]
    assert all(other.group((3, 8, 8), "float32") != group for other in others)
    assert JOB.group((3, 8, 9), "float32") != group
    assert JOB.group((3, 8, 8), "float64") != group


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (np.zeros((3, 8, 8), np.uint8), "uint8: floats in [0, 1] are needed; divide 8-bit values by 255"),
        (np.zeros((8, 8), np.float32), "shape (8, 8)"),
        (np.zeros((3, 0, 8), np.float32), "shape (3, 0, 8)"),
        (np.full((1, 2, 2), np.nan, np.float32), "not finite"),
        (np.full((1, 2, 2), np.inf, np.float32), "not finite"),
        (np.full((1, 2, 2), 255, np.float32), "from 255 to 255"),
        (np.full((1, 2, 2), -0.1, np.float32), "from -0.1"),
    ],
)
def test_bad_pixels_are_refused_in_one_line(pixels: np.ndarray, told: str) -> None:
    with pytest.raises(ImageError, match=re.escape(told)) as caught:
        check_pixels(pixels)
    assert "\n" not in str(caught.value)


@given(hnp.arrays(st.sampled_from([np.float32, np.float64]), hnp.array_shapes(min_dims=1, max_dims=4, max_side=3)))
def test_what_passes_is_read_only_finite_and_in_range(pixels: np.ndarray) -> None:
    try:
        passed = check_pixels(pixels)
    except ImageError:
        return
    assert passed.ndim == 3
    assert np.isfinite(passed).all()
    assert passed.min() >= 0
    assert passed.max() <= 1
    assert not passed.flags.writeable


def test_only_a_writable_picture_is_copied() -> None:
    pixels = np.zeros((1, 2, 2), np.float32)
    kept = check_pixels(pixels)
    pixels[0, 0, 0] = 1
    assert kept.max() == 0
    assert check_pixels(kept) is kept


def test_an_error_is_told_without_its_paths() -> None:
    error = ValueError("cannot read /home/someone/ward 3/x.png or C:\\data\\y.png\nand more")
    assert one_line(error) == "ValueError: cannot read … 3… or …"
    assert one_line(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (MemoryError(), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("shapes do not match"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_running_out_of_memory_is_recognised(error: Exception, is_one: bool) -> None:
    assert is_out_of_memory(error) is is_one
