"""Pictures from files: read safely, kept at their own depth, fitted to a network's input.

Nothing is decoded before its size is known, only still-picture formats are tried, and whatever is
wrong with a file becomes one ImageError.  Its text never names the file: the caller knows it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from explain_core.data.window import Window, whole
from explain_core.errors import ImageError
from explain_core.records import Floats

if TYPE_CHECKING:  # classifier.py loads torch, which reading a picture does without
    from explain_core.models.classifier import InputSpec

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pgm", ".ppm", ".pnm"})
FORMATS = ("PNG", "JPEG", "TIFF", "PPM")
MAX_PIXELS = 64_000_000
MAX_BYTES = 1 << 29
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it was found.

    `pixels` float32 (c, h, w) in [0, 1], c 1 or 3, read-only; `sha256` of the file's bytes;
    `notes` say in words what was done to get there.
    """

    pixels: Floats
    sha256: str
    notes: tuple[str, ...] = ()


def read_picture(source: Path | bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """A PNG, JPEG, TIFF or PGM file, of any colour mode, 8 or 16 bits; a TIFF of floats in [0, 1].

    Orientation from EXIF is honoured, transparency is laid on white, of several pages the first
    is taken.  Raises ImageError, before decoding where the picture has more than `max_pixels`.
    """
    data = _bytes(source)
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size, max_pixels)
            pixels, notes = _decode(image)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("The picture", max_pixels) from None
    except UnidentifiedImageError:
        raise ImageError("Not a picture: PNG, JPEG, TIFF and PGM files are read; convert it to PNG.") from None
    except Exception as error:  # decoders raise whatever a damaged file makes them trip over
        why = type(error).__name__ if not isinstance(error, OSError) else " ".join(str(error).split())
        raise ImageError(f"The picture is damaged or cut off ({why}): save or copy it again.") from None
    pixels.flags.writeable = False
    return Picture(pixels, hashlib.sha256(data).hexdigest(), notes)


def fit(picture: Picture, input: InputSpec) -> Floats:
    """What the network sees: float32 (c, h, w) in [0, 1].

    Colour becomes Rec. 601 luminance, grey is repeated, as the network's channels require.  With a
    `size`, the centre is cut out as if the short side had first been resized to `resize`, and is
    resized once (bilinear, antialiased, in float, so that 16 bits stay); without, pixels are left
    as they are.  Raises ImageError for a picture smaller than the network allows.
    """
    planes = picture.pixels
    if input.channels == 1 and len(planes) == 3:
        planes = np.einsum("c,chw->hw", LUMINANCE, planes)[None]
    if input.size is not None:
        planes = np.stack([_centre(plane, input.size, input.resize) for plane in planes])
    height, width = planes.shape[1:]
    if min(height, width) < input.smallest:
        raise ImageError(
            f"{width} × {height} pixels: this network needs at least {input.smallest} on each side; "
            f"enlarge the picture."
        )
    if len(planes) < input.channels:
        planes = np.repeat(planes, input.channels, axis=0)
    return np.ascontiguousarray(planes.clip(0, 1), dtype=np.float32)


def seen(size: tuple[int, int], input: InputSpec) -> Window:
    """The part of a picture of `size` (h, w) that `fit` cuts out for a network."""
    return whole(size) if input.size is None else _cut(size, input.size, input.resize)


def image_key(pixels: Floats) -> str:
    """SHA-256 of a prepared picture: its shape, number type and values."""
    digest = hashlib.sha256(f"{pixels.dtype} {pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


def _bytes(source: Path | bytes | BinaryIO) -> bytes:
    try:
        if isinstance(source, Path):
            with source.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        elif isinstance(source, bytes):
            data = source
        else:
            source.seek(0)
            data = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"The picture cannot be read ({error.strerror}): check that the file is there.") from None
    if not data:
        raise ImageError("The file is empty: save or copy it again.")
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file is larger than {MAX_BYTES >> 20} MiB: save it compressed, or smaller.")
    return data


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise _too_large(f"{width} × {height} pixels", max_pixels)
    if min(width, height) < 2:
        raise ImageError(f"{width} × {height} pixels: a picture needs at least 2 on each side; give a larger one.")


def _too_large(what: str, max_pixels: int) -> ImageError:
    return ImageError(f"{what}: at most {max_pixels / 1e6:g} megapixels are read; make it smaller or cut a part out.")


def _decode(image: ImageFile) -> tuple[Floats, tuple[str, ...]]:
    """Pixels (c, h, w) and notes of an opened picture within bounds."""
    notes = []
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        notes.append(f"first of {pages} pages")
    if not image.mode.startswith("I") and any(";16" in str(tile.args) for tile in image.tile):
        notes.append("16-bit colour read as 8-bit")
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    ImageOps.exif_transpose(image, in_place=True)
    if orientation in range(2, 9):
        notes.append(f"turned as EXIF orientation {orientation} says")
    values, more = _values(image)
    channels_first = values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)
    return np.ascontiguousarray(channels_first), (*notes, *more)


def _values(image: Image.Image) -> tuple[Floats, list[str]]:
    """Values (h, w) or (h, w, 3) in [0, 1], and notes, by the picture's mode."""
    mode = image.mode
    if mode == "F":
        return _checked_floats(np.asarray(image)), ["float values taken as they are"]
    if mode.startswith("I"):
        return _deep_grey(np.asarray(image).astype(np.int64), full_range=image.format == "PPM")
    grey = mode in ("1", "L", "LA")
    notes = [] if grey or mode in ("RGB", "RGBA") else [f"{_WORDS.get(mode, mode)} converted to RGB"]
    if image.has_transparency_data:
        layers = _unit(image.convert("LA" if grey else "RGBA"))
        colour, alpha = layers[..., :-1], layers[..., -1:]
        laid = 1 - alpha * (1 - colour)
        return laid[..., 0] if grey else laid, [*notes, "transparent parts laid on white"]
    return _unit(image.convert("L" if grey else "RGB")), notes


def _unit(image: Image.Image) -> Floats:
    return np.asarray(image, dtype=np.float32) / np.float32(255)


_WORDS = {"P": "palette", "PA": "palette"}


def _deep_grey(values: NDArray[np.int64], *, full_range: bool) -> tuple[Floats, list[str]]:
    """More than 8 bits of grey; `full_range` where the decoder has stretched them to 16 bits already."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ImageError(f"Grey values from {low} to {high}: 8 or 16 bits are read; rescale them to 0 to 65535.")
    twelve = high <= 4095 and not full_range
    note = "12 of 16 bits used: divided by 4095" if twelve else "16-bit grey: divided by 65535"
    return (values / (4095 if twelve else 65535)).astype(np.float32), [note]


def _checked_floats(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also false for NaN
        raise ImageError(f"Float values from {low:g} to {high:g}: values in [0, 1] are read; rescale them.")
    return values.astype(np.float32)


def _centre(plane: Floats, size: tuple[int, int], resize: int | None) -> Floats:
    """The centre of (h, w) as `size`; what is cut off is never resized, however long the picture."""
    height, width = plane.shape
    cut = _cut((height, width), size, resize)
    box = (cut.left, cut.top, cut.left + cut.width, cut.top + cut.height)
    return np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR, box=box))


def _cut(of: tuple[int, int], size: tuple[int, int], resize: int | None) -> Window:
    height, width = of
    scale = max(size[0] / height, size[1] / width)
    if resize is not None:
        scale = max(scale, resize / min(height, width))
    tall, wide = min(size[0] / scale, height), min(size[1] / scale, width)
    return Window(of, (height - tall) / 2, (width - wide) / 2, tall, wide)
