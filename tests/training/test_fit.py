"""The loop: it learns, it goes on where it was to the last bit, and it says why it cannot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from explain_core.data.images import Picture
from explain_core.data.sources import DataSet, Item
from explain_core.errors import Cancelled, DataError, OutputError, ParamError, TrainingError
from explain_core.models.architectures import build
from explain_core.models.architectures.base import Shape
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.training import fit as loop
from explain_core.training.checkpoint import FILE
from explain_core.training.fit import Training
from explain_core.training.pictures import Pictures
from explain_core.training.recipe import load_recipe, parse_recipe
from explain_core.training.telling import CURVES, Alone
from explain_core.training.terms import TERMS

SIDE, CLASSES = 8, 3
EVERYTHING = """
title = "Everything at once"
[network]
architecture = "preact-resnet-narrow"
[schedule]
epochs = 3
batch = 4
rate = 0.05
ema = 0.9
validation = 0.2
keep = "best"
[terms.crop-and-flip]
pad = 1
[terms.adversarial]
steps = 2
share = 0.5
[terms.gaussian-noise]
[terms.noise-modulation]
[terms.cross-entropy]
[terms.lipschitz]
target = 1.0
[terms.output-zeroing]
[terms.kernels]
l1 = 1e-4
l2 = 1e-4
"""


def blobs(count: int = 22, labels: list[Any] | None = None) -> DataSet:
    """Pictures whose brightest third tells their class."""
    drawn = np.random.default_rng(0)
    items = []
    for place in range(count):
        label = place % CLASSES if labels is None else labels[place]
        pixels = drawn.random((1, SIDE, SIDE)).astype(np.float32) * 0.5
        column = (place % CLASSES) * 3
        pixels[:, :, column : column + 2] += 0.4
        items.append(Item(f"blob {place}", lambda pixels=pixels: Picture(pixels, ""), label))  # type: ignore[misc]
    return DataSet("blobs", tuple(items))


def net_of(activation: str = "hhrelu") -> Classifier:
    torch.manual_seed(0)
    net = build("one-layer", {"activation": activation}, Shape(1, (SIDE, SIDE), CLASSES))
    return Classifier(net, classes=tuple("abc"), kind="softmax", input=InputSpec(1, (SIDE, SIDE)), spec="tiny")


def training(out: Path, text: str = EVERYTHING, **more: Any) -> Training:
    recipe = parse_recipe(text.replace("preact-resnet-narrow", "one-layer"))
    pictures = Pictures.of(blobs(), InputSpec(1, (SIDE, SIDE)))
    values = {"model": net_of(), "held_out": pictures, "question": "q", **more}
    return Training(recipe, pictures=pictures, out=out, **values)


class Stopping(Alone):
    """Cancels after some steps."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def cancelled(self) -> bool:
        self.left -= 1
        return self.left < 0


def weights(run: Training) -> Mapping[str, torch.Tensor]:
    return run.model.net.state_dict()


@pytest.mark.parametrize("after", [1, 5, 9, 13])
def test_stopped_and_taken_up_it_ends_the_same_to_the_last_bit(tmp_path: Path, after: int) -> None:
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = training(tmp_path / "whole")
    assert whole.steps == 15
    whole.run()
    with pytest.raises(Cancelled, match=f"step {after}"):
        training(tmp_path / "parts", listener=Stopping(after)).run()
    again = training(tmp_path / "parts")
    with torch.random.fork_rng():
        torch.manual_seed(99)
        again.run()
    assert all(torch.equal(value, weights(again)[name]) for name, value in weights(whole).items())
    told = [
        [json.loads(line) for line in (tmp_path / name / CURVES).read_text().splitlines()]
        for name in ("whole", "parts")
    ]
    steps = [[entry["step"] for entry in lines if "validation loss" in entry] for lines in told]
    assert steps[0] == steps[1] == [5, 10, 15]
    assert [entry["ψ"] for entry in told[0] if "ψ" in entry][-1] == [entry["ψ"] for entry in told[1] if "ψ" in entry][
        -1
    ]


def test_it_learns(tmp_path: Path) -> None:
    run = training(
        tmp_path, EVERYTHING.split("[terms.crop")[0].replace("epochs = 3", "epochs = 20") + "[terms.cross-entropy]"
    )
    run.run()
    assert run.place.best == 1.0


def test_the_best_epoch_is_kept(tmp_path: Path) -> None:
    run = training(tmp_path)
    kept: dict[int, dict[str, torch.Tensor]] = {}
    judge = run.judge

    def judged() -> None:
        judge()
        shown = run.parts.average
        assert shown is not None
        kept[run.place.epoch] = {name: value.clone() for name, value in shown.values.items()}

    run.judge = judged  # type: ignore[method-assign]
    run.run()
    best = kept[run.place.best_epoch]
    assert all(torch.equal(value, best[name]) for name, value in weights(run).items() if name in best)


