"""Weights fit their network exactly, or the error names the key, both shapes and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from explain_core.errors import WeightsError
from explain_core.models.weights import blank, count_classes, fill, read_weights, undrawn


def net(classes: int = 3) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, classes))


def state() -> dict[str, Tensor]:
    return undrawn(net).state_dict()


def load(tensors: dict[str, Tensor]) -> nn.Module:
    return fill(blank(net), tensors, "w.safetensors", "a-net")


def test_weights_arrive_in_eval_mode_and_nothing_is_drawn(tmp_path: Path) -> None:
    before, wanted = torch.get_rng_state(), state()
    save_file(wanted, tmp_path / "w.safetensors")
    filled = load(read_weights(tmp_path / "w.safetensors"))
    assert not filled.training
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in filled.state_dict().items())
    assert torch.equal(before, torch.get_rng_state())


def test_half_precision_is_widened_and_batch_counts_may_be_absent() -> None:
    tensors = {key: value.half() for key, value in state().items() if not key.endswith("num_batches_tracked")}
    filled = load(tensors)
    assert filled.state_dict()["0.weight"].dtype == torch.float32
    assert filled.state_dict()["1.num_batches_tracked"] == 0


def without(tensors: dict[str, Tensor]) -> None:
    del tensors["3.bias"]


def with_more(tensors: dict[str, Tensor]) -> None:
    tensors["9.bias"] = torch.zeros(2)


def with_another_shape(tensors: dict[str, Tensor]) -> None:
    tensors["0.weight"] = torch.zeros(4, 3, 3, 3)


def with_integers(tensors: dict[str, Tensor]) -> None:
    tensors["0.bias"] = torch.zeros(4, dtype=torch.int8)


def with_nan(tensors: dict[str, Tensor]) -> None:
    tensors["1.running_var"][2] = float("nan")


def with_infinity(tensors: dict[str, Tensor]) -> None:
    tensors["3.weight"][0, 0] = float("inf")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without, r"no key '3.bias', expected with shape \(3,\); give weights saved from a-net"),
        (with_more, r"unexpected key '9.bias' with shape \(2,\)"),
        (with_another_shape, r"'0.weight' has shape \(4, 3, 3, 3\), expected \(4, 1, 3, 3\)"),
        (with_integers, r"'0.bias' has type torch.int8, expected torch.float32"),
        (with_nan, r"'1.running_var' \(4,\) holds NaN or infinity"),
        (with_infinity, r"'3.weight' \(3, 4\) holds NaN or infinity"),
    ],
)
def test_what_does_not_fit_is_named(spoil: Callable[[dict[str, Tensor]], None], words: str) -> None:
    tensors = state()
    spoil(tensors)
    with pytest.raises(WeightsError, match=f"^w.safetensors: {words}") as caught:
        load(tensors)
    assert "\n" not in str(caught.value)


def test_several_faults_are_counted() -> None:
    with pytest.raises(WeightsError, match=r"\(and 6 more keys\)"):
        load({"3.weight": torch.zeros(3, 4)})


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_is_refused_without_being_read(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "w.safetensors"
    torch.save(state(), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match=r"is a pickle.*convert it.*weights_only=True"):
        read_weights(path)


def test_missing_cut_off_and_empty_files(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    with pytest.raises(WeightsError, match="No such file"):
        read_weights(path)
    save_file(state(), path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(path)
    save_file({}, path)
    with pytest.raises(WeightsError, match="holds no weights"):
        read_weights(path)
    with pytest.raises(WeightsError):
        read_weights(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_weights_or_a_weights_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_classes_are_counted_from_the_head() -> None:
    tensors = undrawn(lambda: net(7)).state_dict()
    assert count_classes(net, tensors, default=3) == 7
    assert count_classes(net, {}, default=3) == 3


class Remembers(nn.Module):
    """Keeps a tensor outside its state dict, which the meta device would lose."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(3.0), persistent=False)
        self.head = nn.Linear(2, 2)


class Computes(nn.Module):
    """Needs a number while it is built, which the meta device has not."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(int(torch.tensor(2.0).item()), 2)


def test_networks_that_the_meta_device_cannot_build() -> None:
    before = torch.get_rng_state()
    assert blank(Remembers).get_buffer("scale") == 3
    assert blank(Computes).get_parameter("head.weight").shape == (2, 2)
    assert torch.equal(before, torch.get_rng_state())
