"""A training set: pictures as the network takes them, held in memory where they fit, and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explain_core.data.images import fit
from explain_core.data.sources import DataSet, Item
from explain_core.errors import DataError
from explain_core.models.classifier import InputSpec, Kind
from explain_core.records import Floats
from explain_core.training.batch import Batch

IN_MEMORY = 6 << 30
"""Bytes of pictures that are kept; a larger set is read again for every batch."""
READERS = 4
Levels = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True, eq=False)
class Pictures:
    """`stored` (n, c, h, w), uint8 where that is exact, else uint16; None where they are read when asked for.

    `labels` (n,) class indices, or (n, v) zeros and ones where pictures have several classes.
    """

    items: DataSet
    input: InputSpec
    classes: tuple[str, ...]
    labels: Tensor
    stored: Levels | None

    @classmethod
    def of(cls, items: DataSet, input: InputSpec, classes: tuple[str, ...] | None = None) -> Pictures:
        """Of a data set, with the classes of another where given; raises DataError or ImageError."""
        names = classes or class_names(items)
        labels = labels_of(items, names)
        return cls(items, input, names, labels, _stored(items, input))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def kind(self) -> Kind:
        return "softmax" if self.labels.ndim == 1 else "sigmoid"

    @property
    def counts(self) -> tuple[int, ...]:
        """Pictures of each class; empty where a picture may have several."""
        if self.labels.ndim != 1:
            return ()
        return tuple(torch.bincount(self.labels, minlength=len(self.classes)).tolist())

    def batch(self, places: Sequence[int], epoch: int, seed: int, device: torch.device) -> Batch:
        """The pictures of these places."""
        index = list(places)
        return Batch(
            pixels=torch.from_numpy(self.pixels(index)).to(device),
            labels=self.labels[index].to(device),
            index=tuple(index),
            epoch=epoch,
            seed=seed,
        )

    def pixels(self, places: Sequence[int]) -> Floats:
        """float32 (n, c, h, w) in [0, 1]."""
        if self.stored is None:
            with ThreadPoolExecutor(READERS) as readers:
                return np.stack(list(readers.map(lambda place: fit(self.items[place].read(), self.input), places)))
        most = np.float32(np.iinfo(self.stored.dtype).max)
        return self.stored[list(places)].astype(np.float32) / most

    def statistics(self, most: int = 5000) -> tuple[list[float], list[float]]:
        """Mean and deviation of each channel, over the first pictures."""
        total, square, count = np.zeros(self.input.channels), np.zeros(self.input.channels), 0
        for start in range(0, min(most, len(self)), 100):
            pixels = self.pixels(range(start, min(start + 100, len(self)))).astype(np.float64)
            total, square = total + pixels.sum((0, 2, 3)), square + np.square(pixels).sum((0, 2, 3))
            count += pixels[:, 0].size
        mean = total / count
        return mean.tolist(), np.sqrt(np.maximum(square / count - mean**2, 1e-8)).tolist()


def class_names(items: DataSet) -> tuple[str, ...]:
    """The data's classes: as it names them, or the names and numbers that its labels are."""
    if items.classes:
        return items.classes
    labels = [item.label for item in items if item.label is not None]
    names = sorted({label for label in labels if isinstance(label, str)})
    if names:
        return tuple(names)
    numbers = [label for label in labels if isinstance(label, int)]
    if numbers and min(numbers) < 0:
        raise DataError(f"{items.spec} has the label {min(numbers)}: labels begin at 0; number them again.")
    return tuple(str(number) for number in range(max(numbers, default=-1) + 1))


def labels_of(items: DataSet, classes: tuple[str, ...]) -> Tensor:
    """(n,) of single labels, or (n, v) of the classes marked in each picture; raises DataError."""
    if len(classes) < 2:
        raise DataError(f"{items.spec} has {len(classes)} class: a classifier needs two at least; add the others.")
    if all(item.label is None for item in items) and any(item.marks for item in items):
        found = torch.zeros(len(items), len(classes))
        for row, item in enumerate(items):
            annotation = item.annotation
            for name in annotation.names if annotation else ():
                found[row, _index(item, name, classes, items.spec)] = 1
        return found
    labels = torch.tensor([_index(item, item.label, classes, items.spec) for item in items])
    if len(labels) and int((labels == labels[0]).sum()) == len(labels):
        raise DataError(f"{items.spec}: every picture is of class {classes[int(labels[0])]!r}; add other classes.")
    return labels


def _index(item: Item, label: int | str | None, classes: tuple[str, ...], spec: str) -> int:
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    if isinstance(label, int) and 0 <= label < len(classes):
        return label
    if label is None:
        raise DataError(f"{spec}: {item.name} has no label; training needs one for every picture.")
    raise DataError(
        f"{spec}: {item.name} has the label {label!r}, but the classes are 0 to {len(classes) - 1}; correct it."
    )


def _stored(items: DataSet, input: InputSpec) -> Levels | None:
    kept: list[Levels] = []
    size = 0
    for item in items:
        kept.append(_levels(fit(item.read(), input)))
        size += kept[-1].nbytes
        if size > IN_MEMORY:
            return None
    if len({picture.shape for picture in kept}) > 1:
        raise DataError(f"{items.spec}: pictures of several sizes cannot make a batch; set input.size.")
    if all(picture.dtype == np.uint8 for picture in kept):
        return np.stack(kept)
    return np.stack([picture.astype(np.uint16) * (257 if picture.dtype == np.uint8 else 1) for picture in kept])


def _levels(pixels: Floats) -> Levels:
    """256 levels where they hold the picture exactly, else 65,536."""
    eight = np.rint(pixels * 255).astype(np.uint8)
    if np.array_equal(eight.astype(np.float32) / np.float32(255), pixels):
        return eight
    return np.rint(pixels * 65535).astype(np.uint16)
