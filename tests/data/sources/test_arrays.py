"""npz: values to the bit, labels, and whatever is wrong with a file."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from explain_core.data.sources import load_data
from explain_core.errors import DataError, ImageError

X = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)


def saved(path: Path, **arrays: Any) -> str:
    np.savez(path / "data.npz", **arrays)
    return f"npz:{path / 'data.npz'}"


def test_pixels_and_labels(tmp_path: Path) -> None:
    data = load_data(saved(tmp_path, x=X, y=np.array([3, 1]), index=np.array([70, 8])))
    assert [item.name for item in data] == ["000070", "000008"]
    assert [item.label for item in data] == [3, 1]
    assert data.classes is None
    pixels = data[1].read().pixels
    assert pixels.dtype == np.float32
    assert np.array_equal(np.rint(pixels * 255), X[1].transpose(2, 0, 1))
    assert not pixels.flags.writeable


def test_grey_pictures_names_and_classes(tmp_path: Path) -> None:
    data = load_data(saved(tmp_path, x=X[..., 0], y=np.array(["b", "a"]), classes=np.array(["a", "b"])))
    assert data[0].read().pixels.shape == (1, 4, 5)
    assert (data[0].label, data.classes) == ("b", ("a", "b"))


def test_jpeg_bytes(tmp_path: Path) -> None:
    files = []
    for value in (40, 200):
        file = BytesIO()
        Image.new("RGB", (8, 8), (value,) * 3).save(file, "JPEG")
        files.append(file.getvalue())
    jpeg = np.frombuffer(b"".join(files) + b"?", np.uint8)
    offset = np.cumsum([0, *map(len, files), 1])
    data = load_data(saved(tmp_path, jpeg=jpeg, offset=offset))
    assert [round(float(item.read().pixels.mean() * 255)) for item in data[:2]] == [40, 200]
    assert [item.label for item in data] == [None] * 3
    with pytest.raises(ImageError):
        data[2].read()


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"z": X}, "needs x"),
        ({"x": X.astype(np.float32)}, "uint8"),
        ({"x": X[..., :2]}, "1 or 3"),
        ({"x": X[:0]}, "no pictures"),
        ({"x": X, "y": np.zeros(3, int)}, "2 whole numbers"),
        ({"x": X, "y": np.zeros(2)}, "2 whole numbers"),
        ({"x": X, "index": np.zeros(2, int)}, "different"),
        ({"x": X, "y": np.array([{}, {}], dtype=object)}, "pickled"),
        ({"jpeg": X.ravel(), "offset": np.array([0, 500])}, "rise"),
        ({"jpeg": X.ravel(), "offset": np.array([5, 0])}, "rise"),
        ({"jpeg": X.ravel(), "offset": np.array([0.5])}, "whole"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, arrays: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        load_data(saved(tmp_path, **arrays))


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nonsense", pickle.dumps(Trap())])
def test_damage_and_pickles_are_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no npz file"):
        load_data(f"npz:{path}")


def test_a_bare_array_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(DataError, match="single array"):
        load_data(f"npz:{tmp_path / 'x.npy'}")


def test_the_published_pictures(shared_data: Path) -> None:
    data = load_data(f"npz:{shared_data / 'cifar10' / 'test_lossless.npz'}")
    assert len(data) == 500
    assert [item.label for item in data[:4]] == [3, 8, 8, 0]  # cat, ship, ship, airplane
    assert data[499].read().pixels.shape == (3, 32, 32)
