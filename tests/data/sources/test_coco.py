"""COCO: run lengths, polygons, and where its pictures are."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from explain_core.data.sources import load_data
from explain_core.data.sources.coco import mask_of
from explain_core.data.sources.polygons import fill, runs, unpacked
from explain_core.errors import DataError
from tests.data.sources.writing import grey, save, text

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


def lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Run lengths down the columns, the first of them outside."""
    counts, current = [0], False
    for value in mask.T.ravel().tolist():
        if value != current:
            counts.append(0)
            current = value
        counts[-1] += 1
    return counts


def packed(counts: list[int]) -> str:
    """As COCO writes them."""
    text = ""
    for place, count in enumerate(counts):
        value = count - (counts[place - 2] if place > 2 else 0)
        while True:
            group, value = value & 0x1F, value >> 5
            more = value != (-1 if group & 0x10 else 0)
            text += chr(48 + group + (0x20 if more else 0))
            if not more:
                break
    return text


@given(MASKS)
def test_run_lengths_round_trip(mask: NDArray[np.bool_]) -> None:
    counts = lengths(mask)
    assert unpacked(packed(counts)) == counts
    assert np.array_equal(runs(counts, mask.shape), mask)


def test_known_run_lengths() -> None:
    # COCO's own tool: encode(np.asfortranarray([[0, 1], [1, 1]]))
    assert unpacked("13") == [1, 3]
    assert np.array_equal(runs([1, 3], (2, 2)), [[False, True], [True, True]])


@given(st.text(max_size=30))
def test_any_text_is_run_lengths_or_a_mistake(text: str) -> None:
    with suppress(DataError):
        runs(unpacked(text), (4, 5))


def test_a_rectangle_covers_the_pixels_whose_centres_it_encloses() -> None:
    filled = fill(np.array([[1.5, 0.5], [4.5, 0.5], [4.5, 3.5], [1.5, 3.5]]), (6, 8))
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:5] = True
    assert np.array_equal(filled, expected)


def test_a_centre_on_the_outline_counts_on_its_left_and_upper_side() -> None:
    filled = fill(np.array([[1.0, 2.0], [4.0, 2.0], [4.0, 5.0], [1.0, 5.0]]), (6, 8))
    expected = np.zeros((6, 8), bool)
    expected[2:5, 1:4] = True
    assert np.array_equal(filled, expected)


def test_a_hole_and_what_is_outside_are_left_out() -> None:
    filled = fill(np.array([[-5, -5], [3.5, -5], [3.5, 3.5], [-5, 3.5]]), (6, 8))
    assert np.array_equal(np.argwhere(filled).max(0), [3, 3])
    bow = fill(np.array([[0, 0], [7, 5], [7, 0], [0, 5]], float), (6, 8))
    assert not bow[0, 3]
    assert bow[2, 6]


@given(arrays(np.float64, (5, 2), elements=st.floats(-4, 12)), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_neighbours_share_no_pixel_and_miss_none(points: NDArray[np.float64], size: tuple[int, int]) -> None:
    fan = [fill(points[[0, i, i + 1]], size) for i in range(1, 4)]
    assert np.array_equal(np.logical_xor.reduce(fan), fill(points, size))


@pytest.mark.parametrize(
    "segmentation",
    [None, 3, "x", [[1, 2, 3]], [[]], [["a", "b"]], [[float("nan"), 1]], {}, {"size": [2, 2], "counts": [4]},
     {"size": [4, 5], "counts": [3]}, {"size": [4, 5], "counts": [-1, 21]}, {"size": [4, 5], "counts": "~"},
     {"size": [4, 5], "counts": "o"}],
)  # fmt: skip
def test_a_bad_segmentation_is_told(segmentation: Any) -> None:
    with pytest.raises(DataError, match=r"correct it|download the file again"):
        mask_of(segmentation, (4, 5))


def coco(path: Path, **changes: Any) -> str:
    """Two pictures, the first with a cat's polygon, a crowd of dogs, and another cat packed."""
    save(path.parent.parent / "val2017" / "a.jpg", grey())
    save(path.parent.parent / "val2017" / "b.jpg", grey())
    crowd = np.zeros((6, 8), bool)
    crowd[0, :3] = True
    square = [1.2, 1.2, 3.2, 1.2, 3.2, 3.2, 1.2, 3.2]
    image = {"height": 6, "width": 8}
    tables = {
        "images": [{"id": 12, "file_name": "a.jpg", **image}, {"id": 5, "file_name": "b.jpg", **image}],
        "annotations": [
            {"image_id": 12, "category_id": 17, "segmentation": [square]},
            {
                "image_id": 12,
                "category_id": 3,
                "segmentation": {"size": [6, 8], "counts": lengths(crowd)},
                "iscrowd": 1,
            },
            {"image_id": 12, "category_id": 17, "segmentation": {"size": [6, 8], "counts": packed(lengths(crowd))}},
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 3, "name": "dog"}],
    }
    return f"coco:{text(path, json.dumps(tables | changes))}"


def test_instances(tmp_path: Path) -> None:
    data = load_data(coco(tmp_path / "annotations" / "instances_val2017.json"))
    assert data.classes == ("dog", "cat")
    assert [item.name for item in data] == ["12", "5"]
    marked, empty = data[0].annotation, data[1].annotation
    assert marked is not None
    assert empty is not None
    assert marked.names == ("cat", "dog")
    polygon = np.zeros((6, 8), bool)
    polygon[1:3, 1:3] = True  # COCO's pixels 1 and 2 have their centres at 1.5 and 2.5
    assert np.array_equal(marked.regions[0].mask((6, 8)), polygon)
    assert np.array_equal(marked.regions[1].mask((6, 8)), marked.regions[2].mask((6, 8)))
    assert empty.regions == ()
    assert data[1].read().pixels.shape == (1, 6, 8)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"images": []}, "no images"),
        ({"images": [{"id": 1}]}, "file_name"),
        ({"images": 3}, "no such JSON"),
        ({"annotations": [{"image_id": 12, "category_id": 99, "segmentation": []}]}, "99 has no name"),
        ({"categories": None}, "no such JSON"),
        ({"images": [{"id": 1, "file_name": "../../x.jpg", "height": 6, "width": 8}]}, "leads out"),
        ({"images": [{"id": 1, "file_name": "c.jpg", "height": 6, "width": 8}]}, "is in none of"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, changes: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_data(coco(tmp_path / "annotations" / "instances_val2017.json", **changes))


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000])
def test_what_is_no_json_is_told(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match="no instances file"):
        load_data(f"coco:{text(tmp_path / 'x.json', content)}")
