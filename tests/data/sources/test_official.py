"""MNIST and CIFAR-10 from their own files."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from explain_core.data.sources import cifar, load_data, mnist
from explain_core.errors import DataError


def idx(values: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))
def test_idx_round_trip(values: NDArray[np.uint8]) -> None:
    assert np.array_equal(mnist.parse(idx(values), "x"), values)


@given(st.one_of(st.binary(max_size=40), st.binary(max_size=40).map(lambda tail: b"\0\0\x08\x03" + tail)))
def test_any_bytes_are_idx_or_a_mistake(data: bytes) -> None:
    with suppress(DataError):
        assert mnist.parse(data, "x").nbytes <= len(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0\x08", b"\0\0\x09\x01\0\0\0\1\0", idx(np.zeros(4, np.uint8))[:-1], idx(np.zeros(4, np.uint8)) + b"?"],
)
def test_bad_idx_is_told(data: bytes) -> None:
    with pytest.raises(DataError, match="download it again"):
        mnist.parse(data, "x")


def digits(folder: Path, labels: list[int], *, packed: bool = False, part: str = "t10k") -> NDArray[np.uint8]:
    """Random pictures in IDX files."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
    for name, values in (("images-idx3", images), ("labels-idx1", np.array(labels, np.uint8))):
        data = idx(values)
        path = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
    return images


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inside", ["", "MNIST/raw"])
def test_mnist(tmp_path: Path, packed: bool, inside: str) -> None:
    images = digits(tmp_path / inside, [7, 2], packed=packed)
    data = load_data(f"mnist:{tmp_path}")
    assert [item.label for item in data] == [7, 2]
    assert [item.name for item in data] == ["t10k 00000", "t10k 00001"]
    assert np.array_equal(np.rint(data[1].read().pixels[0] * 255), images[1])


def test_a_file_of_mnist_may_be_named(tmp_path: Path) -> None:
    digits(tmp_path, [1], part="train")
    assert load_data(f"mnist:{tmp_path / 'train-images-idx3-ubyte'}")[0].name == "train 00000"


def test_images_and_labels_must_belong_together(tmp_path: Path) -> None:
    digits(tmp_path, [1, 2])
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, np.uint8)))
    with pytest.raises(DataError, match="belong together"):
        load_data(f"mnist:{tmp_path}")
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="no such file"):
        load_data(f"mnist:{tmp_path}")


def test_a_cut_off_gz_is_told(tmp_path: Path) -> None:
    digits(tmp_path, [1], packed=True)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="download it again"):
        load_data(f"mnist:{tmp_path}")


def test_the_official_digits(shared_data: Path) -> None:
    data = load_data(f"mnist:{shared_data / 'mnist'}")
    assert len(data) == 10_000
    assert [item.label for item in data[:5]] == [7, 2, 1, 0, 4]


def record(label: int, picture: NDArray[np.uint8]) -> bytes:
    """A picture (32, 32, 3) in CIFAR's binary form."""
    return bytes([label]) + picture.transpose(2, 0, 1).tobytes()


def test_cifar(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    batch = tmp_path / "cifar-10-batches-bin" / "test_batch.bin"
    batch.parent.mkdir()
    batch.write_bytes(record(3, pictures[0]) + record(9, pictures[1]))
    for spec in (f"cifar10:{tmp_path}", f"cifar10:{batch.parent}", f"cifar10:{batch}"):
        data = load_data(spec)
        assert [item.label for item in data] == [3, 9]
        assert data.classes is not None
        assert data.classes[3] == "cat"
        assert data[1].name == "test_batch 00001"
        assert np.array_equal(np.rint(data[1].read().pixels * 255), pictures[1].transpose(2, 0, 1))


@pytest.mark.parametrize("data", [b"", b"\1" * 3072, b"\1" * 3074, record(10, np.zeros((32, 32, 3), np.uint8))])
def test_a_bad_batch_is_told(data: bytes) -> None:
    with pytest.raises(DataError, match=r"test_batch\.bin"):
        cifar.parse(data, "test_batch.bin")


@pytest.mark.parametrize("place", ["test_batch", "cifar-10-batches-py/test_batch"])
def test_pickles_are_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_bytes(b"\x80\x02}.")
    with pytest.raises(DataError, match="binary version"):
        load_data(f"cifar10:{tmp_path}")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which this machine serves it."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Requests are not news."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_an_archive_is_downloaded_and_unpacked(
    tmp_path: Path, served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    archive = folder / "cifar-10-binary.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        data = record(4, np.zeros((32, 32, 3), np.uint8))
        entry = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    monkeypatch.setattr(cifar, "URL", address + archive.name)
    monkeypatch.setattr(cifar, "MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    into = tmp_path / "into"
    into.mkdir()
    assert [item.label for item in load_data(f"cifar10:{into}")] == [4]


def test_no_connection_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = (tmp_path / "nothing").as_uri()
    monkeypatch.setattr(cifar, "URL", nowhere)
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [nowhere + "/"])
    for form, what in (("cifar10", "unpack it"), ("mnist", "put its files")):
        into = tmp_path / form
        into.mkdir()
        with pytest.raises(DataError, match=f"cannot be downloaded here .*{what}"):
            load_data(f"{form}:{into}")
