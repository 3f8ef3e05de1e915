"""`cifar10:DIR`: CIFAR-10 in its binary version; the Python version is pickles, which are not read."""

from __future__ import annotations

import tarfile
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Final

import numpy as np

from explain_core.data.names import CIFAR10
from explain_core.data.sources.base import DataSet, Item
from explain_core.data.sources.files import file_at, folder_at, picture_of
from explain_core.errors import DataError

URL: Final = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
MD5: Final = "c32a1d4ab5d03f1284b67883e8d87530"
UNPACKED, PICKLED, TEST = "cifar-10-batches-bin", "cifar-10-batches-py", "test_batch.bin"
RECORD = 1 + 3 * 32 * 32


def read_cifar10(spec: str, argument: str) -> DataSet:
    """The 10,000 test pictures, test_batch.bin in DIR or in its cifar-10-batches-bin; or the .bin file named.

    A folder without them has the archive downloaded into it where there is a connection.  Raises DataError.
    """
    named = argument.endswith(".bin")
    path = file_at(spec, argument) if named else _test_batch(spec, folder_at(spec, argument))
    return DataSet(
        spec,
        parse(path.read_bytes(), path.name),
        CIFAR10,
        citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009.",
        terms="None stated; cite the source.",
    )


def parse(data: bytes, name: str) -> tuple[Item, ...]:
    """The records of a batch: a label and 3 × 32 × 32 values, plane by plane; raises DataError."""
    if not data or len(data) % RECORD:
        raise DataError(f"{name} has {len(data)} bytes, no multiple of {RECORD}; download {URL} again.")
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    labels, planes = records[:, 0].tolist(), records[:, 1:].reshape(-1, 3, 32, 32)
    if max(labels) >= len(CIFAR10):
        raise DataError(f"{name} holds label {max(labels)}; CIFAR-10 has 0 to 9: download {URL} again.")
    batch = name.removesuffix(".bin")
    return tuple(
        Item(f"{batch} {place:05}", partial(picture_of, np.moveaxis(picture, 0, -1)), label, size=picture.nbytes)
        for place, (label, picture) in enumerate(zip(labels, planes, strict=True))
    )


def _test_batch(spec: str, folder: Path) -> Path:
    places = [folder / TEST, folder / UNPACKED / TEST]
    pickles = [folder / "test_batch", folder / PICKLED]
    if not any(place.is_file() for place in places):
        if any(place.exists() for place in pickles):
            raise DataError(
                f"{spec} holds the Python version of CIFAR-10, whose files are pickles: reading one can run code. "
                f"Unpack the binary version, {URL}, beside it."
            )
        _download(spec, folder)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise DataError(f"{spec}: the archive holds no {TEST}; unpack {URL} into the folder yourself.")
    return found


def _download(spec: str, folder: Path) -> None:
    from torchvision.datasets.utils import download_url

    try:
        download_url(URL, folder, md5=MD5)
        with tarfile.open(folder / Path(URL).name) as archive:
            members = [member for member in archive if member.name.endswith(".bin")]
            archive.extractall(folder, members, filter="data")
    except (OSError, HTTPException, RuntimeError, tarfile.TarError) as error:
        why = " ".join(str(error).split())
        raise DataError(
            f"{spec} holds no {TEST}, and {URL} cannot be downloaded here ({why}); unpack it into the folder yourself."
        ) from None
