"""Eight weights of the perceptual ball as a path, and as many runs of the authors' loop: what it costs, how near it is.

    python docs/results/weights_path.py DATA MODEL PICTURES OUT.json

DATA is the folder of test data, MODEL a model's text, PICTURES how many of DATA/pictures (or, for networks of 32 × 32
pixels, of the CIFAR-10 test pictures) are asked.  The reference is torch's L-BFGS (100 iterations, history 10, frozen
parameters) on the network as it is, one run a weight; ours is the method on the prepared network at several tolerances.
Processor time of one thread, reference and tolerances in turn.

    python docs/results/weights_path.py draw OUT.svg A.json …

draws cost factor against excess of the loss, a line a picture, a dot a tolerance; red crosses are what was aimed at.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from explain_core import load_model
from explain_core.data.images import fit, read_picture
from explain_core.descent.view import Rows
from explain_core.engine.lending import lend
from explain_core.methods import perceptual_ball as ball
from explain_core.methods.layers import WEIGHTS, choose_layers
from explain_core.models.classifier import Classifier
from explain_core.models.prepared import prepare, told
from explain_core.types import Explanation, Question
from tests.reference import plain

LAMBDAS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
TOLERANCES = (0.0003, 0.0007, 0.001, 0.002, 0.003, 0.005, 0.01)
STEPS, HISTORY = 100, 10


def pictures(data: Path, model: Classifier, count: int) -> list[Tensor]:
    if model.input.size == (32, 32):
        with np.load(data / "cifar10" / "test_lossless.npz") as held:
            return [torch.from_numpy(x).permute(2, 0, 1).float()[None] / 255 for x in held["x"][:count]]
    files = sorted((data / "pictures").iterdir())[:count]
    return [torch.from_numpy(np.array(fit(read_picture(file), model.input))).float()[None] for file in files]


def seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def reference(model: Classifier, x: Tensor, target: Tensor, weight: float) -> tuple[float, Tensor]:
    """Loss and map of one run."""
    params = ball.PerceptualBallParams(feature_weight=weight)
    layers = choose_layers(model, x, params.layers, weight, raw=False)
    shares = [float(share) for share in layers.references[WEIGHTS][0]]

    def features(z: Tensor) -> tuple[Tensor, list[Tensor]]:
        logits, seen = layers.watch.run(lambda: model.present(model.net(z)))  # type: ignore[union-attr]
        return logits, list(seen)

    start = ((x - model.mean) / model.std)[0]
    z, loss = plain.perceptual_ball(
        features, start, int(target), weights=shares, goal=params.margin_goal, steps=STEPS, history=HISTORY
    )
    return loss, ball.saliency(model, Rows(x, target), (z - start)[None] * model.std, params)[0]


def ours(model: Classifier, x: Tensor, target: Tensor, tolerance: float) -> Explanation:
    n = len(LAMBDAS)
    question = Question(
        images=x.repeat(n, 1, 1, 1),
        target=target.repeat(n),
        keys=("picture",) * n,
        knobs={"feature_weight": x.new_tensor(LAMBDAS)},
    )
    params = ball.PerceptualBallParams(feature_weight=1.0, tolerance=tolerance, steps=STEPS, history=HISTORY)
    working = ball.run(model, question, params)
    while True:
        try:
            next(working)
        except StopIteration as end:
            found: Explanation = end.value
            return found


def measured(model: Classifier, prepared: Classifier, x: Tensor) -> dict[str, Any]:
    with torch.no_grad():
        target = model(x).argmax(1)
    single, spent = seconds(lambda: [reference(model, x, target, weight) for weight in LAMBDAS])
    paths = []
    for tolerance in TOLERANCES:
        found, took = seconds(lambda tolerance=tolerance: ours(prepared, x, target, tolerance))
        losses = found.numbers["loss"].tolist()
        maps = [
            spearmanr(mine.flatten(), theirs.flatten()).statistic
            for mine, (_, theirs) in zip(found.saliency, single, strict=True)
        ]
        paths.append(
            {
                "tolerance": tolerance,
                "factor": spent / took,
                "steps": [spent.backward for spent in found.passes],
                "excess": [mine / theirs - 1 for mine, (theirs, _) in zip(losses, single, strict=True)],
                "spearman": [float(value) for value in maps],
            }
        )
        print(
            f"tolerance {tolerance:g}: {spent / took:.2f} times cheaper, {sum(paths[-1]['steps'])} steps, "
            f"largest excess {max(paths[-1]['excess']):.4f}, smallest Spearman {min(maps):.4f}",
            flush=True,
        )
    return {"seconds": spent, "losses": [loss for loss, _ in single], "paths": paths}


def measure(data: Path, text: str, count: int, out: Path) -> None:
    torch.set_num_threads(1)
    model = load_model(text)
    with lend(model):
        prepared, took = seconds(lambda: prepare(model))
        found = [measured(model, prepared, x) for x in pictures(data, model, count)]
    report = {"model": Path(text).stem, "network": told(model, prepared), "preparation": took, "weights": LAMBDAS}
    out.write_text(json.dumps({**report, "pictures": found}, indent=1) + "\n", "utf-8")


def drawn(files: list[Path]) -> str:
    """An SVG: a line a picture, a dot a tolerance; right is dearer in loss, up is cheaper to compute."""
    wide, high, most, top, left, foot = 640, 400, 0.05, 14.0, 50, 40
    x = lambda excess: left + (wide - left - 20) * min(max(excess, 0), most) / most  # noqa: E731
    y = lambda factor: 20 + (high - foot - 20) * (1 - factor / top)  # noqa: E731
    parts = [f'<rect width="{wide}" height="{high}" fill="white"/>']
    for tick in range(0, int(top) + 1, 2):
        parts.append(f'<line x1="{left}" x2="{wide - 20}" y1="{y(tick):.0f}" y2="{y(tick):.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y(tick) + 4:.0f}" text-anchor="end">{tick} ×</text>')
    for percent in (0, 0.5, 1, 2, 3, 4, 5):
        parts.append(f'<text x="{x(percent / 100):.0f}" y="{high - 22}" text-anchor="middle">{percent:g}</text>')
    parts.append(f'<text x="{wide / 2}" y="{high - 5}" text-anchor="middle">largest excess of the loss, %</text>')
    for excess, factor in ((0.005, 3.5), (0.02, 6.0)):
        parts.append(f'<path d="M{x(excess):.0f} {y(factor) - 7:.0f}v14m-7 -7h14" stroke="#c00" stroke-width="2"/>')
    for number, file in enumerate(files):
        report, colour = json.loads(file.read_text("utf-8")), ("#0b62a4", "#2a7f3f", "#8a5a00")[number % 3]
        parts.append(
            f'<text x="{wide - 30}" y="{high - 60 - 18 * number}" text-anchor="end" fill="{colour}">'
            f"{report['model']}</text>"
        )
        for picture in report["pictures"]:
            dots = [(x(max(path["excess"])), y(path["factor"])) for path in picture["paths"]]
            line = " ".join(f"{a:.1f},{b:.1f}" for a, b in dots)
            parts.append(f'<polyline fill="none" stroke="{colour}" points="{line}"/>')
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in dots]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-family="sans-serif" font-size="12">'
    )
    return head + "".join(parts) + "</svg>\n"


if __name__ == "__main__":
    if sys.argv[1] == "draw":
        Path(sys.argv[2]).write_text(drawn([Path(file) for file in sys.argv[3:]]), "utf-8")
        sys.exit()
    measure(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
