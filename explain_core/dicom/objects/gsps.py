"""A greyscale presentation state: the film as it is shown, with outlines and names of regions (PS3.3 A.33.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom import PresentationLUTTransformation
from highdicom.pr import (
    AnnotationUnitsValues,
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from numpy.typing import NDArray
from pydicom import Dataset

from explain_core.data.marked import Marked
from explain_core.dicom.objects.base import CAUTION, graphic, identifiers, size_of, titled, without

LAYER = "REGIONS"


def presentation(film: Dataset, marked: Sequence[Marked], *, inverse: bool) -> GrayscaleSoftcopyPresentationState:
    """Windows or tables are the film's own, tables alone where it has both; `inverse` where low values are bright.

    Raises InputError for a region that is not on the film.
    """
    size = size_of(film)
    shown = without(film, "WindowCenter", "WindowWidth", "VOILUTFunction") if film.get("VOILUTSequence") else film
    drawn = [(name, *graphic(one, size)) for name, one in zip(titled(marked), marked, strict=True)]
    layer = GraphicLayer(LAYER, order=1, description=f"Regions drawn. {CAUTION}")
    annotation = GraphicAnnotation(
        referenced_images=[film],
        graphic_layer=layer,
        graphic_objects=[GraphicObject(kind, points, AnnotationUnitsValues.PIXEL) for _, kind, points in drawn],
        text_objects=[
            TextObject(name, AnnotationUnitsValues.PIXEL, anchor_point=_anchor(points), anchor_point_visible=False)
            for name, _, points in drawn
        ],
    )
    made = GrayscaleSoftcopyPresentationState(
        referenced_images=[shown], graphic_layers=[layer], graphic_annotations=[annotation], content_label=LAYER,
        content_description=f"Regions drawn. {CAUTION}", presentation_lut_transformation=PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if inverse else "IDENTITY"
        ), **identifiers("gsps"),
    )  # fmt: skip
    _keep_tables(made, film)
    _keep_proportions(made, film)
    return made


def _keep_tables(made: GrayscaleSoftcopyPresentationState, film: Dataset) -> None:
    """The film's own tables: highdicom tells 16 bits of every one, and those of 12 would be shown nearly black."""
    if film.get("VOILUTSequence"):
        made.SoftcopyVOILUTSequence[0].VOILUTSequence = film.VOILUTSequence
    if film.get("ModalityLUTSequence"):
        made.ModalityLUTSequence = film.ModalityLUTSequence


def _keep_proportions(made: GrayscaleSoftcopyPresentationState, film: Dataset) -> None:
    """Pixels as high and as wide as the film's: highdicom tells square ones of every film (PS3.3 C.10.4)."""
    area = made.DisplayedAreaSelectionSequence[0]
    spacing = film.get("PixelSpacing") or film.get("ImagerPixelSpacing")
    if spacing and len(spacing) == 2 and min(spacing) > 0:
        del area.PresentationPixelAspectRatio
        area.PresentationPixelSpacing = spacing
    elif ratio := film.get("PixelAspectRatio"):
        area.PresentationPixelAspectRatio = ratio


def _anchor(points: NDArray[np.float64]) -> tuple[float, float]:
    return float(points[0, 0]), float(points[0, 1])