def test_beta_one_is_standard_training_to_the_last_bit(tmp_path: Path) -> None:
    plain = EVERYTHING.split("[terms.crop")[0] + "[terms.cross-entropy]\n"
    runs = []
    for name, text in (("a", plain), ("b", plain + "[terms.noise-modulation]\nbeta = 1.0\n")):
        (tmp_path / name).mkdir()
        runs.append(training(tmp_path / name, text))
        runs[-1].run()
    assert all(torch.equal(value, weights(runs[1])[name]) for name, value in weights(runs[0]).items())


def test_a_loss_that_is_no_number_stops_and_names_step_and_term(tmp_path: Path) -> None:
    run = training(tmp_path)
    step = run.step

    def breaking(places: Any, epoch: int) -> None:
        if run.place.step == 7:
            with torch.no_grad():
                next(run.model.net.parameters()).fill_(float("nan"))
        step(places, epoch)

    run.step = breaking  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"Step 8 \(epoch 2\): the term cross-entropy is nan.*schedule\.rate"):
        run.run()
    again = training(tmp_path)
    again.run()
    assert again.place.step == 15


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = training(tmp_path, listener=Stopping(5))
    with pytest.raises(Cancelled):
        run.run()
    before = (tmp_path / FILE).read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("explain_core.training.checkpoint.save_file", full)
    with pytest.raises(OutputError, match=r"No space left on device.*the one before is kept"):
        training(tmp_path).run()
    assert (tmp_path / FILE).read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [FILE, CURVES]


def test_a_checkpoint_of_another_question_network_or_none(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        training(tmp_path, listener=Stopping(2)).run()
    with pytest.raises(TrainingError, match="another recipe or other data"):
        training(tmp_path, question="other").run()
    torch.manual_seed(0)
    net = build("mlp", {}, Shape(1, (SIDE, SIDE), CLASSES))
    other = Classifier(net, classes=tuple("abc"), kind="softmax", input=InputSpec(1, (SIDE, SIDE)), spec="tiny")
    with pytest.raises(TrainingError, match="another architecture"):
        training(tmp_path, model=other).run()
    (tmp_path / FILE).write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="damaged: delete it"):
        training(tmp_path).run()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 6, r"every picture is of class|has 1 class"),
        ([0, 1, 2, 7, -1, 0], r"label -1"),
        ([0, 1, None, 1, 0, 1], r"blob 2 has no label"),
    ],
)
def test_labels_that_cannot_be_learnt(labels: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Pictures.of(blobs(6, labels), InputSpec(1, (SIDE, SIDE)))


def test_labels_out_of_range_of_named_classes() -> None:
    items = replace(blobs(6, [0, 1, 2, 3, 0, 1]), classes=("a", "b", "c"))
    with pytest.raises(DataError, match="blob 3 has the label 3, but the classes are 0 to 2"):
        Pictures.of(items, InputSpec(1, (SIDE, SIDE)))


def test_mixed_precision_is_refused_where_it_was_not_measured(tmp_path: Path) -> None:
    text = EVERYTHING.replace("batch = 4", 'batch = 4\nprecision = "bfloat16"')
    with pytest.raises(ParamError, match=r"the term lipschitz needs float32"):
        training(tmp_path, text)
    allowed = text.replace("[terms.lipschitz]\ntarget = 1.0\n", "")
    training(tmp_path, allowed).run()


def test_weight_decay_by_kind() -> None:
    from explain_core.training.schedule import optimiser_of

    net = build("preact-resnet", {"depth": 1}, Shape(3, (32, 32), 10))
    for decay_on, expected in (("all", (1e-4, 1e-4)), ("kernels", (1e-4, 0.0)), ("biases", (0.0, 1e-4))):
        schedule = load_recipe("ae-cifar10", [f"schedule.decay_on={decay_on}"]).schedule
        kernels, rest = optimiser_of(net, schedule).param_groups
        assert (kernels["weight_decay"], rest["weight_decay"]) == expected
        assert all(one.ndim == 4 for one in kernels["params"])
        assert all(one.ndim == 1 for one in rest["params"])


def test_a_larger_set_than_memory_is_read_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Pictures.of(blobs(), InputSpec(1, (SIDE, SIDE)))
    monkeypatch.setattr("explain_core.training.pictures.IN_MEMORY", 10)
    read = Pictures.of(blobs(), InputSpec(1, (SIDE, SIDE)))
    assert read.stored is None
    np.testing.assert_allclose(read.pixels([3, 1]), kept.pixels([3, 1]), atol=1e-5)


def test_the_loop_has_no_name_of_a_term() -> None:
    text = Path(loop.__file__).read_text()
    assert not [name for name in TERMS if f'"{name}"' in text]
