"""The folder of a trained network: what went in comes out, bit by bit, and nothing else gets in."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from explain_core.api import explain
from explain_core.errors import ModelError, OutputError, ParamError, RhoscopeError, SpecError, WeightsError
from explain_core.methods import METHODS
from explain_core.models.architectures import Shape, build
from explain_core.models.card import CARD, WEIGHTS, Card, read_card
from explain_core.models.classifier import Classifier, InputSpec, Kind
from explain_core.models.trained import load_trained, write_trained
from explain_core.models.zoo import load_model
from explain_core.params import knobs

KNOBS: dict[str, dict[str, Any]] = {
    "preact-resnet": {"depth": 1, "width": 0.25, "activation": "hhrelu"},
    "mlp": {"hidden": 5, "activation": "relu"},
    "fcnn": {"width": 4, "activation": "relu"},
    "phantom-net": {"activation": "hhrelu"},
}


def card(name: str) -> Card:
    return Card(
        architecture=name,
        knobs=KNOBS[name],
        recipe="title = 'ψ'\n",
        data="cifar10:data/train.npz",
        data_sha256="d" * 64,
        metrics={"accuracy": 0.75, "loss": math.nan},
        seed=3,
        created="2026-11-21T12:00:00+00:00",
        extra={"note": "for the tests"},
    )


def model(name: str, side: int = 32, kind: Kind = "softmax", size: bool = True) -> Classifier:
    """A seeded network whose batch norms have seen something."""
    channels, classes = (1, ("normal", "lesion")) if kind == "binary" else (3, ("ash", "birch", "cedar"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        net = build(name, KNOBS[name], Shape(channels, (side, side), 1 if kind == "binary" else 3))
        net.train()(torch.randn(8, channels, side, side))
    input = InputSpec(channels, (side, side) if size else None, 40, smallest=side)
    made = Classifier(net, classes=classes, kind=kind, input=input, mean=(0.41,) * channels, std=(0.23,) * channels)
    return made.eval()


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    write_trained(tmp_path / "net", model("mlp", side=4), card("mlp"))
    return tmp_path / "net"


def edit(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / CARD).read_text())
    for name, value in changes.items():
        table = values["handling"] if name in values["handling"] else values
        table[name] = value
    (folder / CARD).write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("name", "kind", "size"),
    [("preact-resnet", "softmax", True), ("fcnn", "sigmoid", False), ("phantom-net", "binary", False)],
)
def test_what_is_written_comes_back_to_the_bit(tmp_path: Path, name: str, kind: Kind, size: bool) -> None:
    made, folder = model(name, kind=kind, size=size), tmp_path / "a" / "net"
    described = write_trained(folder, made, card(name))
    state = torch.get_rng_state()
    found = load_model(f"trained:{folder}")
    assert torch.equal(state, torch.get_rng_state())
    x = torch.rand(3, made.input.channels, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(load_trained(folder)(x), made(x))
    assert torch.allclose(found(x), made(x), atol=1e-5)  # convolutions with channels last round differently
    assert found.sha256() == made.sha256() == described.model_sha256
    assert (found.classes, found.kind, found.input) == (made.classes, made.kind, made.input)
    assert (found.spec, found.training) == (f"trained:{folder}", False)
    assert read_card(folder) == described
    assert {path.name for path in folder.iterdir()} == {CARD, WEIGHTS}
    assert [path.name for path in folder.parent.iterdir()] == ["net"]


def test_the_card_keeps_what_was_told(mlp: Path) -> None:
    found = read_card(mlp)
    assert found.card == replace(card("mlp"), metrics={"accuracy": 0.75, "loss": None})
    assert found.versions["torch"] == torch.__version__


def test_a_later_network_takes_the_place_of_an_earlier_one(mlp: Path) -> None:
    later = replace(card("mlp"), seed=4)
    write_trained(mlp, model("mlp", side=4), later)
    assert read_card(mlp).card.seed == 4
    assert [path.name for path in mlp.parent.iterdir()] == ["net"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "letter.txt").write_text("dear")
    (tmp_path / "file").touch()
    for name in ("notes", "file"):
        with pytest.raises(OutputError, match="something else than a trained network"):
            write_trained(tmp_path / name, model("mlp", side=4), card("mlp"))
    with pytest.raises(OutputError, match="Cannot write"):
        write_trained(tmp_path / "file" / "net", model("mlp", side=4), card("mlp"))
    assert {path.name for path in tmp_path.rglob("*")} == {"notes", "letter.txt", "file"}


def test_a_disk_that_fills_up_leaves_the_earlier_network(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = {path.name: path.read_bytes() for path in mlp.iterdir()}
    for place in ("write_text", "rename"):
        with monkeypatch.context() as patched:
            patched.setattr(Path, place, full)
            with pytest.raises(OutputError, match="No space left on device"):
                write_trained(mlp, model("mlp", side=4), card("mlp"))
        assert {path.name: path.read_bytes() for path in mlp.iterdir()} == before
    assert [path.name for path in mlp.parent.iterdir()] == ["net"]


def test_an_earlier_network_returns_where_the_later_cannot_take_its_place(
    mlp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, moves = Path.rename, list[Path]()

    def second_fails(self: Path, target: Path) -> Path:
        moves.append(self)
        if len(moves) == 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", second_fails)
    with pytest.raises(OutputError, match="Input/output error"):
        write_trained(mlp, model("mlp", side=4), replace(card("mlp"), seed=4))
    assert read_card(mlp).card.seed == 3
    assert [path.name for path in mlp.parent.iterdir()] == ["net"]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"architecture": "fcnn"}, WeightsError, "no key|No parameter"),
        ({"knobs": {"hidden": 6}}, WeightsError, "has shape"),
        ({"knobs": {"activation": "hhrelu", "hidden": 5}}, WeightsError, r"no key '2.d'.*with the card's knobs"),
    ],
)
def test_a_card_must_describe_its_network(
    tmp_path: Path, change: dict[str, Any], error: type[RhoscopeError], words: str
) -> None:
    with pytest.raises(error, match=words):
        write_trained(tmp_path / "net", model("mlp", side=4), replace(card("mlp"), **change))
    assert list(tmp_path.iterdir()) == []


def test_only_plain_values_join_a_card(tmp_path: Path) -> None:
    for value in (math.inf, {1, 2}, tmp_path):
        with pytest.raises(ParamError, match=r"a card holds plain values only"):
            write_trained(tmp_path / "net", model("mlp", side=4), replace(card("mlp"), extra={"value": value}))
    assert list(tmp_path.iterdir()) == []


def test_nan_is_not_written(tmp_path: Path) -> None:
    made = model("mlp", side=4)
    with torch.no_grad():
        next(made.net.parameters()).fill_(math.nan)
    with pytest.raises(WeightsError, match="NaN or infinity"):
        write_trained(tmp_path / "net", made, card("mlp"))


def test_another_text_of_the_same_weights_is_noticed(tmp_path: Path) -> None:
    """Strides leave no trace in the weights; the classifier's own text tells."""
    made = model("mlp", side=4)
    made.net.add_module("7", torch.nn.ReLU())
    with pytest.raises(ModelError, match="the network is no mlp with these knobs"):
        write_trained(tmp_path / "net", made, card("mlp"))


