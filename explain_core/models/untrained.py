"""Networks with some of their layers as they were before training.

A layer is a module with parameters of its own.  It is drawn anew by its `reset_parameters`, which for
batch norm also forgets the running statistics; parameters of modules without one (tokens, position
embeddings, scales) are drawn from a Gaussian with the mean and deviation they had.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection

import torch
from torch import Tensor, nn

from explain_core.hooks import maps_of
from explain_core.models.classifier import Classifier


def layers_of(model: Classifier, x: Tensor) -> list[str]:
    """Names within the net of all layers, from input to output, in the order in which pictures x (n, c, h, w) pass.

    A module that holds others comes before the first of them; one that never puts out a tensor of its
    own, such as attention, after the module declared before it.
    """
    modules = dict(model.net.named_modules())
    with torch.no_grad(), maps_of(model.net, list(modules)) as maps:
        model(x)
    finished = {name: place for place, name in enumerate(maps.shapes)}
    places, last = dict[str, int](), 0
    for name, module in modules.items():
        within = [finished[name] if name in finished and not list(module.children()) else len(finished)]
        within += [place for other, place in finished.items() if other != name and _holds(name, other)]
        last = min(within) if min(within) < len(finished) else last
        if any(True for _ in module.parameters(recurse=False)):
            places[name] = last
    return sorted(places, key=places.__getitem__)


def _holds(name: str, other: str) -> bool:
    return not name or other.startswith(f"{name}.")


def untrained(model: Classifier, layers: Collection[str], seed: int) -> Classifier:
    """A copy with these layers drawn anew; what a layer becomes depends on the seed and its name alone."""
    found = copy.deepcopy(model)
    devices = [model.mean.device] if model.mean.is_cuda else []
    for name in layers:
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:7]))
            draw_anew(found.net.get_submodule(name))
    return found


def draw_anew(layer: nn.Module) -> None:
    """In place, from the global random state."""
    reset = getattr(layer, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    for parameter in layer.parameters(recurse=False):
        values = parameter.float()
        deviation = float(values.std(correction=0))
        parameter.copy_(torch.randn_like(values) * deviation + values.mean())
