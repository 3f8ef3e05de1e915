"""The ARA published with the authors' four networks (README of their code; 1,000 CIFAR-10 test images).

Hours on a CPU: 500 images, 450 steps, two goals, four networks.  With RHOSCOPE_READINGS=FOLDER the readings
are kept there chunk by chunk, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from explain_core import load_model
from explain_core.engine.lending import lend
from explain_core.metrics import METRICS
from explain_core.metrics.base import Case, Reading, Subject
from explain_core.models.classifier import Classifier
from explain_core.records import Answer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(24 * 3600)]

PUBLISHED = {
    ("adv-train", "attack-ara"): 0.0100,
    ("adv-train", "btr-ara"): 0.0157,
    ("all", "attack-ara"): 0.0188,
    ("all", "btr-ara"): 0.0414,
    ("robust", "attack-ara"): 0.0142,
    ("robust", "btr-ara"): 0.0395,
    ("standard", "attack-ara"): 0.0013,
    ("standard", "btr-ara"): 0.0015,
}
WITHIN = 0.12  # 500 images instead of 1,000 alone make 5 % of standard error


def nobody(*_: object, **__: object) -> list[Answer]:
    raise AssertionError("a metric of the model asks for no explanation")


def kept(file: Path, model: Classifier, name: str, cases: Sequence[Case]) -> list[Reading]:
    """The readings in the file, which is made if need be."""
    if not file.exists():
        metric, began = METRICS[name], time.monotonic()
        with lend(model):
            found = list(metric.measure(Subject(model, nobody), cases, metric.params.build({"clip": False})))
        seconds = time.monotonic() - began
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"seconds": seconds, "readings": [asdict(reading) for reading in found]}))
        part.rename(file)
    return [Reading(**reading) for reading in json.loads(file.read_text())["readings"]]


@pytest.mark.parametrize(("network", "name"), PUBLISHED)
def test_published_ara(network: str, name: str, shared_data: Path, tmp_path: Path) -> None:
    family = "preact-resnet44-hhrelu" if network in ("all", "robust") else "preact-resnet44"
    model = load_model(f"{family}@{shared_data}/cifar10/networks/resnet44-{network}.safetensors")
    with np.load(shared_data / "cifar10" / "test_lossless.npz") as held:
        images, labels = held["x"].transpose(0, 3, 1, 2).astype(np.float32) / 255, held["y"]
    cases = [Case(str(index), images[index], int(labels[index])) for index in range(len(images))]
    metric = METRICS[name]
    params = metric.params.build({"clip": False})
    folder = Path(os.environ.get("RHOSCOPE_READINGS") or tmp_path)
    readings: list[Reading] = []
    for start in range(0, len(cases), metric.chunk):
        file = folder / f"{network}-{name}-{start:03}.json"
        readings += kept(file, model, name, cases[start : start + metric.chunk])
    found = metric.summarise(readings, [], params, 0)
    assert found.value is not None
    ratio = found.value / PUBLISHED[network, name]
    line = {
        "network": network,
        "metric": name,
        "search": params.search,
        "value": found.value,
        "published": PUBLISHED[network, name],
        "ratio": ratio,
        "standard_error": found.standard_error,
        "interval": found.interval,
        "n": found.n,
        "not_found": found.not_found,
        "accuracy": found.numbers["accuracy"],
        "units": sum(reading.units for reading in readings),
        "torch": torch.__version__,
    }
    (folder / f"{network}-{name}.json").write_text(json.dumps(line, indent=1))
    print(json.dumps(line))
    assert abs(ratio - 1) <= WITHIN
