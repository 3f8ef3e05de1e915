"""Data as cases: labels by index, name and mapping, one case a class, and what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models._meta import _IMAGENET_CATEGORIES

from explain_core.data.annotation import Annotation, Box, Region
from explain_core.data.images import Picture
from explain_core.data.names import numbered
from explain_core.data.sources import DataSet, Item, load_data
from explain_core.data.sources.voc import CLASSES as VOC
from explain_core.errors import DataError, ImageError
from explain_core.evaluation.cases import Predict, cases_of
from explain_core.evaluation.vocabulary import read_mapping
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.zoo import load_model
from explain_core.records import Floats

IMAGENET = tuple(_IMAGENET_CATEGORIES)


def model(classes: Sequence[str]) -> Classifier:
    """Takes the middle 4 × 4 of a picture whose short side is made 8."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, len(classes)))
    return Classifier(net, classes=classes, kind="softmax", input=InputSpec(1, (4, 4), 8), spec="net").eval()


def item(name: str = "a", label: int | str | None = None, regions: Sequence[Region] | None = None) -> Item:
    """A grey picture of 8 × 16."""
    marks = None if regions is None else lambda: Annotation((8, 16), tuple(regions))
    return Item(name, lambda: Picture(np.full((1, 8, 16), 0.5, np.float32), ""), label, marks)


def data(*items: Item, classes: tuple[str, ...] | None = None, mapping: str | None = None) -> DataSet:
    return DataSet("test", items, classes, mapping=mapping)


def nobody(pixels: Sequence[Floats]) -> list[Floats]:
    raise AssertionError("no prediction is needed")


def scores(**by_index: float) -> Predict:
    """Probabilities that are 0 but for c7=0.5 and the like."""
    row = np.zeros(1000, np.float32)
    for name, value in by_index.items():
        row[int(name[1:])] = value
    return lambda pixels: [row] * len(pixels)


@pytest.mark.parametrize(
    ("label", "classes", "of_model", "expected"),
    [
        (1, None, ("a", "b", "c"), 1),  # the set has no names
        (1, ("a", "b", "c"), numbered(3), 1),  # the model has none
        ("b", ("a", "b", "c"), numbered(3), 1),
        (1, ("A", "b"), ("a", "B"), 1),  # the same names
        (0, ("cat", "dog"), ("Dog", "fish", "CAT"), 2),  # by name
        ("dog", ("cat", "dog"), ("Dog", "fish", "CAT"), 0),
        (0, ("cat", "dog"), numbered(3), None),  # as many as it has is not known
        (3, None, ("a", "b", "c"), None),
        (5, ("a", "b"), ("a", "b"), None),
        ("x", ("a", "x"), ("a", "b"), None),
        (None, ("a", "b"), ("a", "b"), None),
    ],
)
def test_a_label_is_the_models_class(
    label: int | str | None, classes: tuple[str, ...] | None, of_model: tuple[str, ...], expected: int | None
) -> None:
    (case,) = cases_of(data(item(label=label), classes=classes), model(of_model), predict=nobody).cases
    assert case.label == expected
    assert case.flags == (("no-class",) if expected is None and label is not None else ())


def test_pixels_and_window_are_the_models() -> None:
    (case,) = cases_of(data(item(label=0)), model(("a", "b")), predict=nobody).cases
    assert case.pixels.shape == (1, 4, 4)
    assert case.window is not None
    assert (case.window.top, case.window.left, case.window.height, case.window.width) == (2, 6, 4, 4)


DOG, CAT = Region("dog", Box(0, 0, 3, 7)), Region("cat", Box(0, 8, 7, 15), difficult=True)
PERSON = Region("person", Box(0, 0, 7, 7))


