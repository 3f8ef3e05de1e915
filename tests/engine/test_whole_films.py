"""What autograd keeps may lie in a file: the same bits, within the memory that there is."""

from __future__ import annotations

import errno
import tempfile

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explain_core import explain, load_model
from explain_core.data.images import image_key
from explain_core.data.phantom import phantom
from explain_core.engine.batches import Row, Run, make_row
from explain_core.engine.jobs import Job
from explain_core.engine.library import Held, hold
from explain_core.engine.schedule import Scheduler, asked_memory
from explain_core.engine.spill import Spill
from explain_core.errors import MemoryExhausted, ParamError
from explain_core.methods import METHODS
from explain_core.records import Answer

CPU = torch.device("cpu")
FOUR = ("gradcam", "perceptual-ball", "ape", "explain-plus")
STEPS = 5


@pytest.fixture(scope="module")
def demo() -> Held:
    return hold(load_model("demo"), "demo", CPU, METHODS)


def row(held: Held, method: str, rho: float | None, side: int = 256) -> Row:
    pixels = phantom(7, size=side, label=1).pixels[None]
    schema = METHODS[method].params
    params = schema() if method == "gradcam" else schema.build({"steps": STEPS})
    return make_row(held, METHODS, Job("demo", held.card.sha256, method, image_key(pixels), 1, params, rho), pixels)


def solved(row: Row, memory: int) -> tuple[Answer, Run]:
    scheduler, first = Scheduler(CPU, memory), None
    scheduler.add(row)
    while run := scheduler.pick():
        first = first or run
        run.step()
        scheduler.settle(run)
    assert row.answer, row.error
    assert first
    return row.answer, first


@pytest.mark.parametrize(("method", "rho"), [*[(name, 0.02) for name in FOUR], ("perceptual-ball", None)])
def test_the_same_bits_in_the_least_memory(demo: Held, method: str, rho: float | None) -> None:
    free, _ = solved(row(demo, method, rho), 1 << 33)
    tight, run = solved(row(demo, method, rho), row(demo, method, rho).least)
    assert run._spill
    assert run._spill.written > 0 or method == "gradcam"  # whose way back ends at the last convolution
    assert (run._spill.inside, run._spill.parts) == (0, 0)
    for one, other in ((free.saliency, tight.saliency), (free.after, tight.after), (free.perturbed, tight.perturbed)):
        assert (one is None and other is None) or np.array_equal(one, other)  # type: ignore[arg-type]
    assert free.numbers == tight.numbers


class Odd(nn.Module):
    """Whole numbers, truth values, an expanded tensor, other orders of axes and a value used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.contiguous(memory_format=torch.channels_last)).relu_()
        x = self.pool(x) * torch.linspace(0, 1, 8).view(1, 8, 1, 1).expand(len(x), 8, 16, 16)
        x = torch.where(x > 0.01, x.square(), x.transpose(2, 3)) + x.tanh()
        x = self.second(x) + torch.cat([x, x.exp()])[: len(x)]
        return torch.nn.functional.gelu(x).mean(dim=(2, 3))


def gradient(net: nn.Module, x: Tensor) -> Tensor:
    z = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(net(z)[:, 0].sum(), z)
    return found


@pytest.mark.parametrize("room", [0, 50_000, 1 << 30])
def test_any_network_within_any_room(room: int) -> None:
    torch.manual_seed(3)
    net, x = Odd().requires_grad_(False), torch.rand(2, 3, 32, 32)
    spill = Spill(net.parameters(), small=1)
    with spill.keeping(room):
        y = net(x.clone().requires_grad_())
        assert spill.inside <= room
        assert (spill.parts == 0) == (room == 1 << 30)
        del y
        kept = gradient(net, x)
    assert (spill.inside, spill.parts) == (0, 0)
    assert torch.equal(kept, gradient(net, x))


def test_a_second_derivative() -> None:
    x = torch.rand(1, 1, 8, 8)

    def bent(z: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(z.pow(3).sum(), z, create_graph=True)
        (second,) = torch.autograd.grad(slope.square().sum(), z)
        return second

    with Spill([], small=1).keeping(0):
        found = bent(x.clone().requires_grad_())
    assert torch.equal(found, bent(x.clone().requires_grad_()))


def test_the_file_begins_anew_when_all_is_read() -> None:
    net = Odd().requires_grad_(False)
    spill, ends = Spill(net.parameters(), small=1), []
    for _ in range(3):
        with spill.keeping(0):
            gradient(net, torch.rand(1, 3, 32, 32))
        ends.append(spill.end)
    assert ends[0] == ends[1] == ends[2] > 0


@pytest.mark.parametrize("room", [1 << 30])
def test_a_value_that_was_changed_in_place_is_noticed(room: int) -> None:
    """As autograd itself does, where nobody listens; what lies in the file is as it was."""
    z = torch.rand(4, 4).requires_grad_()
    with Spill([], small=1).keeping(room):
        y = z.exp()
        y.mul_(2)
        with pytest.raises(RuntimeError, match="changed in place"):
            torch.autograd.grad(y.sum(), z)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(MemoryExhausted, match=r"No space left on device.*TMPDIR"), Spill([], small=1).keeping(0):
        torch.rand(4, 4).requires_grad_().exp()


def test_the_limit_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHOSCOPE_MEMORY", "0.5")
    assert asked_memory() == 1 << 29
    pixels = np.full((1, 1024, 1024), 0.5, np.float32)
    with pytest.raises(MemoryExhausted, match=r"needs about 0\.\d GiB, and 0\.1 are allowed.*lower history"):
        explain("demo", pixels, method="perceptual-ball", memory=0.1, steps=5)
    for text in ("four", "0", "-1", "nan"):
        monkeypatch.setenv("RHOSCOPE_MEMORY", text)
        with pytest.raises(ParamError, match="GiB"):
            asked_memory()
