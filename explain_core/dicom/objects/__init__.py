"""DICOM objects about a film that was imported: segmentations, presentation states and structured reports.

They refer to the film by its remapped identifiers and take patient and study from its de-identified header.
Coordinates are those of `explain_core/shapes.py`, which are DICOM's: both for a presentation state's graphics in PIXEL
units (PS3.3 C.10.5.1.2) and a report's SCOORD (C.18.6) the origin is the upper left corner of the upper left pixel,
whose centre is at 0.5\\0.5, and values lie from 0\\0 to Columns\\Rows.  They are single precision, so that a
coordinate of 4,000 survives to 0.0002 pixels.
"""
