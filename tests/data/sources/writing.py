"""Small pictures and tables on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian


def save(path: Path, values: NDArray[np.generic]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def grey(height: int = 6, width: int = 8, value: int = 100) -> NDArray[np.uint8]:
    return np.full((height, width), value, np.uint8)


def text(path: Path, lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines, encoding="utf-8")
    return path


def dicom(path: Path, values: NDArray[np.uint16], *, depth: int = 12, photometric: str = "MONOCHROME2") -> Path:
    """An uncompressed film."""
    film = Dataset()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    film.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    film.SOPClassUID, film.SOPInstanceUID = film.file_meta.MediaStorageSOPClassUID, "1.2.3"
    film.PatientName = "Doe^Jane"
    film.Rows, film.Columns = values.shape
    film.SamplesPerPixel, film.PixelRepresentation, film.PhotometricInterpretation = 1, 0, photometric
    film.BitsAllocated = 8 * values.itemsize
    film.BitsStored, film.HighBit = depth, depth - 1
    film.PixelData = values.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    film.save_as(path, enforce_file_format=True)
    return path


RAMP = np.arange(48, dtype=np.uint16).reshape(6, 8)
