"""Data as cases: pixels as the model takes them, labels as its classes, and what is marked beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from explain_core.data.annotation import Annotation, Box
from explain_core.data.images import fit, seen
from explain_core.data.sources.base import DataSet, Item, Label
from explain_core.data.window import Window
from explain_core.errors import DataError, InputError
from explain_core.evaluation.vocabulary import Vocabulary
from explain_core.metrics.base import Case
from explain_core.models.classifier import Classifier
from explain_core.records import Floats

Predict = Callable[[Sequence[Floats]], Sequence[Floats]]
"""Probabilities (v,) of each picture (c, h, w)."""

ALL_DIFFICULT, HARD, NO_CLASS, OUTSIDE, UNSEEN = "all-difficult", "hard", "no-class", "outside-top-5", "out-of-view"
COVERED, TOP = 0.25, 5


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases in the data's order; `left_out` says, one line a picture or pair, what could not be one and why."""

    cases: tuple[Case, ...]
    left_out: tuple[str, ...] = ()


def cases_of(data: DataSet, model: Classifier, *, predict: Predict, per_class: bool = False) -> Cases:
    """Every picture of the data as a case; or, `per_class`, one for each class of the objects marked in it.

    A label becomes the model's class of that index or name; one that only a mapping knows, the most
    probable of its members.  A label that the model has no class for is left out per class; otherwise
    the case has no label and the flag `no-class`.  Pictures that cannot be read, or are marked in
    another size, are left out.  Raises DataError where, per class, the model knows none of the data's classes.

    Flags beside the item's own: `outside-top-5`, a mapped class that the model ranks sixth or lower; and
    where pictures hold objects of several classes, `all-difficult`, every object of the class is; `hard`,
    the boxes of the class cover less than a quarter of the picture and another class is present (Fong &
    Vedaldi's rule for the difficult subset); `out-of-view`, they lie outside what the model is shown.
    """
    vocabulary = Vocabulary(data, model)
    if per_class and data.classes and not any(vocabulary.members(name) for name in data.classes):
        raise DataError(
            f"{model.spec} has none of the classes of {data.spec} ({', '.join(data.classes[:5])}, …): "
            "choose a model trained for them."
        )
    cases, left_out = [], []
    for item in data:
        try:
            picture = _Fitted.of(item, model, predict)
        except InputError as error:
            left_out.append(f"{item.name}: {error}")
            continue
        for pair in _pairs(picture, vocabulary, per_class):
            case = _case(picture, pair, vocabulary)
            if case.label is None and pair.label is not None and per_class:
                left_out.append(f"{case.name}: the model has no class for {vocabulary.name(pair.label)!r}.")
            else:
                cases.append(case)
    return Cases(tuple(cases), tuple(left_out))


@dataclass(frozen=True, eq=False)
class _Fitted:
    """An item that was read; `case` is one without a label."""

    item: Item
    case: Case
    predict: Predict

    @classmethod
    def of(cls, item: Item, model: Classifier, predict: Predict) -> _Fitted:
        """Raises InputError where the picture cannot be used."""
        picture, annotation = item.read(), item.annotation
        size = picture.pixels.shape[1], picture.pixels.shape[2]
        if annotation is not None and annotation.size != size:
            (marked_tall, marked_wide), (tall, wide) = annotation.size, size
            raise DataError(f"marked in {marked_wide} × {marked_tall} pixels, but the picture has {wide} × {tall}.")
        pixels, window = fit(picture, model.input), seen(size, model.input)
        return cls(item, Case(item.name, pixels, None, annotation, window, item.flags), predict)

    @cached_property
    def probabilities(self) -> Floats:
        return self.predict([self.case.pixels])[0]


@dataclass(frozen=True, eq=False)
class _Pair:
    """A picture's class, the regions that belong to it, and the case's name."""

    label: Label | None
    annotation: Annotation | None
    name: str
    flags: tuple[str, ...] = ()


def _pairs(picture: _Fitted, vocabulary: Vocabulary, per_class: bool) -> Iterator[_Pair]:
    item, annotation = picture.item, picture.case.annotation
    if per_class and annotation is not None and item.label is None and annotation.regions:
        for name in annotation.names:
            flags = tuple(_flags(annotation.of(name), annotation, picture.case.window))
            yield _Pair(vocabulary.label(name), annotation.of(name), f"{item.name} {name}", flags)
        return
    if per_class and annotation is not None and item.label is not None:
        own = annotation.of(vocabulary.name(item.label))
        annotation = own if own.regions else annotation
    yield _Pair(item.label, annotation, item.name)


def _case(picture: _Fitted, pair: _Pair, vocabulary: Vocabulary) -> Case:
    flags = [*picture.item.flags, *pair.flags]
    members = vocabulary.members(pair.label) if pair.label is not None else ()
    label = members[0] if members else None
    if pair.label is not None and vocabulary.is_mapped(pair.label):
        scores = picture.probabilities
        label = max(members, key=lambda member: float(scores[member]))
        if np.count_nonzero(scores > scores[label]) >= TOP:
            flags.append(OUTSIDE)
    elif pair.label is not None and not members:
        flags.append(NO_CLASS)
    return replace(picture.case, name=pair.name, label=label, annotation=pair.annotation, flags=tuple(flags))


def _flags(own: Annotation, every: Annotation, window: Window | None) -> Iterator[str]:
    """What is to be said of the objects of one class, beside those of every class."""
    if all(region.difficult for region in own.regions):
        yield ALL_DIFFICULT
    boxes = [region.box for region in own.regions]
    area = sum((box.bottom - box.top + 1) * (box.right - box.left + 1) for box in boxes)
    if area < COVERED * own.size[0] * own.size[1] and len(every.names) >= 2:
        yield HARD
    if window is not None and not any(_overlaps(box, window) for box in boxes):
        yield UNSEEN


def _overlaps(box: Box, window: Window) -> bool:
    """A box ends with its last pixel, one beyond where that begins; a window's edges lie between pixels."""
    tall = min(box.bottom + 1, window.top + window.height) - max(box.top, window.top)
    wide = min(box.right + 1, window.left + window.width) - max(box.left, window.left)
    return tall > 0 and wide > 0
