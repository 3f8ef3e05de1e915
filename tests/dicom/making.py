"""DICOM files made here: a small film with everything that a mammogram's header may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

VALUES = (np.arange(64 * 48).reshape(64, 48) * 7 % 4096).astype(np.uint16)


def code(value: str, scheme: str = "SCT", **more: Any) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "words"
    for name, given in more.items():
        setattr(item, name, given)
    return item


def table(data: list[int], first: int, bits: int, explanation: str = "NORMAL") -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.LUTExplanation = [len(data), first, bits], explanation
    item.add_new("LUTData", "OW", np.array(data, "<u2").tobytes())
    return item


def film(values: NDArray[Any] = VALUES, **changes: Any) -> Dataset:
    """A right cranio-caudal film of 12 bits; `changes` by keyword, None takes a tag out."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    told = {
        "SOPClassUID": DigitalMammographyXRayImageStorageForPresentation, "SOPInstanceUID": "1.2.3.1",
        "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.0", "PatientID": "4711", "PatientName": "Doe^Jane",
        "PatientBirthDate": "19501231", "StudyDate": "20190304", "Modality": "MG", "ImageLaterality": "R",
        "ViewPosition": "CC", "PatientOrientation": ["P", "L"], "BurnedInAnnotation": "NO",
        "Rows": values.shape[0], "Columns": values.shape[1], "SamplesPerPixel": 1, "BitsAllocated": 8 * values.itemsize,
        "BitsStored": 12 if values.itemsize == 2 else 8, "PixelRepresentation": int(values.dtype.kind == "i"),
        "PhotometricInterpretation": "MONOCHROME2", "WindowCenter": [2048, 1000], "WindowWidth": [4096, 500],
        "ImagerPixelSpacing": [0.1, 0.1],
    }  # fmt: skip
    told["HighBit"] = told["BitsStored"] - 1
    for name, given in {**told, **changes}.items():
        if given is not None:
            setattr(made, name, given)
    if "PixelData" not in changes:
        made.add_new("PixelData", "OW", values.tobytes())
    return made


def saved(path: Path, made: Dataset) -> Path:
    meta = made.file_meta
    meta.MediaStorageSOPClassUID = made.get("SOPClassUID", "1.2.3")
    meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "1.2.3.9")
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path
