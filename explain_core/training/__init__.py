"""Training; for now, of the two networks that ship with Rhoscope."""
