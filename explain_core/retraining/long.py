"""A retraining as long work: every arm's networks, one after the other, and the proof.

    OUT/manifest.json          what it rests on; nothing else is asked
    OUT/small.npz              the plain adversarial examples of the control
    OUT/labelled-0/            a training run for each arm and seed (training/training.py); its network in network/
    OUT/measured.json, .run    accuracy, attack ARA and BTR ARA of all networks, as `evaluate ae-ara` has them
    OUT/proof.json             the figures, their differences, and a sentence

Asked again in the same folder, it goes on where it was.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from explain_core.data.sources import load_data
from explain_core.engine.library import Held, Library, choose_device
from explain_core.errors import DataError, SpecError
from explain_core.evaluation.asked import study_asked
from explain_core.evaluation.folder import write_json
from explain_core.evaluation.result import results, write_result
from explain_core.evaluation.run import run
from explain_core.methods import METHODS
from explain_core.retraining.arms import ARMS, OWN, Making, data_of, read_bundle
from explain_core.retraining.manifest import FILE, Manifest, read_manifest
from explain_core.retraining.params import CURRENT
from explain_core.retraining.proof import BEFORE, TITLES, Proof, Readings, prove
from explain_core.runs.kinds import Report
from explain_core.training.pictures import class_names
from explain_core.training.recipe import Recipe, parse_recipe
from explain_core.training.training import NETWORK, train

PROTOCOL, MEASURED, PROOF = "ae-ara", "measured.json", "proof.json"
TRAINING_SHARE = 0.8
"""Of the whole, for the bar."""


def work(spec: Mapping[str, Any], folder: Path, report: Report) -> None:
    """A run of the kind `retrain`: FOLDER/manifest.json says everything."""
    retrain(folder / FILE, folder, report.device, report)


def retrain(manifest: Path, out: Path, device: str, report: Report) -> Proof:
    """Trains, measures and proves in a folder; raises InputError, DataError, SpecError, and what training raises."""
    frozen = read_manifest(manifest)
    held = _opened(frozen, device)
    networks = _networks(frozen, held, out, device, report)
    proof = _proved(frozen, networks, out, device, _Part(report, TRAINING_SHARE, 1 - TRAINING_SHARE, "proof"))
    told = proof.as_dict({arm.name: arm.title for arm in ARMS.values()})
    write_json(out / PROOF, {"manifest_sha256": frozen.sha256, "campaign": frozen.campaign, **told})
    return proof


def network_of(out: Path, seed: int, arm: str = OWN) -> Path:
    """The folder of the network of an arm and a seed."""
    return out / f"{arm}-{seed}" / NETWORK


def _opened(frozen: Manifest, device: str) -> Held:
    held = Library(choose_device(device), METHODS).open(frozen.model)
    if held.card.sha256 != frozen.model_sha256:
        raise SpecError(
            f"{frozen.model} is not the network that made the examples: name that one, by its version, and label again."
        )
    return held


def recipe_of(frozen: Manifest, seed: int) -> Recipe:
    """The manifest's recipe with this seed."""
    return parse_recipe(frozen.recipe, settings=[*frozen.settings, f"schedule.seed={seed}"])


def _networks(frozen: Manifest, held: Held, out: Path, device: str, report: Report) -> dict[str, list[Path]]:
    """By arm, the folders of its networks, one a seed."""
    params = frozen.params
    base = load_data(frozen.data)
    base = base if params.n is None else base.sample(params.n, params.seed)
    making = Making(frozen, read_bundle(frozen), held, out)
    start = held.model if params.start == CURRENT else None
    found: dict[str, list[Path]] = {name: [] for name in ARMS}
    whole = params.seeds * len(ARMS)
    for number in range(params.seeds):
        seed = params.seed + number
        recipe = recipe_of(frozen, seed)
        for name, arm in ARMS.items():
            done = sum(map(len, found.values()))
            part = _Part(report, TRAINING_SHARE * done / whole, TRAINING_SHARE / whole, f"{name} {seed}")
            items = data_of(arm, making, base, recipe.input.names or class_names(base))
            train(recipe, items, out / f"{name}-{seed}", start=start, device=device, listener=part)
            found[name].append(network_of(out, seed, name))
    return found


def _proved(frozen: Manifest, networks: Mapping[str, Sequence[Path]], out: Path, device: str, report: _Part) -> Proof:
    specs = {BEFORE: [frozen.model], **{arm: [f"trained:{path}" for path in paths] for arm, paths in networks.items()}}
    params = frozen.params
    study = study_asked(
        PROTOCOL, frozen.test, [spec for some in specs.values() for spec in some], (),
        [f"{PROTOCOL}.steps={params.steps}"], None, params.test_n, params.seed, device,
    )  # fmt: skip
    found = run(study, (out / MEASURED).with_suffix(".run"), on_progress=report.share, on_fault=_say)
    values = results(study, found)
    write_result(out / MEASURED, values)
    arms = {(arm["model"], arm["metric"]): arm for arm in values["results"]}
    naive = arms[frozen.model, "attack-ara"]["numbers"]["naive"]
    readings = {name: _readings(arms, some) for name, some in specs.items()}
    return prove(readings, OWN, naive, len(frozen.chosen), params.seed, frozen.raters)


def _readings(arms: Mapping[tuple[str, str], Mapping[str, Any]], specs: Sequence[str]) -> Readings:
    """By metric (networks, pictures); the pictures are in the study's order for every network."""
    found: dict[str, list[list[float]]] = {metric: [] for metric in TITLES}
    for spec in specs:
        for metric in ("attack-ara", "btr-ara"):
            entries = arms[spec, metric]["per_image"]
            if any(entry["value"] is None for entry in entries):
                raise DataError(f"A test picture could not be measured on {spec}: take it out of the test pictures.")
            found[metric].append([entry["value"] for entry in entries])
        found["accuracy"].append([entry["numbers"]["correct"] for entry in arms[spec, "attack-ara"]["per_image"]])
    return {metric: np.array(rows) for metric, rows in found.items()}


@dataclass(frozen=True)
class _Part:
    """One piece of the work, told as its share of the whole."""

    report: Report
    begin: float
    width: float
    name: str

    def progress(self, share: float, note: str) -> None:
        self.report.progress(self.begin + self.width * share, f"{self.name}: {note}" if note else self.name)

    def share(self, share: float) -> None:
        self.progress(share, "")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.report.metrics(step, {f"{self.name}: {name}": value for name, value in values.items()})

    def cancelled(self) -> bool:
        return self.report.cancelled()


def _say(fault: str) -> None:
    print(f"rhoscope: {fault}", file=sys.stderr, flush=True)