def test_one_case_for_each_class_that_is_present() -> None:
    small = Region("cat", Box(3, 8, 3, 8), difficult=True)
    marked = data(item(regions=[DOG, CAT, DOG, small]), classes=("cat", "dog"))
    dog, cat = cases_of(marked, model(("cat", "dog")), predict=nobody, per_class=True).cases
    assert (dog.name, dog.label, cat.name, cat.label) == ("a dog", 1, "a cat", 0)
    assert dog.annotation is not None
    assert cat.annotation is not None
    assert [region.name for region in dog.annotation.regions] == ["dog", "dog"]
    assert dog.annotation.size == (8, 16)
    assert (dog.flags, cat.flags) == ((), ("all-difficult",))  # areas 64 and 65 of 128


def test_the_difficult_subset() -> None:
    quarter = Region("dog", Box(0, 6, 3, 13))  # 32 of 128 pixels is not below a quarter
    less = Region("dog", Box(0, 6, 3, 12))
    for regions, flags in (
        ([quarter, CAT], ()),
        ([less, CAT], ("hard",)),
        ([less], ()),
        ([less, less, CAT], ()),
    ):
        marked = data(item(regions=regions), classes=("cat", "dog"))
        first, *_ = cases_of(marked, model(("cat", "dog")), predict=nobody, per_class=True).cases
        assert first.flags == flags


@pytest.mark.parametrize(
    ("box", "flags"), [(Box(0, 0, 7, 5), ("out-of-view",)), (Box(0, 0, 7, 6), ()), (Box(6, 0, 7, 15), ("out-of-view",))]
)
def test_objects_outside_of_what_is_seen(box: Box, flags: tuple[str, ...]) -> None:
    """The model sees rows 2 to 5 and columns 6 to 9."""
    marked = data(item(regions=[Region("dog", box)]), classes=("dog", "cat"))
    (case,) = cases_of(marked, model(("cat", "dog")), predict=nobody, per_class=True).cases
    assert case.flags == flags


def test_a_picture_with_one_label_is_one_case() -> None:
    regions = [Region("benign", Box(0, 0, 1, 1)), Region("malignant", Box(4, 4, 5, 5))]
    marked = data(item(label=1, regions=regions), item("b", 0, []), classes=("benign", "malignant"))
    known = model(("benign", "malignant"))
    (film, clear) = cases_of(marked, known, predict=nobody, per_class=True).cases
    assert (film.name, film.label, clear.label) == ("a", 1, 0)
    assert film.annotation is not None
    assert film.annotation.names == ("malignant",)
    assert clear.annotation is not None
    assert clear.annotation.regions == ()
    (film, _) = cases_of(marked, known, predict=nobody).cases
    assert film.annotation is not None
    assert film.annotation.names == ("benign", "malignant")


def test_what_cannot_be_read_is_left_out_and_told() -> None:
    def broken() -> Picture:
        raise ImageError("The file is empty: save or copy it again.")

    small = Item("small", item().load, 0, lambda: Annotation((4, 4)))
    found = cases_of(data(Item("broken", broken, 0), small, item(label=0)), model(("a", "b")), predict=nobody)
    assert [case.name for case in found.cases] == ["a"]
    assert found.left_out == (
        "broken: The file is empty: save or copy it again.",
        "small: marked in 4 × 4 pixels, but the picture has 16 × 8.",
    )


def test_a_class_that_the_model_lacks_is_left_out_per_class() -> None:
    marked = data(item(regions=[DOG, PERSON]), item("b", regions=[PERSON]), classes=("dog", "person"))
    found = cases_of(marked, model(("cat", "dog")), predict=nobody, per_class=True)
    assert [case.name for case in found.cases] == ["a dog"]
    assert found.left_out == (
        "a person: the model has no class for 'person'.",
        "b person: the model has no class for 'person'.",
    )


def test_no_class_in_common_is_a_mistake() -> None:
    with pytest.raises(DataError, match=r"net has none of the classes of test \(dog, person"):
        cases_of(data(item(), classes=("dog", "person")), model(("a", "b")), predict=nobody, per_class=True)


