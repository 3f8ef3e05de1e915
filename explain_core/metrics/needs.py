"""What a metric cannot do without: a case that lacks it gets a reading that says so, and is not asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from explain_core.metrics.base import Case, Measure, Metric, Need, Reading, Subject

NO_PICTURE = "The method returns no changed picture: choose one that changes pixels, such as ape."
NO_MASK = "The method returns no mask: choose one that does, such as ape."


def checked(metric: Metric) -> Metric:
    """The same row; its measure leaves out the cases that lack a need."""
    return replace(metric, measure=partial(_measure, metric.measure, metric.needs))


def _measure(
    measure: Measure, needs: frozenset[Need], subject: Subject, cases: Sequence[Case], params: Any
) -> Iterator[Reading]:
    notes = [missing(needs, subject, case) for case in cases]
    complete = [case for case, note in zip(cases, notes, strict=True) if not note]
    found = measure(subject, complete, params) if complete else iter(())
    for note in notes:
        yield Reading(None, note=note) if note else next(found)


def missing(needs: frozenset[Need], subject: Subject, case: Case) -> str:
    """Why a case cannot be read, before anything is asked; empty where it can."""
    if "label" in needs and case.label is None:
        return "The picture has no label."
    if "regions" in needs and (case.annotation is None or not case.annotation.regions):
        return "Nothing is marked in the picture."
    if "mean" in needs and (subject.mean is None or subject.mean.shape != case.pixels.shape):
        return "The data has no mean picture of this size."
    return ""
