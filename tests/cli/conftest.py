"""A user's own network in a file, and pictures to explain with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FACTORY = """
import torch
from torch import nn

def tiny():
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )
    for layer in (net[0], net[2], net[6]):
        nn.init.normal_(layer.weight, std=0.5)
    net.rhoscope = {"kind": "softmax", "channels": 3, "classes": ["ash", "birch", "cedar"], "smallest": 8}
    return net

def flat():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))
    net.rhoscope = {"kind": "softmax", "channels": 3, "size": 8}
    return net

def broken():
    net = tiny()
    nn.init.constant_(net[6].weight, float("nan"))
    return net
"""


@pytest.fixture
def model(tmp_path: Path) -> str:
    """The spec of a network of three classes that takes any size from 8 up; `flat` and `broken` are beside it."""
    file = tmp_path / "nets.py"
    file.write_text(FACTORY)
    return f"{file}:tiny"


@pytest.fixture
def paint(tmp_path: Path) -> Callable[..., Path]:
    """Writes a picture of seeded noise to `name` and returns its path."""

    def write(name: str, size: tuple[int, int] = (12, 10), seed: int = 0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(values).save(path)
        return path

    return write
