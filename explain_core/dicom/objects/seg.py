"""Segmentations: regions as a binary one, a saliency map as a fractional one (PS3.3 A.51)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationFractionalTypeValues,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from explain_core import __version__
from explain_core.data.marked import Marked, mask_of
from explain_core.dicom.objects.base import (
    CAUTION,
    CONCEPT,
    MAKER,
    SELECTED,
    coded,
    identifiers,
    size_of,
    titled,
    without,
)  # fmt: skip
from explain_core.errors import InputError
from explain_core.records import Floats


def segmentation(film: Dataset, marked: Sequence[Marked]) -> Segmentation:
    """A binary one with a segment for each region: pixels whose centres lie in it.

    Raises InputError for a region that covers no pixel of the film.
    """
    masks = [mask_of([one.shape], size_of(film)) for one in marked]
    for name, mask in zip(titled(marked), masks, strict=True):
        if not mask.any():
            raise InputError(f"Region {name!r} covers no pixel of the film: was it drawn on another one?")
    described = [
        SegmentDescription(
            segment_number=number, segment_label=name, segmented_property_category=coded(CONCEPT),
            segmented_property_type=coded(one.code or SELECTED), algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, (name, one) in enumerate(zip(titled(marked), marked, strict=True), 1)
    ]  # fmt: skip
    return Segmentation(
        source_images=[without(film, "PixelSpacing")], pixel_array=np.stack(masks, axis=-1)[None].astype(np.uint8),
        segmentation_type=SegmentationTypeValues.BINARY, segment_descriptions=described,
        content_label="REGIONS", content_description=f"Regions drawn. {CAUTION}", omit_empty_frames=False,
        **identifiers("seg"),
    )  # fmt: skip


def saliency(film: Dataset, values: Floats, title: str) -> Segmentation:
    """A fractional one of a map (h, w) on the film's grid, values in [0, 1], kept in 256 steps as an *occupancy*.

    It is no probability; `title` names the method.  Raises InputError for a map of another size, or with other values.
    """
    size = size_of(film)
    if values.shape != size:
        raise InputError(f"A map of {values.shape} for a film of {size} pixels (h, w): place it on the film's grid.")
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise InputError("The map has values that are no numbers, or outside [0, 1]: scale its absolute values so.")
    described = SegmentDescription(
        segment_number=1, segment_label=title[:64], segmented_property_category=coded(CONCEPT),
        segmented_property_type=codes.DCM.Saliency,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=title[:64], family=codes.cid7162.ArtificialIntelligence, version=__version__, source=MAKER
        ),
    )  # fmt: skip
    return Segmentation(
        source_images=[without(film, "PixelSpacing")], pixel_array=values.astype(np.float32)[None, ..., None],
        segmentation_type=SegmentationTypeValues.FRACTIONAL, segment_descriptions=[described],
        fractional_type=SegmentationFractionalTypeValues.OCCUPANCY, max_fractional_value=255,
        content_label="SALIENCY", content_description=f"Saliency, no probability. {CAUTION}"[:64],
        omit_empty_frames=False, **identifiers("saliency"),
    )  # fmt: skip