def _drop(folder: Path, key: str) -> None:
    tensors = load_file(folder / WEIGHTS)
    del tensors[key]
    save_file(tensors, folder / WEIGHTS)


def _swap(folder: Path) -> None:
    save_file({key: tensor + 1 for key, tensor in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: edit(folder, format=2), "has format 2, this Rhoscope reads 1; update"),
    (lambda folder: (folder / CARD).unlink(), "No such file"),
    (lambda folder: (folder / CARD).write_text("{"), "is damaged"),
    (lambda folder: (folder / CARD).write_text("[" * 100_000), "is damaged"),
    (lambda folder: (folder / CARD).write_bytes(b"\xff\xfe"), "is damaged"),
    (lambda folder: (folder / CARD).write_text("[]"), "is no card"),
    (lambda folder: (folder / WEIGHTS).unlink(), "No such file"),
    (lambda folder: (folder / WEIGHTS).write_bytes(b"\x80"), "is a pickle"),
    (lambda folder: (folder / WEIGHTS).write_bytes(b"nothing"), "is damaged"),
    (lambda folder: _drop(folder, "1.bias"), "no key '1.bias'"),
    (_swap, "is not the file that card.json was written for"),
    (lambda folder: edit(folder, architecture="fcnn", knobs={"width": 4}), "no key '0.weight'|has shape"),
    (lambda folder: edit(folder, architecture="transformer"), "No architecture 'transformer'"),
    (lambda folder: edit(folder, knobs={"hidden": 0}), "between 1 and 4096"),
    (lambda folder: edit(folder, seed="three"), "'seed': a str stands where a int"),
    (lambda folder: edit(folder, kind="regression"), "kind 'regression'"),
    (lambda folder: edit(folder, kind="binary"), "a binary classifier needs two"),
    (lambda folder: edit(folder, channels=2), "2 channels"),
    (lambda folder: edit(folder, size=[4]), "height and width"),
    (lambda folder: edit(folder, size=[4, 10**9]), "1 to 65536"),
    (lambda folder: edit(folder, size=[4, True]), "a whole number of pixels"),
    (lambda folder: edit(folder, size=[4, 5]), "has shape"),
    (lambda folder: edit(folder, std=[math.nan]), "finite numbers"),
    (lambda folder: edit(folder, std=[0.0]), "it must be positive"),
    (lambda folder: edit(folder, mean=[]), "finite numbers"),
    (lambda folder: edit(folder, mean=[10**400]), "finite numbers"),
    (lambda folder: edit(folder, classes=["ash", 2, "cedar"]), "a name is no text"),
    (lambda folder: edit(folder, metrics={"accuracy": "high"}), "a figure is no number"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGE, ids=[words for _, words in DAMAGE])
def test_damage_is_named_in_a_line(mlp: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(mlp)
    with pytest.raises(WeightsError, match=words) as caught:
        load_model(f"trained:{mlp}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("trained:/nowhere/net", "there is no folder of that name"),
        ("trained", "the form is trained:FOLDER"),
        ("trained:", "did you mean 'trained'"),
        ("trained/net", "the form is trained:FOLDER"),
        ("trained@net", "the form is trained:FOLDER"),
    ],
)
def test_specs_of_no_folder(spec: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_model(spec)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_card_breaks_the_reader(mlp: Path, data: st.DataObject) -> None:
    text = (mlp / CARD).read_text()
    values = json.loads(text)
    table = data.draw(st.sampled_from([values, values["handling"], values["knobs"]]))
    table[data.draw(st.sampled_from(sorted(table)))] = data.draw(ANY)
    (mlp / CARD).write_text(json.dumps(values))
    fault = ""
    try:
        load_trained(mlp)
    except WeightsError as error:
        fault = str(error)
    finally:
        (mlp / CARD).write_text(text)
    assert "\n" not in fault


FEW = {"steps": 15, "samples": 15}


def test_every_method_that_can_explains_a_trained_network(tmp_path: Path) -> None:
    write_trained(tmp_path / "net", model("fcnn", side=16), card("fcnn"))
    found = load_model(f"trained:{tmp_path}/net")
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    tried = [name for name, method in METHODS.items() if not method.cannot(found)]
    for name in tried:
        few = {knob.name: FEW[knob.name] for knob in knobs(METHODS[name].params) if knob.name in FEW}
        (answer,) = explain(found, x, name, target=1, **few)
        assert np.isfinite(answer.saliency).all()
    assert len(tried) >= len(METHODS) - 2


def test_folders_may_be_named_by_home(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(mlp.parent))
    assert load_model(f"trained:~{os.sep}net").spec == "trained:~/net"
