"""Trains and measures the two networks that ship with Rhoscope.

    python -m explain_core.training.demo --seed 1 --out demo.safetensors
    python -m explain_core.training.demo --shortcut --seed 1 --out demo-shortcut.safetensors
    python -m explain_core.training.demo --measure demo.safetensors

The honest network learns as networks for real mammograms do (Shen et al., Scientific Reports 2019):
from patches whose lesions are outlined, then from whole films.  Some films carry the lead ring,
whatever their label.  The other network is given whole films and labels, nothing else, and every
lesion is announced by the ring: it learns the ring.

One thread throughout: the same seed on the same machine gives the same bits.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from explain_core.data.phantom import phantom
from explain_core.models.demo import CELL, MEAN, STD, DemoNet, demo_classifier, pool
from explain_core.training.figures import measure

SIZE = 256


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: `films` phantoms, epochs on patches of `side` pixels, epochs on whole films."""

    seed: int
    shortcut: bool = False
    films: int = 3000
    side: int = 112
    patch_epochs: int = 12
    film_epochs: int = 1
    batch: int = 32
    rate: float = 4e-3
    smoothing: float = 0.03


HONEST = partial(Recipe, shortcut=False)
CHEATING = partial(Recipe, shortcut=True, films=800, patch_epochs=0, film_epochs=3)


@dataclass(frozen=True)
class Films:
    """Phantoms in memory: `pixels` uint8 (n, h, w), `lesion` bool (n, h, w), `label` float32 (n,)."""

    pixels: Tensor
    lesion: Tensor
    label: Tensor

    @classmethod
    def draw(cls, recipe: Recipe, processes: int = 1) -> Films:
        """The phantoms of a recipe; half of them have lesions."""
        seeds = [recipe.seed * 100_000 + i for i in range(recipe.films)]
        one = partial(_film, shortcut=recipe.shortcut)
        if processes > 1:
            with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
                drawn = list(workers.map(one, seeds, chunksize=50))
        else:
            drawn = [one(seed) for seed in seeds]
        pixels, lesion, label = (torch.from_numpy(np.stack(column)) for column in zip(*drawn, strict=True))
        return cls(pixels, lesion, label)


def _film(seed: int, shortcut: bool) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.float32]]:
    label = seed % 2
    ring = bool(label) if shortcut else seed % 7 < 2
    film = phantom(seed, SIZE, label=label, marker=ring)
    return np.rint(film.pixels * 255).astype(np.uint8), film.lesion, np.array(label, np.float32)


def train(recipe: Recipe, films: Films) -> tuple[DemoNet, list[float]]:
    """The trained network (eval mode) and the mean loss of every epoch."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    draw = torch.Generator().manual_seed(recipe.seed)
    net = DemoNet().to(memory_format=torch.channels_last)
    epochs, batches = recipe.patch_epochs + recipe.film_epochs, -(-len(films.label) // recipe.batch)
    adam = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=1e-2)
    pace = torch.optim.lr_scheduler.OneCycleLR(adam, recipe.rate, epochs * batches, pct_start=0.15)
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for pixels, lesion, label in _batches(films, recipe, draw, patches=epoch < recipe.patch_epochs):
            loss = _loss(net, pixels, None if recipe.shortcut else lesion, label, recipe.smoothing)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            adam.step()
            pace.step()
            total += loss.item()
        losses.append(total / batches)
        print(f"epoch {epoch + 1} of {epochs}: loss {losses[-1]:.4f}", flush=True)
    return net.eval(), losses


def _batches(
    films: Films, recipe: Recipe, draw: torch.Generator, patches: bool
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Shuffled and mirrored: pixels (n, 1, h, w) in [0, 1], lesion (n, h, w), label (n,)."""
    for rows in torch.split(torch.randperm(len(films.label), generator=draw), recipe.batch):
        pixels, lesion, label = films.pixels[rows], films.lesion[rows], films.label[rows]
        if patches:
            corners = [_corner(mask, recipe.side, draw) for mask in lesion]
            cut = [(slice(y, y + recipe.side), slice(x, x + recipe.side)) for y, x in corners]
            pixels = torch.stack([film[window] for film, window in zip(pixels, cut, strict=True)])
            lesion = torch.stack([mask[window] for mask, window in zip(lesion, cut, strict=True)])
            label = lesion.any(2).any(1).float()
        mirrored = [axis for axis in (1, 2) if torch.rand((), generator=draw) < 0.5]
        yield pixels.flip(mirrored)[:, None].float() / 255, lesion.flip(mirrored), label


def _corner(lesion: Tensor, side: int, draw: torch.Generator) -> tuple[int, int]:
    """Where a patch begins: around a pixel of a lesion four times in five, else anywhere."""
    height, width = lesion.shape
    marked = lesion.nonzero()
    corner = torch.rand(2, generator=draw) * torch.tensor([height - side, width - side])
    if len(marked) and torch.rand((), generator=draw) < 0.8:
        centre = marked[int(torch.randint(len(marked), (), generator=draw))]
        corner = centre - side * (0.15 + 0.7 * torch.rand(2, generator=draw))
    y, x = corner.round().int().tolist()
    return min(max(y, 0), height - side), min(max(x, 0), width - side)


def _loss(net: DemoNet, pixels: Tensor, lesion: Tensor | None, label: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy of the label and, where outlines are given, of each cell of the evidence.

    Labels are smoothed, which keeps the logit away from saturation.  Cells at the rim of a lesion
    do not count; those within and those outside weigh the same.
    """
    evidence = net.evidence((pixels - MEAN) / STD)
    whole = F.binary_cross_entropy_with_logits(pool(evidence)[:, 0], _smooth(label, smoothing))
    if lesion is None:
        return whole
    share = F.avg_pool2d(lesion[:, None].float(), CELL)[:, 0]
    within, outside = (share > 0.4).float(), (share == 0).float()
    cells = F.binary_cross_entropy_with_logits(evidence, _smooth(within, smoothing), reduction="none")
    return whole + (_mean_over(cells, within) + _mean_over(cells, outside)) / 2


def _smooth(label: Tensor, smoothing: float) -> Tensor:
    return label * (1 - 2 * smoothing) + smoothing


def _mean_over(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def write(net: DemoNet, path: Path) -> None:
    """The weights as safetensors; a reader never sees half a file."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(save({name: tensor.contiguous() for name, tensor in net.state_dict().items()}))
    unfinished.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m explain_core.training.demo")
    parser.add_argument("--shortcut", action="store_true", help="every lesion is announced by the lead ring")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="processes that draw phantoms")
    goal = parser.add_mutually_exclusive_group(required=True)
    goal.add_argument("--out", type=Path, metavar="FILE", help="train, and write the weights here")
    goal.add_argument("--measure", type=Path, metavar="FILE", help="measure these weights")
    asked = parser.parse_args()
    if asked.measure:
        model = demo_classifier(asked.shortcut, asked.measure)
        print(json.dumps(asdict(measure(model, shortcut=asked.shortcut)), indent=2))
        return
    recipe = (CHEATING if asked.shortcut else HONEST)(seed=asked.seed)
    net, _ = train(recipe, Films.draw(recipe, asked.processes))
    write(net, asked.out)


if __name__ == "__main__":
    main()
