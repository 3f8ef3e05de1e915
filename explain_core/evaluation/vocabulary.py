"""What a data set's classes are called by a model."""

from __future__ import annotations

from configparser import ConfigParser
from functools import cache
from importlib.resources import files

from explain_core.data.names import numbered
from explain_core.data.sources.base import DataSet, Label
from explain_core.models.classifier import Classifier

Mapping = dict[str, dict[str, int | None]]


class Vocabulary:
    """Finds the model's classes for the labels of a data set.

    A label is the same index where the two lists of names agree or one side has none; else the class of
    the same name, in any case; else the members that the data set's mapping gives it.
    """

    def __init__(self, data: DataSet, model: Classifier) -> None:
        self._names = data.classes
        self._of_model = {name.casefold(): index for index, name in reversed(list(enumerate(model.classes)))}
        self._count = len(model.classes)
        self._nameless = model.classes == numbered(self._count)
        self._mapping = read_mapping(data.mapping) if data.mapping else {}
        folded = tuple(name.casefold() for name in data.classes or ())
        alike = tuple(name.casefold() for name in model.classes) == folded
        self._same_index = alike or (self._nameless and len(folded) == self._count)

    def name(self, label: Label) -> str:
        """What the data set calls a label."""
        if isinstance(label, str) or self._names is None or not 0 <= label < len(self._names):
            return str(label)
        return self._names[label]

    def label(self, name: str) -> Label:
        """The label that a region's name stands for: an index where the data set has no names."""
        return int(name) if self._names is None and name.isascii() and name.isdigit() else name

    def members(self, label: Label) -> tuple[int, ...]:
        """Indices of the model's classes that a label means: none, one, or the several of a mapping."""
        if isinstance(label, int) and self._names is None:
            return (label,) if 0 <= label < self._count else ()
        name = self.name(label)
        if self._same_index and self._names is not None:
            folded = [one.casefold() for one in self._names]
            return (folded.index(name.casefold()),) if name.casefold() in folded else ()
        own = self._of_model.get(name.casefold())
        return (own,) if own is not None else self._mapped(name)

    def is_mapped(self, label: Label) -> bool:
        """Whether only the mapping knows the label's classes."""
        name = self.name(label)
        by_index = self._same_index or (isinstance(label, int) and self._names is None)
        return not by_index and name.casefold() not in self._of_model and bool(self._mapped(name))

    def _mapped(self, name: str) -> tuple[int, ...]:
        members = self._mapping.get(name, {})
        if self._nameless:
            indices = {index for index in members.values() if index is not None}
            return tuple(sorted(indices)) if self._count == IMAGENET else ()
        known = (self._of_model.get(member.casefold()) for member in members)
        return tuple(sorted({index for index in known if index is not None}))


IMAGENET = 1000
"""Indices in a mapping are ImageNet's: they hold for nameless models with as many classes."""


@cache
def read_mapping(name: str) -> Mapping:
    """A file of `data/mappings`: for each class its members, and their indices where the file gives them."""
    parser = ConfigParser(allow_no_value=True, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    parser.read_string((files("explain_core.data") / "mappings" / f"{name}.txt").read_text(encoding="utf-8"))
    return {
        section: {member: None if index is None else int(index) for member, index in parser.items(section)}
        for section in parser.sections()
    }
