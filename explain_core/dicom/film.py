"""A film as its file holds it: stored values and what is needed to show and to measure them.  Knows no pydicom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explain_core.records import Floats

Stored = NDArray[np.integer[Any]]
Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
Intent = Literal["presentation", "processing", "unknown"]
Plane = Literal["calibrated", "body", "detector", "pixels"]


@dataclass(frozen=True)
class Rescale:
    """Modality transform as a line: slope · stored + intercept."""

    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True)
class Lut:
    """A table: `first` is the input that maps to `data[0]`; inputs beyond it map to its ends.

    `data` whole numbers of `bits` bits, 0 to 2 ** bits - 1.
    """

    data: tuple[int, ...]
    first: int
    bits: int
    explanation: str = ""


@dataclass(frozen=True)
class VoiWindow:
    """A window of modality values; its function is that of PS3.3 C.11.2.1."""

    center: float
    width: float
    function: Function = "LINEAR"
    explanation: str = ""


Voi = VoiWindow | Lut


@dataclass(frozen=True)
class Spacing:
    """Millimetres between centres of rows and of columns, and where they hold.

    `calibrated`: the file says how; `body`: the detector's spacing divided by the estimated `magnification`;
    `detector`: at the detector plane, where the breast is not; `pixels`: nothing is known, and both are 0.
    """

    row: float = 0.0
    column: float = 0.0
    plane: Plane = "pixels"
    magnification: float | None = None


@dataclass(frozen=True)
class Facts:
    """What a header tells of a film, none of it about the patient.

    `inverse`: low values are bright; `vois` alternative ways to show it, the file's first choice first;
    `padding` lowest and highest stored value that stand for nothing; `laterality` L, R, B or empty; `view` as
    in VIEWS or empty; `orientation` where rows and columns lead (A, P, L, R, H, F and pairs of them);
    `implant` None where the file does not say; `notes` what a person should know.
    """

    bits: int
    photometric: str
    inverse: bool
    rescale: Rescale | Lut
    vois: tuple[Voi, ...] = ()
    padding: tuple[int, int] | None = None
    modality: str = ""
    intent: Intent = "unknown"
    laterality: str = ""
    view: str = ""
    modifiers: tuple[str, ...] = ()
    implant: bool | None = None
    orientation: tuple[str, ...] = ()
    spacing: Spacing = Spacing()
    burned_in: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Film:
    """`stored` whole numbers (h, w), as the file holds them, read-only; `sha256` of the file's bytes."""

    stored: Stored
    facts: Facts
    sha256: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.stored.shape[0], self.stored.shape[1]

    @property
    def lowest(self) -> int:
        """The lowest value that could be stored; the highest is 2 ** bits - 1 above it."""
        return -(1 << (self.facts.bits - 1)) if np.issubdtype(self.stored.dtype, np.signedinteger) else 0

    def padded(self) -> NDArray[np.bool_]:
        """Where (h, w) there is no picture."""
        if self.facts.padding is None:
            return np.zeros(self.size, bool)
        low, high = self.facts.padding
        return np.asarray((self.stored >= low) & (self.stored <= high))


def facts_record(facts: Facts) -> dict[str, Any]:
    """As plain values for JSON."""
    return asdict(facts)


def facts_from(record: Mapping[str, Any]) -> Facts:
    """What `facts_record` gave, after a way through JSON."""
    rescale = record["rescale"]
    read = dict(record)
    read["rescale"] = _lut(rescale) if "data" in rescale else Rescale(**rescale)
    read["vois"] = tuple(_lut(voi) if "data" in voi else VoiWindow(**voi) for voi in record["vois"])
    read["padding"] = tuple(record["padding"]) if record["padding"] else None
    read["spacing"] = Spacing(**record["spacing"])
    for name in ("modifiers", "orientation", "notes"):
        read[name] = tuple(record[name])
    return Facts(**read)


def _lut(record: Mapping[str, Any]) -> Lut:
    return Lut(**{**record, "data": tuple(record["data"])})


def unit(film: Film) -> Floats:
    """Stored values over their whole range, (h, w) in [0, 1]; bright is dense whatever the photometric says."""
    values = (film.stored.astype(np.int64) - film.lowest) / ((1 << film.facts.bits) - 1)
    grey = values.clip(0, 1).astype(np.float32)
    return 1 - grey if film.facts.photometric == "MONOCHROME1" else grey
