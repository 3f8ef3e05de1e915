"""A header, read and checked before anything is decoded.  Runs in the decoder's process only."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

from explain_core.dicom.limits import MAX_PIXELS
from explain_core.errors import DamagedFilm, FilmTooLarge, NotAFilm, NotDicom, UnsupportedFilm

NATIVE = {
    "1.2.840.10008.1.2": "Implicit VR Little Endian",
    "1.2.840.10008.1.2.1": "Explicit VR Little Endian",
    "1.2.840.10008.1.2.1.99": "Deflated Explicit VR Little Endian",
    "1.2.840.10008.1.2.2": "Explicit VR Big Endian",
}
CODECS = {
    "1.2.840.10008.1.2.5": "pydicom",  # RLE
    "1.2.840.10008.1.2.4.50": "pillow",  # JPEG baseline, 8 bits
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",  # JPEG 2000
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg",  # High-throughput JPEG 2000
    "1.2.840.10008.1.2.4.202": "pylibjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg",
    "1.2.840.10008.1.2.4.51": "gdcm",  # JPEG of 12 bits
    "1.2.840.10008.1.2.4.57": "gdcm",  # JPEG Lossless
    "1.2.840.10008.1.2.4.70": "gdcm",
}
"""Which of pydicom's plugins decodes a compressed transfer syntax."""


@dataclass(frozen=True)
class Layout:
    """How the pixel data are to be read; `dtype` is numpy's name of a stored value."""

    rows: int
    columns: int
    bits: int
    allocated: int
    signed: bool
    syntax: str

    @property
    def dtype(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.allocated}"


def opened(data: bytes) -> Dataset:
    """The data set of a file's bytes; raises NotDicom, DamagedFilm or FilmTooLarge."""
    if not data:
        raise DamagedFilm("The file is empty: copy it again.")
    if data[:4] == b"PK\x03\x04":
        raise NotDicom("The file is a zip archive, which is not opened: unpack it, and give its folder.")
    try:
        found = dcmread(BytesIO(data), force=data[128:132] != b"DICM" and _plausible(data))
        found.get("Rows")  # the first look at a broken element raises
        if found.original_encoding[1] is False:
            _swap_tables(found)
        return found
    except InvalidDicomError:
        raise NotDicom("Not a DICOM file: its first 132 bytes do not end in DICM; give one from the device.") from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged header can trip anything
        why = type(error).__name__
        raise DamagedFilm(f"The header is damaged or cut off ({why}): copy the file again.") from None


def _swap_tables(found: Dataset) -> None:
    """Tables of a big-endian file, which pydicom leaves as bytes, become little-endian as everywhere else."""
    for name in ("ModalityLUTSequence", "VOILUTSequence"):
        for item in found.get(name) or ():
            data = item.get("LUTData")
            if isinstance(data, bytes):
                item["LUTData"].value = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()


def _plausible(data: bytes) -> bool:
    """Whether it starts as a data set without the 128 bytes and DICM before it: a low group's first element."""
    return len(data) > 8 and data[:2] in (b"\x02\x00", b"\x08\x00") and data[3:4] == b"\x00"


def layout(found: Dataset) -> Layout:
    """Checks that the header describes one grey picture that its pixel data can hold.

    Raises NotAFilm, UnsupportedFilm, DamagedFilm or FilmTooLarge.
    """
    if not any(name in found for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "Rows")):
        raise NotAFilm(f"A DICOM object without a picture ({_kind(found)}): films are read, such as mammograms.")
    if "PixelData" not in found:
        raise DamagedFilm(
            "The header tells of a picture, and there are no pixel data: the file is cut off; copy it again."
        )
    rows, columns, bits, allocated, high = (
        _whole(found, name) for name in ("Rows", "Columns", "BitsStored", "BitsAllocated", "HighBit")
    )
    if not rows or not columns:
        raise DamagedFilm(f"{columns} × {rows} pixels in the header: rows and columns must be above 0; copy it again.")
    if rows * columns > MAX_PIXELS:
        raise FilmTooLarge(
            f"{columns} × {rows} pixels: at most {MAX_PIXELS / 1e6:g} megapixels are read; export it smaller."
        )
    _check_grey(found)
    if allocated not in (8, 16) or not 1 <= bits <= allocated or high != bits - 1:
        raise UnsupportedFilm(
            f"{bits} bits in {allocated}, the highest is {high}: 16 bits at most, lowest first, are read; save it so."
        )
    made = Layout(rows, columns, bits, allocated, _whole(found, "PixelRepresentation") == 1, _syntax(found))
    _check_length(found, made)
    return made


def _check_grey(found: Dataset) -> None:
    samples, frames = _whole(found, "SamplesPerPixel"), _whole(found, "NumberOfFrames", default=1)
    if frames > 1:
        raise NotAFilm(f"{frames} frames ({_kind(found)}): films of one frame are read; export single pictures.")
    photometric = str(found.get("PhotometricInterpretation", ""))
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        what = "in colour" if samples == 3 else "of no grey kind"
        raise NotAFilm(f"The picture is {what} ({_kind(found)}): MONOCHROME1 and MONOCHROME2 are read; export it grey.")


def _check_length(found: Dataset, made: Layout) -> None:
    data = found["PixelData"].value
    if not isinstance(data, bytes) or not data:
        raise DamagedFilm("The pixel data are empty: copy the file again.")
    needed = made.rows * made.columns * made.allocated // 8
    if made.syntax in NATIVE and len(data) < needed:
        raise DamagedFilm(
            f"{made.columns} × {made.rows} pixels of {made.allocated} bits need {needed} bytes, and there are "
            f"{len(data)}: the file is cut off, or its header is wrong; copy it again."
        )


def _syntax(found: Dataset) -> str:
    uid = UID(str(getattr(found, "file_meta", Dataset()).get("TransferSyntaxUID", "") or ""))
    if not uid:
        return "1.2.840.10008.1.2" if found.is_implicit_VR else "1.2.840.10008.1.2.1"
    if uid not in NATIVE and uid not in CODECS:
        named = uid.name if uid.name != uid else "not in the standard"
        raise UnsupportedFilm(f"An unknown compression ({named}): export the film uncompressed, or as JPEG 2000.")
    return str(uid)


def _kind(found: Dataset) -> str:
    """The name of the object's class, where the standard knows it; a file's own text is never repeated."""
    uid = UID(str(found.get("SOPClassUID", "") or ""))
    return uid.name if uid.is_private is False and uid.name != uid else "of unknown class"


def _whole(found: Dataset, name: str, default: int = 0) -> int:
    value: Any = found.get(name)
    try:
        return default if value is None else int(value)
    except (TypeError, ValueError, OverflowError):
        return default
