"""The question as the engine knows it: a job of fingerprints, so that equal jobs are the same job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explain_core.errors import ImageError, ParamError, suggest
from explain_core.methods.base import Method
from explain_core.params import Params, check_rho, fingerprint

Pixels = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Job:
    """One picture, one target, one ρ, one method: everything that decides the answer.

    `image` is the picture's key (`explain_core.data.images.image_key`); `rho` None asks for the
    method's own form; `version` is the method's, filled in by the engine.
    """

    model: str
    model_sha256: str
    method: str
    image: str
    target: int
    params: Params
    rho: float | None = None
    seed: int = 0
    version: int = 1

    @cached_property
    def key(self) -> str:
        """Equal for equal jobs, also between processes."""
        return fingerprint(self)

    def group(self, shape: Sequence[int], dtype: str, per_row: Sequence[str] = ()) -> str:
        """Equal for jobs that may be rows of one batch: they differ in picture, target, ρ or `per_row` numbers only."""
        knobs = self.params.as_dict()
        shared = {name: value for name, value in knobs.items() if name not in per_row or value is None}
        same = (self.model, self.model_sha256, self.method, self.version, type(self.params).__name__, shared, self.seed)
        return fingerprint(*same, self.rho is None, list(shape), dtype)


def check_pixels(pixels: NDArray[Any]) -> Pixels:
    """The picture as a read-only array; one that is read-only already is not copied.

    Raises ImageError unless it is (c, h, w), float32 or float64, finite and in [0, 1].
    """
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ImageError(f"A picture of shape {pixels.shape}: (channels, height, width) is needed.")
    if pixels.dtype not in (np.float32, np.float64):
        raise ImageError(f"Pixels of type {pixels.dtype}: floats in [0, 1] are needed; divide 8-bit values by 255.")
    low, high = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError("Pixels that are not finite: values in [0, 1] are needed; replace NaN and infinity.")
    if low < 0 or high > 1:
        raise ImageError(f"Pixels from {low:g} to {high:g}: values in [0, 1] are needed; rescale the picture.")
    if pixels.flags.writeable:
        pixels = pixels.copy()
        pixels.flags.writeable = False
    return pixels


def find_method(methods: Mapping[str, Method], name: str) -> Method:
    """A row of the table of methods; raises ParamError for a name that is not there."""
    if name not in methods:
        raise ParamError(f"No method {name!r}: {suggest(name, methods)}")
    return methods[name]


def rho_for(method: Method, rho: float | None) -> float | None:
    """ρ as the method uses it: none, the one asked for, or its default; raises ParamError."""
    if method.rho == "none":
        return None
    if rho is None and method.rho == "always":
        return method.default_rho
    return check_rho(rho)
