"""Rhoscope's engine: models, explanation methods and the loop they share.

`load_model` and `explain` are the whole of the Python interface; they are imported on first use,
so that packages which only need `params` or `errors` never load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explain_core.api import explain as explain
    from explain_core.models.zoo import load_model as load_model

__version__ = "0.1.0"
__all__ = ["__version__", "explain", "load_model"]

_HOME = {"explain": "explain_core.api", "load_model": "explain_core.models.zoo"}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'explain_core' has no attribute {name!r}")
