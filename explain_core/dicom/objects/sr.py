"""A structured report of regions: TID 1500 with a planar region (TID 1410) for each (PS3.16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from highdicom import UID
from highdicom.sr import (
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    ImageRegion,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from explain_core.data.marked import Marked
from explain_core.dicom.objects.base import (
    CAUTION,
    MAKER,
    SELECTED,
    coded,
    graphic,
    identifiers,
    single,
    size_of,
    titled,
)
from explain_core.errors import InputError


@dataclass(frozen=True)
class Observer:
    """Who drew the regions: a pseudonym, and where they answer for the report the organisation that they do it for."""

    name: str
    organisation: str = ""

    def __post_init__(self) -> None:
        for text in (self.name, self.organisation):
            if len(text) > 64 or not text.isprintable() or set(text) & {"\\", "^", "="}:
                raise InputError("An observer's name is at most 64 printable characters, without \\, ^ and =.")
        if not self.name.strip():
            raise InputError("An observer without a name: give a pseudonym.")


def report(film: Dataset, marked: Sequence[Marked], observer: Observer | None = None) -> ComprehensiveSR:
    """Regions with what they were called.  Without an observer, the software says that it wrote them down.

    It counts as verified only where the observer's organisation is told.  Raises InputError for a region that is
    not on the film.
    """
    groups = [_group(film, one, name) for name, one in zip(titled(marked), marked, strict=True)]
    content = MeasurementReport(
        observation_context=ObservationContext(observer_person_context=_person(observer) if observer else None,
                                               observer_device_context=_device()),
        procedure_reported=codes.cid100.XRUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.cid7021.ImagingMeasurementReport,
    )  # fmt: skip
    verified = bool(observer and observer.organisation)
    told = {name: value for name, value in identifiers("sr").items() if name in _SAID}
    made = ComprehensiveSR(
        evidence=[film], content=content[0], is_complete=True, is_verified=verified,
        verifying_observer_name=single(observer.name) if observer and verified else None,
        verifying_organization=observer.organisation if observer and verified else None, **told,
    )  # fmt: skip
    made.SeriesDescription = f"Regions drawn. {CAUTION}"
    return made


_SAID = ("series_instance_uid", "series_number", "sop_instance_uid", "instance_number", "manufacturer")


def _group(film: Dataset, marked: Marked, name: str) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    kind, points = graphic(marked, size_of(film))
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=UID(), identifier=name),
        referenced_region=ImageRegion(kind, points, SourceImageForRegion.from_source_image(film)),
        finding_type=coded(marked.code or SELECTED),
    )


def _person(observer: Observer) -> ObserverContext:
    return ObserverContext(codes.DCM.Person, PersonObserverIdentifyingAttributes(name=single(observer.name)))


def _device() -> ObserverContext:
    return ObserverContext(codes.DCM.Device, DeviceObserverIdentifyingAttributes(uid=UID(), name=MAKER))
