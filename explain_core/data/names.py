"""Class names that several networks share."""

from __future__ import annotations

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""In the data set's own order."""


def numbered(count: int) -> tuple[str, ...]:
    """Names for classes that nobody named: `class 0` and on."""
    return tuple(f"class {index}" for index in range(count))
