"""Review: an exam's films hung as radiologists hang them, and what is doubtful of them beside the picture."""

from __future__ import annotations

from pages.parts.films import reviewing

reviewing.page()
