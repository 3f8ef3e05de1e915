"""The table of data readers.  To add one: write its file, add its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from explain_core.data.sources.arrays import read_npz
from explain_core.data.sources.base import DataSet, Item, Source
from explain_core.data.sources.cbis import read_cbis
from explain_core.data.sources.cifar import read_cifar10
from explain_core.data.sources.coco import read_coco
from explain_core.data.sources.folders import read_folder
from explain_core.data.sources.imagenet import read_imagenet
from explain_core.data.sources.inbreast import read_inbreast
from explain_core.data.sources.jsrt import read_jsrt
from explain_core.data.sources.jsrt_crops import read_jsrt_crops
from explain_core.data.sources.manifests import read_manifest
from explain_core.data.sources.mias import read_mias
from explain_core.data.sources.mnist import read_mnist
from explain_core.data.sources.phantoms import read_patches, read_phantoms
from explain_core.data.sources.tables import read_csv
from explain_core.data.sources.voc import read_voc
from explain_core.errors import DataError, suggest

__all__ = ["SOURCES", "DataSet", "Item", "Source", "load_data"]

ROWS: tuple[Source, ...] = (
    Source("phantom:N,SEED", "Synthetic mammograms, half of them with lesions known to the pixel.", read_phantoms),
    Source("phantom-patches:N,SEED", "Patches of other synthetic mammograms, to learn from.", read_patches),
    Source("folder:DIR", "Pictures in sub-folders, one for each class; or flat, without labels.", read_folder),
    Source("csv:FILE", "A table of files and labels, with boxes or masks.", read_csv),
    Source("npz:FILE", "Arrays: x (uint8) or jpeg and offset, and y.", read_npz),
    Source("cifar10:DIR", "CIFAR-10's test pictures, binary version; downloaded into an empty folder.", read_cifar10),
    Source("mnist:DIR", "MNIST's test pictures; downloaded into an empty folder.", read_mnist),
    Source("imagenet:DIR", "ImageNet photographs, with boxes where there are.", read_imagenet),
    Source("voc:DIR", "Pascal VOC photographs, with boxes.", read_voc),
    Source("coco:FILE", "COCO photographs, with masks.", read_coco),
    Source("mias:DIR", "mini-MIAS mammograms, with circles.", read_mias),
    Source("cbis:DIR", "CBIS-DDSM mammograms, with masks.", read_cbis),
    Source("inbreast:DIR", "INbreast mammograms, with outlines.", read_inbreast),
    Source("jsrt:DIR", "JSRT chest radiographs, with circles.", read_jsrt),
    Source("jsrt-crops:DIR,K", "K regions of each of JSRT's films, to learn from.", read_jsrt_crops),
    Source("manifest:NAME[@VERSION]", "A data set of the library, as long as it is what it was.", read_manifest),
)

SOURCES: Mapping[str, Source] = MappingProxyType({row.form.partition(":")[0]: row for row in ROWS})


TOGETHER = " + "


def load_data(spec: str) -> DataSet:
    """The data set that a spec (FORM:WHERE) names, its pictures unread; raises DataError.

    Several specs with ` + ` between them are one set: the same classes, names numbered by their part.
    """
    parts = [_one(part.strip()) for part in spec.split(TOGETHER)]
    return parts[0] if len(parts) == 1 else together(spec, parts)


def together(spec: str, parts: Sequence[DataSet]) -> DataSet:
    """The parts as one set; raises DataError where their classes differ."""
    first = parts[0]
    for part in parts[1:]:
        if part.classes != first.classes:
            own, other = (", ".join(one.classes or ("numbers",)) for one in (first, part))
            raise DataError(f"{part.spec} has the classes {other}, but {first.spec} has {own}; name them alike.")
    items = tuple(replace(item, name=f"{number} {item.name}") for number, part in enumerate(parts, 1) for item in part)
    citation = " ".join(dict.fromkeys(part.citation for part in parts if part.citation))
    terms = " ".join(dict.fromkeys(part.terms for part in parts if part.terms))
    return replace(first, spec=spec, items=items, citation=citation, terms=terms)


def _one(spec: str) -> DataSet:
    form, colon, argument = spec.partition(":")
    if form not in SOURCES:
        raise DataError(f"Data {spec!r} is of no known form: {suggest(form, SOURCES)}")
    row = SOURCES[form]
    if not colon or not argument:
        raise DataError(f"Data {spec!r}: the form is {row.form}.")
    data = row.read(spec, argument)
    if len({item.name for item in data}) < len(data):  # records are kept by name
        raise DataError(f"{spec}: two pictures have the same name; each needs its own.")
    return data
