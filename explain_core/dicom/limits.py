"""How large a film may be."""

from __future__ import annotations

MAX_PIXELS = 48_000_000
"""Half as many again as the largest mammograms have: as JPEG 2000 they still fit into the decoder's memory."""

MAX_BYTES = 1 << 28
