"""A user's weights: what fits is registered as it is, anything else is a typed error and leaves nothing behind."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from explain_core.errors import DataError, InputError, ParamError, RhoscopeError, WeightsError
from explain_core.models.architectures import Shape, build
from explain_core.models.imported import Told, import_file, import_weights
from explain_core.models.registry import find, for_clinicians, registered
from explain_core.models.zoo import load_model

TOLD = Told("mlp", {"hidden": 3}, ("ash", "birch"), 1, (4, 4), mean=(0.4,), std=(0.2,))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RHOSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def net(classes: int = 2) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return build("mlp", {"hidden": 3}, Shape(1, (4, 4), classes)).eval()


@pytest.fixture
def weights() -> bytes:
    return save(net().state_dict())


def test_weights_become_a_registered_model(weights: bytes) -> None:
    assert import_weights(weights, "mine.safetensors", "mine", TOLD) == 1
    model = load_model("registry/mine")
    x = torch.rand(2, 1, 4, 4)
    assert torch.allclose(model(x), net()((x - 0.4) / 0.2), atol=1e-6)
    assert model.classes == ("ash", "birch")
    card = find("mine").describe().card
    assert card.extra == {
        "imported": True,
        "origin": "imported by a user; by whom, how and on what it was trained is not known here",
        "file": "mine.safetensors",
    }
    assert (card.recipe, card.data, card.metrics) == ("", "", {})


def test_a_taken_name_is_taken_unless_it_is_to_be_the_next_version(weights: bytes) -> None:
    import_weights(weights, "mine.safetensors", "mine", TOLD)
    with pytest.raises(ParamError, match="'mine' is taken"):
        import_weights(weights, "mine.safetensors", "mine", TOLD)
    assert import_weights(weights, "mine.safetensors", "mine", TOLD, next_version=True) == 2


def pickled() -> bytes:
    content = io.BytesIO()
    torch.save(net().state_dict(), content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (pickled(), "is a pickle, which can run code"),
        (b"\x80\x04K\x01.", "is a pickle"),
        (b"", "damaged"),
        (b"\xff" * 64, "damaged"),
        (save(net().state_dict())[:-9], "damaged"),
        (save({}), "holds no weights"),
        (save(net(3).state_dict()), "has shape"),
        (save({**net().state_dict(), "more": torch.ones(1)}), "unexpected key 'more'"),
        (save({name: tensor * torch.nan for name, tensor in net().state_dict().items()}), "NaN"),
        (save({name: tensor * 1e38 for name, tensor in net().state_dict().items()}), "are no numbers"),
    ],
)
def test_what_is_no_such_network_is_refused(content: bytes, why: str, home: Path) -> None:
    with pytest.raises(WeightsError, match=why) as caught:
        import_weights(content, "mine.safetensors", "mine", TOLD)
    assert str(caught.value).startswith("mine.safetensors")
    assert registered() == []
    assert not home.exists()


@pytest.mark.parametrize(
    ("told", "error", "why"),
    [
        (replace(TOLD, architecture="mpl"), ParamError, "did you mean 'mlp'"),
        (replace(TOLD, knobs={"hidden": 0}), ParamError, "hidden"),
        (replace(TOLD, knobs={"depth": 3}), ParamError, "depth"),
        (replace(TOLD, classes=("ash",)), ParamError, "two or more"),
        (replace(TOLD, classes=("ash", "ash")), ParamError, "different"),
        (replace(TOLD, classes=("ash", " ")), ParamError, "names"),
        (replace(TOLD, channels=2), ParamError, "1 .grey. or 3"),
        (replace(TOLD, size=None), ParamError, "give height and width"),
        (replace(TOLD, size=(0, 4)), ParamError, "1 to 65536"),
        (replace(TOLD, kind="argmax"), WeightsError, "argmax"),
        (replace(TOLD, std=(0.0,)), WeightsError, "describes no network"),
        (replace(TOLD, mean=(0.1, 0.2)), WeightsError, "describes no network"),
    ],
)
def test_what_is_told_of_them_must_make_sense(
    weights: bytes, told: Told, error: type[RhoscopeError], why: str, home: Path
) -> None:
    with pytest.raises(error, match=why):
        import_weights(weights, "mine.safetensors", "mine", told)
    assert not home.exists()


def test_a_bad_name_and_a_missing_file_are_told(tmp_path: Path, weights: bytes) -> None:
    with pytest.raises(ParamError, match="letters"):
        import_weights(weights, "mine.safetensors", "../mine", TOLD)
    with pytest.raises(InputError, match="No such file") as caught:
        import_file(tmp_path / "none.safetensors", "mine", TOLD)
    assert not isinstance(caught.value, DataError)
    (tmp_path / "w.safetensors").write_bytes(weights)
    assert import_file(tmp_path / "w.safetensors", "mine", TOLD) == 1


def test_clinicians_are_offered_registered_models_that_are_whole(weights: bytes) -> None:
    assert for_clinicians() == []
    for name in ("ash", "birch", "cedar"):
        import_weights(weights, "mine.safetensors", name, TOLD)
    card = find("birch").folder / "card.json"
    card.chmod(0o644)
    card.write_text("{")
    (find("cedar").folder / "model.safetensors").unlink()
    assert [entry.spec for entry in for_clinicians()] == ["registry/ash@1"]
