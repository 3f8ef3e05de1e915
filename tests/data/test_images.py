"""Pictures keep their values at any depth and mode; whatever cannot be read is one ImageError."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image

from explain_core.data.images import MAX_PIXELS, Picture, fit, image_key, read_picture
from explain_core.errors import ImageError
from explain_core.models.classifier import InputSpec

SIDES = st.integers(2, 40)
GREY8 = st.tuples(SIDES, SIDES).flatmap(lambda shape: arrays(np.uint8, shape))
GREY16 = st.tuples(SIDES, SIDES).flatmap(lambda shape: arrays(np.uint16, shape))
COLOUR = st.tuples(SIDES, SIDES, st.just(3)).flatmap(lambda shape: arrays(np.uint8, shape))


def encode(image: Image.Image | NDArray[np.generic], format: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int = 8, colour: int = 0, data: bytes = b"") -> bytes:
    """A PNG of any claimed size, whether or not there are pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def picture(pixels: NDArray[np.float32]) -> Picture:
    return Picture(pixels, "")


@given(GREY8, st.sampled_from(["PNG", "TIFF", "PPM"]))
def test_8_bit_grey_is_exact(values: NDArray[np.uint8], format: str) -> None:
    data = encode(values, format)
    read = read_picture(data)
    assert read.pixels.dtype == np.float32
    assert np.array_equal(read.pixels[0], values.astype(np.float32) / np.float32(255))
    assert (read.sha256, read.notes) == (hashlib.sha256(data).hexdigest(), ())
    assert not read.pixels.flags.writeable


@given(GREY16, st.sampled_from(["PNG", "TIFF"]))
@example(np.full((2, 2), 4095, np.uint16), "PNG")
@example(np.full((2, 2), 4096, np.uint16), "TIFF")
def test_16_bit_grey_keeps_every_level_and_12_bits_are_noted(values: NDArray[np.uint16], format: str) -> None:
    read = read_picture(encode(values, format))
    full = 4095 if values.max() <= 4095 else 65535
    assert np.array_equal(read.pixels[0], (values / full).astype(np.float32))
    assert str(full) in read.notes[0]
    assert np.array_equal(np.rint(read.pixels[0].astype(np.float64) * full), values)


@given(COLOUR, st.sampled_from(["PNG", "TIFF", "PPM"]))
def test_colour_is_exact_and_channels_come_first(values: NDArray[np.uint8], format: str) -> None:
    read = read_picture(BytesIO(encode(values, format)))
    assert np.array_equal(read.pixels, np.moveaxis(values, -1, 0).astype(np.float32) / np.float32(255))


def test_pgm_is_scaled_by_its_own_maximum() -> None:
    values = np.array([[0, 1000], [2000, 3000]], dtype=">u2")
    read = read_picture(b"P5\n2 2\n3000\n" + values.tobytes())
    assert read.pixels[0] == pytest.approx(values / 3000, abs=1e-5)


@pytest.mark.parametrize(
    ("image", "expected", "note"),
    [
        (Image.new("CMYK", (4, 3), (0, 255, 255, 0)), (1, 0, 0), "CMYK"),
        (Image.new("P", (4, 3), 0), (0, 0, 0), "palette"),
        (Image.new("RGBA", (4, 3), (255, 0, 0, 0)), (1, 1, 1), "white"),
        (Image.new("RGBA", (4, 3), (255, 0, 0, 51)), (1, 0.8, 0.8), "white"),
        (Image.new("LA", (4, 3), (0, 51)), (0.8,), "white"),
        (Image.new("1", (4, 3), 1), (1,), ""),
    ],
)
def test_other_modes(image: Image.Image, expected: tuple[float, ...], note: str) -> None:
    read = read_picture(encode(image, "TIFF" if image.mode == "CMYK" else "PNG"))
    assert read.pixels.shape == (len(expected), 3, 4)
    assert read.pixels[:, 1, 1] == pytest.approx(expected)
    assert note in " ".join(read.notes)


