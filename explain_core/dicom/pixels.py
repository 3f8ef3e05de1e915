"""Pixel data to stored values.  Runs in the decoder's process only."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from explain_core.dicom.film import Stored
from explain_core.dicom.header import CODECS, Layout
from explain_core.errors import DamagedFilm, UnsupportedFilm

EXTRA = {"gdcm": "[jpeg-lossless]"}
"""Which extra of ours brings a decoder that is not always installed."""


def stored_values(found: Dataset, layout: Layout) -> Stored:
    """Stored values (h, w), whole numbers of `layout.dtype`; unused high bits, old files' overlays, are cleared.

    Raises UnsupportedFilm or DamagedFilm.
    """
    decoder, plugin = get_decoder(UID(layout.syntax)), CODECS.get(layout.syntax, "")
    if plugin and plugin not in decoder.available_plugins:
        extra = EXTRA.get(plugin)
        how = f"pip install 'rhoscope{extra}'" if extra else f"pip install {plugin}"
        raise UnsupportedFilm(f"{UID(layout.syntax).name} needs {plugin}, which is not installed: {how}.")
    try:
        values, _ = decoder.as_array(_bare(found, layout), raw=True, decoding_plugin=plugin)
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever damaged data make them trip over
        why = type(error).__name__
        raise DamagedFilm(f"The pixel data cannot be decoded ({why}): they are damaged; copy the file again.") from None
    if values.shape != (layout.rows, layout.columns):
        raise DamagedFilm(
            f"The header says {layout.columns} × {layout.rows} pixels, and the data hold {values.shape}: copy it again."
        )
    return _in_bits(np.asarray(values), layout)


def _bare(found: Dataset, layout: Layout) -> Dataset:
    """What the decoder needs and nothing else, so that nothing else can trip it."""
    bare = Dataset()
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = UID(layout.syntax)
    for name, value in described(found, layout).items():
        setattr(bare, name, value)
    bare.add(found["PixelData"])
    return bare


def described(found: Dataset, layout: Layout) -> dict[str, Any]:
    """The image pixel module but for the pixels."""
    return {
        "Rows": layout.rows, "Columns": layout.columns, "SamplesPerPixel": 1,
        "PhotometricInterpretation": str(found.PhotometricInterpretation),
        "BitsAllocated": layout.allocated, "BitsStored": layout.bits, "HighBit": layout.bits - 1,
        "PixelRepresentation": int(layout.signed),
    }  # fmt: skip


def _in_bits(values: Stored, layout: Layout) -> Stored:
    spare = layout.allocated - layout.bits
    values = values.astype(layout.dtype, copy=False)
    if not spare:
        return values
    return np.asarray(np.right_shift(np.left_shift(values, spare), spare))
