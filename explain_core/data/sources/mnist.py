"""`mnist:DIR`: MNIST in its own IDX files."""

from __future__ import annotations

import gzip
import struct
import zlib
from functools import partial
from http.client import HTTPException
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.files import file_at, folder_at, picture_of
from explain_core.errors import DataError

CLASSES = tuple(str(digit) for digit in range(10))
TEST = "t10k-images-idx3-ubyte"
BYTES = 0x08
"""The IDX code of unsigned bytes."""
MOST = 1 << 30


def read_mnist(spec: str, argument: str) -> DataSet:
    """The test pictures (t10k-…, plain or .gz) of DIR or DIR/MNIST/raw; or those of the images file named.

    A folder without them has the files downloaded into it where there is a connection.  Raises DataError.
    """
    named = "idx3-ubyte" in Path(argument).name
    images = file_at(spec, argument) if named else _test_images(spec, folder_at(spec, argument))
    labels = images.with_name(images.name.replace("images-idx3", "labels-idx1"))
    pixels, digits = (parse(_contents(path), path.name) for path in (images, file_at(spec, str(labels))))
    if pixels.ndim != 3 or digits.shape != (len(pixels),) or not len(pixels) or digits.max() > 9:
        raise DataError(f"{spec}: images {pixels.shape} and labels {digits.shape} do not belong together.")
    part = images.name.partition("-")[0]
    return DataSet(
        spec,
        tuple(
            Item(f"{part} {place:05}", partial(picture_of, picture), int(digit), size=picture.nbytes)
            for place, (picture, digit) in enumerate(zip(pixels, digits, strict=True))
        ),
        CLASSES,
        citation="LeCun, Bottou, Bengio & Haffner, Gradient-based learning applied to document recognition, 1998.",
        terms="CC BY-SA 3.0.",
    )


def parse(data: bytes, name: str) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes; raises DataError."""
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] != BYTES or not 1 <= data[3] <= 4:
        raise DataError(f"{name} is no IDX file of unsigned bytes; download it again.")
    start = 4 + 4 * data[3]
    shape = struct.unpack(f">{data[3]}I", data[4:start]) if len(data) >= start else ()
    if not shape or prod(shape) != len(data) - start:
        raise DataError(f"{name} is cut off, or too long for its {shape}; download it again.")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _contents(path: Path) -> bytes:
    try:
        with (gzip.open if path.suffix == ".gz" else Path.open)(path, "rb") as file:
            data: bytes = file.read(MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read ({error}); download it again.") from None
    if len(data) > MOST:
        raise DataError(f"{path.name} holds more than {MOST >> 20} MiB, which is no MNIST; download it again.")
    return data


def _test_images(spec: str, folder: Path) -> Path:
    found = _find(folder)
    if found is None:
        _download(spec, folder)
        found = _find(folder)
    if found is None:
        raise DataError(f"{spec} holds no {TEST}; put the files of MNIST into the folder.")
    return found


def _find(folder: Path) -> Path | None:
    places = (place / (TEST + end) for place in (folder, folder / "MNIST" / "raw") for end in ("", ".gz"))
    return next((place for place in places if place.is_file()), None)


def _download(spec: str, folder: Path) -> None:
    from torchvision.datasets import MNIST

    try:
        MNIST(folder, train=False, download=True)
    except (OSError, HTTPException, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise DataError(
            f"{spec} holds no {TEST}, and MNIST cannot be downloaded here ({why}); put its files into the folder."
        ) from None
