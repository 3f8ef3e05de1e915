"""Millimetres in words."""

from __future__ import annotations

from explain_core.dicom.film import Spacing


def spacing_text(spacing: Spacing) -> str:
    """Millimetres a pixel and where they hold, in words."""
    size = f"{spacing.row:g} × {spacing.column:g} mm a pixel"
    match spacing.plane:
        case "calibrated":
            return f"{size}, calibrated"
        case "body":
            return f"{size}, estimated in the breast (magnification {spacing.magnification:g})"
        case "detector":
            return f"{size} at the detector plane; in the breast they are smaller"
        case _:
            return "no spacing: distances can be told in pixels only"