@pytest.mark.parametrize("classes", [IMAGENET, numbered(1000)])
def test_a_mapped_class_is_its_most_probable_member(classes: tuple[str, ...]) -> None:
    marked = data(item(regions=[DOG, PERSON]), classes=VOC, mapping="voc-imagenet")
    found = cases_of(marked, model(classes), predict=scores(c207=0.2, c208=0.3, c281=0.5), per_class=True)
    (case,) = found.cases
    assert (case.name, case.label, case.flags) == ("a dog", 208, ())
    assert len(found.left_out) == 1


@pytest.mark.parametrize(("others", "flags"), [(4, ()), (5, ("outside-top-5",))])
def test_a_target_outside_the_top_five_is_flagged(others: int, flags: tuple[str, ...]) -> None:
    marked = data(item(regions=[DOG]), classes=VOC, mapping="voc-imagenet")
    ahead = {f"c{index}": 0.1 for index in range(others)}
    (case,) = cases_of(marked, model(IMAGENET), predict=scores(c200=0.05, **ahead), per_class=True).cases
    assert (case.label, case.flags) == (200, flags)


def test_voc_in_imagenet() -> None:
    mapping = read_mapping("voc-imagenet")
    assert tuple(mapping) == VOC
    pairs = [(name, index) for members in mapping.values() for name, index in members.items()]
    assert all(index is not None and IMAGENET[index] == name for name, index in pairs)
    assert len(set(pairs)) == len(pairs)  # none belongs to two classes
    counts = {name: len(members) for name, members in mapping.items()}
    assert [name for name, count in counts.items() if not count] == ["person"]
    assert (counts["dog"], counts["bird"], counts["cat"]) == (118, 59, 5)


@pytest.mark.parametrize(
    ("label", "classes", "expected"),
    [(0, ("normal", "lesion"), 0), (1, ("normal", "lesion"), 1), (2, ("normal", "lesion"), 1),
     (2, ("Healthy", "Abnormal"), 1), (1, ("benign", "malignant"), 0), (0, ("benign", "malignant"), None),
     (1, ("normal", "cancer"), None)],
)  # fmt: skip
def test_films_are_asked_about_what_the_model_knows(label: int, classes: tuple[str, ...], expected: int | None) -> None:
    films = data(item(label=label), classes=("normal", "benign", "malignant"), mapping="films")
    half = np.array([0.5, 0.5], np.float32)
    (case,) = cases_of(films, model(classes), predict=lambda pixels: [half for _ in pixels]).cases
    assert case.label == expected


def test_phantoms_suit_the_embedded_model() -> None:
    found = cases_of(load_data("phantom:4,0"), load_model("demo"), predict=nobody, per_class=True)
    assert [case.label for case in found.cases] == [0, 1, 0, 1]
    assert all(case.flags == () for case in found.cases)
    lesion = found.cases[1].annotation
    assert lesion is not None
    assert 0 < lesion.mask().mean() < 0.05


@pytest.mark.parametrize(("name", "inside"), [("mobilenet_v2", 45), ("squeezenet1_1", 38)])
def test_the_photographs_of_voc(name: str, inside: int, shared_data: Path) -> None:
    network = load_model(f"torchvision/{name}@{shared_data / 'imagenet' / f'{name}.safetensors'}")

    def predict(pixels: Sequence[Floats]) -> list[Floats]:
        with torch.no_grad():
            rows = (network.probabilities(network(torch.tensor(one)[None])) for one in pixels)
            return [row[0].numpy() for row in rows]

    found = cases_of(load_data(f"voc:{shared_data / 'voc'}"), network, predict=predict, per_class=True)
    assert len(found.cases) == 70
    assert len(found.left_out) == 23
    assert all(line.endswith("'person'.") for line in found.left_out)
    assert sum("outside-top-5" not in case.flags for case in found.cases) == inside
