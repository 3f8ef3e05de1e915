"""Tiny seeded classifiers, and the folder of real test data; nothing is downloaded.

`tiny` is one small network, `any_tiny` is each of TINY in turn: what a method must work on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import VisionTransformer

from explain_core.models.classifier import Classifier, InputSpec, Kind

SIDE = 16


class Functional(nn.Module):
    """Two convolutions with functional ReLUs, global average pool, linear head."""

    def __init__(self, channels: int = 3, classes: int = 5) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 12, 3, padding=1, stride=2)
        self.head = nn.Linear(12, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.second(F.relu(self.first(x))))
        return cast(Tensor, self.head(x.mean(dim=(2, 3))))


class Reused(Functional):
    """The same, with one ReLU module called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.second(self.relu(self.first(x))))
        return cast(Tensor, self.head(x.mean(dim=(2, 3))))


class Residual(nn.Module):
    """A stem and one residual block with batch norm; the activation after the sum is in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.branch = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.relu(x + self.branch(x))
        return cast(Tensor, self.head(x.mean(dim=(2, 3))))


def in_place() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5),
    )


def transformer() -> nn.Module:
    net: nn.Module = VisionTransformer(
        image_size=SIDE, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=5
    )
    nn.init.normal_(net.get_parameter("heads.head.weight"))  # torchvision starts it at zero: every class would be alike
    return net


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 5))


def classifier(
    net: nn.Module, *, kind: Kind = "softmax", channels: int = 3, classes: int = 5, fixed: bool = False, spec: str = ""
) -> Classifier:
    """A tiny network in eval mode, with a normalisation that is not the identity."""
    side = (SIDE, SIDE) if fixed else None
    names = [f"class {index}" for index in range(classes)]
    made = Classifier(
        net,
        classes=names,
        kind=kind,
        input=InputSpec(channels, size=side, smallest=SIDE if fixed else 4),
        mean=[0.4] * channels,
        std=[0.25] * channels,
        spec=spec,
    )
    return made.eval()


TINY: dict[str, Callable[[], Classifier]] = {
    "functional": lambda: classifier(Functional(), spec="tiny-functional"),
    "in-place": lambda: classifier(in_place(), spec="tiny-in-place"),
    "reused": lambda: classifier(Reused(), spec="tiny-reused"),
    "residual": lambda: classifier(Residual(), spec="tiny-residual"),
    "grey": lambda: classifier(Functional(channels=1), channels=1, spec="tiny-grey"),
    "sigmoid": lambda: classifier(Functional(), kind="sigmoid", spec="tiny-sigmoid"),
    "binary": lambda: classifier(Functional(classes=1), kind="binary", classes=2, spec="tiny-binary"),
    "transformer": lambda: classifier(transformer(), fixed=True, spec="tiny-transformer"),
    "linear": lambda: classifier(linear(), fixed=True, spec="tiny-linear"),
}


def make_tiny(name: str) -> Classifier:
    """A row of TINY, the same weights every time; global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(20)
        made = TINY[name]()
        if any(isinstance(module, nn.BatchNorm2d) for module in made.modules()):
            made.train()(torch.rand(16, made.input.channels, SIDE, SIDE))
    return made.eval()


@pytest.fixture
def tiny() -> Classifier:
    """Three channels, five classes, any side from 4 up."""
    return make_tiny("functional")


@pytest.fixture
def tiny_named() -> Callable[[str], Classifier]:
    """Any row of TINY by name."""
    return make_tiny


@pytest.fixture(params=list(TINY))
def any_tiny(request: pytest.FixtureRequest) -> Classifier:
    """Each row of TINY in turn; all take 16 × 16 pixels."""
    return make_tiny(request.param)


@pytest.fixture
def rng() -> torch.Generator:
    """A generator of the test's own."""
    return torch.Generator().manual_seed(7)


@pytest.fixture(scope="session", autouse=True)
def a_workspace_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the database and the runs of whoever starts the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RHOSCOPE_HOME", str(tmp_path_factory.mktemp("home")))
        for name in ("RHOSCOPE_DB", "RHOSCOPE_RUNS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test data; skips, saying so, where it is absent."""
    beside = Path(__file__).resolve().parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("RHOSCOPE_TEST_DATA") or beside)
    if not folder.is_dir():
        pytest.skip("no test data: set RHOSCOPE_TEST_DATA to its folder, or put it at ../shared/data")
    return folder
