"""What a data set is: pictures that are read when they are asked for, with what people said about them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import overload

import numpy as np

from explain_core.data.annotation import Annotation
from explain_core.data.images import Picture
from explain_core.errors import DataError

Label = int | str


@dataclass(frozen=True, eq=False)
class Item:
    """One picture, not read yet.

    `name` stands in records: it stays the same from run to run and never names a patient.  `label` is an
    index into the data set's classes (or the model's, where the set has no names) or a class name; None
    where nobody said, or where each marked object has a class of its own.  `patient` tells whose picture
    it is, for splits, and is never shown.  `flags` are words by which results are reported apart.
    `size` is that of the stored picture in bytes, 0 where nothing is stored.
    """

    name: str
    load: Callable[[], Picture]
    label: Label | None = None
    marks: Callable[[], Annotation] | None = None
    patient: str | None = None
    flags: tuple[str, ...] = ()
    size: int = 0

    def read(self) -> Picture:
        """Decodes the picture; raises ImageError or DataError."""
        return self.load()

    @property
    def annotation(self) -> Annotation | None:
        """What is marked in it, in the frame of the picture as it is read; raises ImageError or DataError."""
        return self.marks() if self.marks else None


@dataclass(frozen=True, eq=False)
class DataSet(Sequence[Item]):
    """A sequence of items; slices, samples and splits are data sets too.

    `spec` is the text by which it was asked for.  `classes` names the classes that labels index and
    regions belong to, None where nobody named them.  `mapping` names the file of `data/mappings` by
    which its classes are found in models with other ones.
    """

    spec: str
    items: tuple[Item, ...]
    classes: tuple[str, ...] | None = None
    citation: str = ""
    terms: str = ""
    mapping: str | None = None

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> DataSet: ...

    def __getitem__(self, index: int | slice) -> Item | DataSet:
        return replace(self, items=self.items[index]) if isinstance(index, slice) else self.items[index]

    @cached_property
    def sha256(self) -> str:
        """Of classes, names, sizes and labels: it tells that this is another set, not that a pixel changed."""
        return set_sha256(self.classes, ((item.name, item.size, item.label) for item in self.items))

    def sample(self, n: int, seed: int) -> DataSet:
        """`n` items drawn without replacement, in the set's own order; all of them where it has no more."""
        if n < 1:
            raise DataError(f"n = {n}: at least one picture is needed.")
        if n >= len(self):
            return self
        return self._of(np.random.default_rng(seed).choice(len(self), n, replace=False).tolist())

    def split(self, share: float, seed: int) -> tuple[DataSet, DataSet]:
        """About `share` of the items, and the others; a patient's pictures stay together.

        Both parts hold at least one patient (or picture); raises DataError where there is only one.
        """
        owners = [item.patient or f"\0{index}" for index, item in enumerate(self.items)]
        counts = Counter(owners)
        order = list(counts)
        if len(order) < 2 or not 0 < share < 1:
            raise DataError(
                f"{self.spec}: {len(order)} patients or pictures cannot be split at {share:g}; "
                "at least two, and a share between 0 and 1, are needed."
            )
        np.random.default_rng(seed).shuffle(order)
        reached = np.cumsum([counts[owner] for owner in order[:-1]])
        chosen = set(order[: 1 + int(np.searchsorted(reached, share * len(self)))][: len(order) - 1])
        first = [index for index, owner in enumerate(owners) if owner in chosen]
        return self._of(first), self._of([index for index, owner in enumerate(owners) if owner not in chosen])

    def _of(self, indices: Sequence[int]) -> DataSet:
        return replace(self, items=tuple(self.items[index] for index in sorted(indices)))


def set_sha256(classes: tuple[str, ...] | None, items: Iterable[tuple[str, int, Label | None]]) -> str:
    """Of a set's classes, and of its items' names, sizes and labels in their order."""
    digest = hashlib.sha256(json.dumps(classes).encode())
    for name, size, label in items:
        digest.update(json.dumps([name, size, label]).encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """A row of SOURCES; `read` takes the whole spec, and what stands after the colon."""

    form: str
    help: str
    read: Callable[[str, str], DataSet]