def test_a_transparent_palette_colour_is_white() -> None:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    read = read_picture(encode(image, transparency=1))
    assert np.array_equal(read.pixels, np.ones((3, 3, 4), np.float32))
    assert len(read.notes) == 2


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_exif_rotation_is_honoured(format: str) -> None:
    values = np.zeros((8, 16), np.uint8)
    values[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    read = read_picture(encode(values, format, exif=exif.tobytes() if format != "TIFF" else exif))
    assert read.pixels.shape == (1, 16, 8)
    assert read.pixels[0, :7].min() > 0.9
    assert read.pixels[0, 9:].max() < 0.1
    assert "EXIF orientation 6" in read.notes[0]


def test_the_first_of_several_pages() -> None:
    pages = [Image.new("L", (4, 4), level) for level in (51, 255)]
    read = read_picture(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert read.pixels.max() == pytest.approx(0.2)
    assert read.notes == ("first of 2 pages",)


def test_deep_colour_is_read_and_said() -> None:
    rows = b"".join(b"\0" + struct.pack(">6H", 65535, 0, 32896, 0, 0, 0) for _ in range(2))
    read = read_picture(png(2, 2, depth=16, colour=2, data=rows))
    assert read.pixels[:, 0, 0] == pytest.approx([1, 0, 128 / 255])
    assert read.notes == ("16-bit colour read as 8-bit",)


def test_floats_in_range_are_taken_as_they_are() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    assert np.array_equal(read_picture(encode(values, "TIFF")).pixels[0], values)


def floats(value: float) -> bytes:
    return encode(np.full((4, 4), value, np.float32), "TIFF")


WHOLE = encode(np.arange(4096, dtype=np.uint16).reshape(64, 64))
NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"this is no picture", "Not a picture"),
        (encode(NOISE)[:-900], "damaged or cut off"),
        (encode(NOISE, "JPEG")[:900], "damaged or cut off"),
        (encode(NOISE, "TIFF")[:6000], "damaged or cut off"),
        (b"P5\n8 8\n255\n1234", "damaged or cut off"),
        (encode(Image.new("L", (1, 1))), "1 × 1 pixels: a picture needs at least 2"),
        (png(20_000, 20_000), "at most 64 megapixels"),
        (png(8_001, 8_000), "8001 × 8000 pixels: at most 64 megapixels"),
        (png(11_000, 11_000), "at most 64 megapixels"),
        (floats(1.5), "Float values from 1.5 to 1.5"),
        (floats(float("nan")), "values in .0, 1. are read"),
        (encode(np.full((4, 4), 70_000, np.int32), "TIFF"), "Grey values from 70000 to 70000"),
        (encode(Image.new("RGB", (4, 4)), "GIF"), "Not a picture"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_pictures(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        read_picture(data)
    assert "\n" not in str(caught.value)
    assert "BytesIO" not in str(caught.value)


def test_size_is_bounded_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("explain_core.data.images._decode", decode)
    with pytest.raises(ImageError, match="megapixels"):
        read_picture(png(20_000, 20_000))
    with pytest.raises(ImageError, match=r"16 × 16 pixels: at most 0\.0001 megapixels"):
        read_picture(encode(np.zeros((16, 16), np.uint8)), max_pixels=100)
    assert MAX_PIXELS == 64_000_000


def test_files_that_cannot_be_opened_are_not_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(ImageError, match="cannot be read") as caught:
            read_picture(path)
        assert str(tmp_path) not in str(caught.value)


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_a_picture_or_an_image_error(at: int, patch: bytes) -> None:
    with suppress(ImageError):
        read = read_picture(WHOLE[:at] + patch + WHOLE[at + len(patch) :])
        assert 0 <= read.pixels.min() <= read.pixels.max() <= 1


UNIT = st.tuples(st.sampled_from([1, 3]), SIDES, SIDES).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
)


@given(UNIT, st.sampled_from([1, 3]), st.tuples(SIDES, SIDES), st.none() | SIDES)
def test_fit_gives_what_the_network_takes(
    pixels: NDArray[np.float32], channels: int, size: tuple[int, int], resize: int | None
) -> None:
    fitted = fit(picture(pixels), InputSpec(channels, size, resize))
    assert fitted.shape == (channels, *size)
    assert fitted.dtype == np.float32
    assert fitted.flags.c_contiguous
    assert pixels.min() - 1e-6 <= fitted.min() <= fitted.max() <= pixels.max() + 1e-6
    assert image_key(fitted) == image_key(fit(picture(pixels), InputSpec(channels, size, resize)))


@given(UNIT)
def test_fit_leaves_pixels_as_they_are_where_they_fit(pixels: NDArray[np.float32]) -> None:
    channels, height, width = pixels.shape
    for size in (None, (height, width)):
        assert np.array_equal(fit(picture(pixels), InputSpec(channels, size)), pixels)


def test_channels() -> None:
    colours = np.eye(3, dtype=np.float32).reshape(3, 1, 3).repeat(2, axis=1)
    assert fit(picture(colours), InputSpec(1))[0, 0] == pytest.approx([0.299, 0.587, 0.114])
    grey = np.full((1, 2, 2), 0.25, np.float32)
    assert np.array_equal(fit(picture(grey), InputSpec(3)), np.full((3, 2, 2), 0.25, np.float32))


def test_the_centre_is_cut_out_after_the_short_side_is_resized() -> None:
    columns = np.tile(np.arange(40, dtype=np.float32) / 40, (20, 1))[None]
    cut = fit(picture(columns), InputSpec(1, size=(20, 20), resize=20))
    assert np.array_equal(cut, columns[:, :, 10:30])
    halved = fit(picture(columns), InputSpec(1, size=(8, 8), resize=10))
    assert halved[0, 4, 3:5] == pytest.approx([18.5 / 40, 20.5 / 40], abs=1e-6)


def test_16_bits_stay_and_averages_are_antialiased() -> None:
    checks = (np.indices((32, 32)).sum(0) % 2)[None] * np.float32(1 / 1024) + np.float32(0.5)
    small = fit(picture(checks.astype(np.float32)), InputSpec(1, size=(8, 8)))
    assert small[0, 2:-2, 2:-2] == pytest.approx(0.5 + 1 / 2048, abs=2e-5)


def test_a_picture_of_any_length_is_cheap_to_fit() -> None:
    long = np.zeros((1, 2, 100_000), np.float32)
    assert fit(picture(long), InputSpec(1, size=(224, 224), resize=256)).shape == (1, 224, 224)


def test_a_picture_smaller_than_the_network_allows() -> None:
    small = np.zeros((1, 20, 30), np.float32)
    with pytest.raises(ImageError, match="30 × 20 pixels: this network needs at least 32"):
        fit(picture(small), InputSpec(1, smallest=32))
    assert fit(picture(small), InputSpec(1, size=(32, 32), smallest=32)).shape == (1, 32, 32)


def test_keys_tell_pictures_shapes_and_types_apart() -> None:
    zeros = np.zeros((1, 2, 8), np.float32)
    keys = {image_key(array) for array in (zeros, zeros.reshape(1, 4, 4), zeros.astype(np.float64), zeros + 1)}
    assert len(keys) == 4
    assert image_key(zeros[..., ::2]) == image_key(np.ascontiguousarray(zeros[..., ::2]))


def test_reading_needs_no_torch() -> None:
    code = "import sys, explain_core.data.images; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "shape", "note"),
    [
        ("ffdm/L-CC.png", (1, 2023, 801), "12 of 16 bits"),
        ("mias/png/mdb032.png", (1, 1024, 1024), ""),
        ("jsrt/JPCLN001.png", (1, 2048, 2048), ""),
        ("pictures/rise_catdog.png", (3, 224, 224), ""),
        ("pictures/fong_tabby_cat.jpg", (3, 310, 465), ""),
    ],
)
def test_real_pictures(shared_data: Path, file: str, shape: tuple[int, ...], note: str) -> None:
    read = read_picture(shared_data / file)
    assert read.pixels.shape == shape
    assert 0.7 < read.pixels.max() <= 1
    assert note in " ".join(read.notes)


@pytest.mark.parametrize("pattern", ["pictures/*", "ffdm/*", "mias/png/*2.png", "voc/JPEGImages/*5.jpg"])
def test_real_pictures_of_every_kind_decode(shared_data: Path, pattern: str) -> None:
    found = sorted(shared_data.glob(pattern))
    assert found
    for path in found:
        assert fit(read_picture(path), InputSpec(3, size=(64, 64))).shape == (3, 64, 64)
