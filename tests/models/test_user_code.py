"""A user's own factory: any network, if it says what its output means; only from where code is allowed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from explain_core.errors import ModelError, SpecError, WeightsError
from explain_core.models.zoo import load_model

NET = """
import torch
from torch import nn

def bare():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, {outputs}))

def make():
    net = bare()
    net.rhoscope = {declared}
    return net
"""
SOFTMAX = {"kind": "softmax", "channels": 1}


def write(folder: Path, declared: object = None, outputs: int = 3, more: str = "") -> Path:
    path = folder / "nets.py"
    path.write_text(NET.format(declared=declared, outputs=outputs) + more, encoding="utf-8")
    return path


def test_a_declared_network(tmp_path: Path) -> None:
    declared = {**SOFTMAX, "classes": ["a", "b", "c"], "size": 16, "mean": [0.5], "std": [0.25]}
    before, paths = torch.get_rng_state(), list(sys.path)
    spec = f"{write(tmp_path, declared)}:make"
    model = load_model(spec)
    assert (model.classes, model.kind, model.input.size, model.spec) == (("a", "b", "c"), "softmax", (16, 16), spec)
    x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(x), model.net((x - 0.5) / 0.25))
    assert not model.training
    assert torch.equal(before, torch.get_rng_state())
    assert sys.path == paths
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("kind", "outputs", "classes"),
    [
        ("softmax", 3, ("class 0", "class 1", "class 2")),
        ("sigmoid", 1, ("class 0",)),
        ("binary", 1, ("negative", "positive")),
    ],
)
def test_classes_are_counted_where_they_are_not_named(
    tmp_path: Path, kind: str, outputs: int, classes: tuple[str, ...]
) -> None:
    declared = {"kind": kind, "channels": 1}
    assert load_model(f"{write(tmp_path, declared, outputs)}:make").classes == classes


def test_a_classifier_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("CLASSES = ('left', 'right')\n", encoding="utf-8")
    more = """
def whole():
    from explain_core.models.classifier import Classifier, InputSpec
    from beside import CLASSES
    return Classifier(bare(), classes=CLASSES, kind="softmax", input=InputSpec(1))
from beside import CLASSES
"""
    model = load_model(f"{write(tmp_path, outputs=2, more=more)}:whole")
    assert model.classes == ("left", "right")
    sys.modules.pop("beside")


def test_weights_go_into_the_network(tmp_path: Path) -> None:
    path, weights = write(tmp_path, SOFTMAX), tmp_path / "w.safetensors"
    tensors = {key: torch.full_like(value, 0.5) for key, value in load_model(f"{path}:make").net.state_dict().items()}
    save_file(tensors, weights)
    assert torch.equal(load_model(f"{path}:make@{weights}").net.state_dict()["3.bias"], torch.full((3,), 0.5))
    save_file({**tensors, "3.bias": torch.zeros(4)}, weights)
    with pytest.raises(WeightsError, match=r"'3.bias' has shape \(4,\), expected \(3,\); give.*nets.py:make"):
        load_model(f"{path}:make@{weights}")


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (None, "does not say what its output means; let the module carry it: net.rhoscope"),
        ({"channels": 1}, "does not declare 'kind', and it is never guessed"),
        ({"kind": "softmax"}, "does not declare 'channels'"),
        ({**SOFTMAX, "clases": ["a"]}, "did you mean 'classes'"),
        ({**SOFTMAX, "kind": "soft"}, "kind 'soft': it must be one of"),
        ({**SOFTMAX, "channels": 2}, "2 input channels"),
        ({**SOFTMAX, "channels": 3}, r"fails on an input of shape \(1, 3, 64, 64\)"),
        ({**SOFTMAX, "classes": ["a", "b"]}, r"the output has shape \(1, 3\), but 2 classes"),
        ({**SOFTMAX, "kind": "binary"}, "3 outputs, but a binary classifier has one logit"),
        ({**SOFTMAX, "mean": ["dark"]}, "wrong type"),
        ({**SOFTMAX, "size": [3]}, "wrong type"),
    ],
)
def test_what_a_network_must_declare(tmp_path: Path, declared: object, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        load_model(f"{write(tmp_path, declared)}:make")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "function", "words"),
    [
        ("", "mkae", "did you mean 'make'"),
        ("def broken():\n    return 1 / 0\n", "broken", "failed: ZeroDivisionError"),
        ("def number():\n    return 7\n", "number", "returned a int"),
        ("def :\n", "make", "failed: SyntaxError"),
        ("import not_there_at_all\n", "make", "failed: ModuleNotFoundError"),
    ],
)
def test_files_that_do_not_work(tmp_path: Path, more: str, function: str, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        load_model(f"{write(tmp_path, SOFTMAX, more=more)}:{function}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="there is no file"):
        load_model(f"{tmp_path}/none.py:make")


def test_code_is_run_only_from_the_folder_opened_for_it(tmp_path: Path) -> None:
    opened, other = tmp_path / "opened", tmp_path / "other"
    opened.mkdir()
    other.mkdir()
    trap = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"
    inside, outside = write(opened, SOFTMAX), write(other, SOFTMAX, more=trap)
    (opened / "link.py").symlink_to(outside)
    assert load_model(f"{inside}:make", allow_code=opened).kind == "softmax"
    for spec in (
        f"{outside}:make",
        f"{opened}/../other/nets.py:make",
        f"{opened}/link.py:make",
        f"{outside}:make@/../..{opened}/nets.py:make",
    ):
        with pytest.raises(SpecError, match="outside the folder"):
            load_model(spec, allow_code=opened)
    with pytest.raises(SpecError, match="--allow-code DIR"):
        load_model(f"{inside}:make", allow_code=None)
    assert not (other / "ran").exists()
