"""`npz:FILE`: pictures as numpy arrays, or as JPEG bytes end to end."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.data.images import read_picture
from explain_core.data.sources.base import DataSet, Item, Label
from explain_core.data.sources.files import file_at, picture_of
from explain_core.errors import DataError

Array = NDArray[Any]


def read_npz(spec: str, argument: str) -> DataSet:
    """`x` (n, h, w) or (n, h, w, c), or `jpeg` bytes with `offset` (n + 1), and `y` (n,) indices or names.

    `x` is uint8 or uint16, whose largest number is white.  An `index` (n,) of whole numbers names the pictures,
    otherwise their place does; `classes` (v,) names the classes.  Nothing is unpickled.  Raises DataError.
    """
    arrays = _load(spec, file_at(spec, argument))
    if "x" in arrays:
        items = _from_pixels(spec, arrays["x"])
    elif "jpeg" in arrays and "offset" in arrays:
        items = _from_jpeg(spec, arrays["jpeg"], arrays["offset"])
    else:
        raise DataError(f"{spec} holds {', '.join(arrays) or 'nothing'}; it needs x, or jpeg and offset.")
    if not items:
        raise DataError(f"{spec} holds no pictures; save at least one.")
    names, labels = _names(spec, arrays.get("index"), len(items)), _labels(spec, arrays.get("y"), len(items))
    classes = tuple(str(name) for name in arrays["classes"]) if "classes" in arrays else None
    made = (Item(name, load, label, size=size) for name, (load, size), label in zip(names, items, labels, strict=True))
    return DataSet(spec, tuple(made), classes)


def _load(spec: str, path: Path) -> Mapping[str, Array]:
    try:
        with path.open("rb") as opened:
            file = np.load(opened, allow_pickle=False)
            if isinstance(file, np.ndarray):
                raise DataError(f"{spec} is a single array; save it with numpy.savez(x=…, y=…).")
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        raise DataError(
            f"{spec} is no npz file of plain arrays; save it again with numpy.savez (pickled objects are not read)."
        ) from None


def _from_pixels(spec: str, x: Array) -> list[tuple[Any, int]]:
    if x.dtype not in (np.uint8, np.uint16) or x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (1, 3)):
        raise DataError(
            f"{spec}: x is {x.dtype} {x.shape}; it must be uint8 or uint16, (n, h, w) or (n, h, w, 1 or 3)."
        )
    return [(partial(picture_of, values), values.nbytes) for values in x]


def _from_jpeg(spec: str, jpeg: Array, offset: Array) -> list[tuple[Any, int]]:
    fits = offset.ndim == 1 and len(offset) > 0 and np.issubdtype(offset.dtype, np.integer)
    if jpeg.dtype != np.uint8 or jpeg.ndim != 1 or not fits:
        raise DataError(f"{spec}: jpeg must be uint8 (bytes,) and offset whole numbers (n + 1,).")
    if offset[0] < 0 or offset[-1] > len(jpeg) or (np.diff(offset.astype(np.int64)) < 0).any():
        raise DataError(f"{spec}: offset must rise from 0 to the {len(jpeg)} bytes of jpeg.")
    return [(partial(_decode, jpeg[start:end]), end - start) for start, end in pairwise(offset.tolist())]


def _decode(data: Array) -> Any:
    return read_picture(data.tobytes())


def _names(spec: str, index: Array | None, n: int) -> list[str]:
    if index is None:
        return [f"{place:06}" for place in range(n)]
    if index.shape != (n,) or not np.issubdtype(index.dtype, np.integer) or len(np.unique(index)) < n:
        raise DataError(f"{spec}: index is {index.dtype} {index.shape}; it must be {n} different whole numbers.")
    return [f"{place:06}" for place in index.tolist()]


def _labels(spec: str, y: Array | None, n: int) -> list[Label | None]:
    if y is None:
        return [None] * n
    if y.shape != (n,) or not (np.issubdtype(y.dtype, np.integer) or y.dtype.kind == "U"):
        raise DataError(f"{spec}: y is {y.dtype} {y.shape}; it must be {n} whole numbers or class names.")
    labels: list[Label | None] = y.tolist()
    return labels
