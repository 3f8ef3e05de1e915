"""DICOM files: decoded in a process of their own, shown as the standard says, rid of what names a patient."""
