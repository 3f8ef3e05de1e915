"""How long, how fast and with which optimiser: the part of a recipe that is not a loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from explain_core.errors import ParamError
from explain_core.params import Choice, Params, Pattern, Range

NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class InputParams(Params):
    size: Annotated[int, Range(8, 4096, unit="pixels"), "Both sides of what the network takes."] = 32
    channels: Annotated[int, Range(1, 3), "1 for grey, 3 for colour."] = 3
    resize: Annotated[
        int | None, Range(8, 4096, unit="pixels"), "Short side before the centre is cut out; auto is the size."
    ] = None
    any_size: Annotated[bool, "The trained network takes pictures of any size as they are, not only of this one."] = (
        False
    )
    kind: Annotated[
        str, Choice(("auto", "binary")), "auto: one logit a class; binary: one logit in all, for two classes."
    ] = "auto"
    classes: Annotated[
        str, Pattern(r".*", "names with commas between them"), "Names of the classes, in order; empty: the data's own."
    ] = ""
    normalise: Annotated[
        str,
        Choice(("data", "picture", "none")),
        "Pixels are shifted and scaled by mean and deviation: the training set's, each picture's own, or not at all.",
    ] = "data"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels == 2:
            raise ParamError("channels = 2: a network takes 1 (grey) or 3 (colour).")

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as the recipe names them, if it does."""
        return tuple(name.strip() for name in self.classes.split(",") if name.strip())


@dataclass(frozen=True)
class ScheduleParams(Params):
    epochs: Annotated[int, Range(1, 10_000), "Times that every picture is seen."] = 200
    batch: Annotated[int, Range(1, 65_536), "Pictures in a step, over all processes."] = 128
    optimiser: Annotated[str, Choice(("sgd", "adam")), "SGD has momentum."] = "sgd"
    rate: Annotated[float, Range(1e-7, 10, log=True), "The highest learning rate."] = 0.1
    momentum: Annotated[float, Range(0, 0.999), "Of SGD."] = 0.9
    weight_decay: Annotated[float, Range(0, 1), "Added to each gradient, times the weight."] = 1e-4
    decay_on: Annotated[
        str, Choice(("all", "kernels", "biases")), "Which parameters decay; kernels leaves norms and biases alone."
    ] = "all"
    warm_up: Annotated[float, Range(0, 1000, unit="epochs"), "How long the rate rises in a line to its height."] = 0.0
    warm_up_from: Annotated[float, Range(0, 1), "Where it rises from, as a share of its height."] = 0.1
    shape: Annotated[str, Choice(("steps", "cosine", "constant")), "How the rate falls."] = "steps"
    milestones: Annotated[
        str,
        Pattern(r"(\d+(\.\d+)?(,\s*\d+(\.\d+)?)*)?", "epochs, such as '170,195'"),
        "Where `steps` divides the rate.",
    ] = ""
    factor: Annotated[float, Range(1, 1000), "By which it divides."] = 10.0
    ema: Annotated[
        float | None, Range(0.5, 0.99999), "Decay of the weights' moving average, which is kept in their place."
    ] = None
    precision: Annotated[str, Choice(("float32", "bfloat16", "float64")), "bfloat16 where the terms allow it."] = (
        "float32"
    )
    validation: Annotated[float, Range(0, 0.9, 0.05), "Share of the pictures held out, for the curves."] = 0.0
    keep: Annotated[str, Choice(("last", "best")), "Which epoch's network; best is by validation accuracy."] = "last"
    seed: Annotated[int, Range(0, 2**31 - 1), "Of the weights, the order, and whatever is drawn."] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep == "best" and self.validation == 0:
            raise ParamError("keep = 'best': no pictures are held out to choose by; set validation, such as 0.1.")

    @property
    def falls(self) -> tuple[float, ...]:
        """The epochs at which the rate is divided."""
        return tuple(float(part) for part in self.milestones.split(",") if part.strip())


def rate_at(params: ScheduleParams, epoch: float) -> float:
    """The learning rate at a place counted in epochs, 0 … epochs."""
    if epoch < params.warm_up:
        low = params.warm_up_from
        return params.rate * (low + (1 - low) * epoch / params.warm_up)
    if params.shape == "cosine":
        done = (epoch - params.warm_up) / max(1e-9, params.epochs - params.warm_up)
        return params.rate * (1 + math.cos(math.pi * min(1.0, done))) / 2
    if params.shape == "steps":
        return float(params.rate / params.factor ** sum(epoch >= fall for fall in params.falls))
    return params.rate


def optimiser_of(net: nn.Module, params: ScheduleParams) -> torch.optim.Optimizer:
    """SGD or Adam, with weight decay on the kinds of parameters that the recipe names."""
    kernels, rest = kinds_of(net)
    on_kernels = params.weight_decay if params.decay_on in ("all", "kernels") else 0.0
    on_rest = params.weight_decay if params.decay_on in ("all", "biases") else 0.0
    groups = [
        {"params": group, "weight_decay": decay} for group, decay in ((kernels, on_kernels), (rest, on_rest)) if group
    ]
    if params.optimiser == "adam":
        return torch.optim.Adam(groups, lr=params.rate)
    return torch.optim.SGD(groups, lr=params.rate, momentum=params.momentum)


def kinds_of(net: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Kernels (weights of convolution and dense layers), and everything else."""
    norms = {id(one) for module in net.modules() if isinstance(module, NORMS) for one in module.parameters()}
    learnt = [parameter for parameter in net.parameters() if parameter.requires_grad]
    kernels = [one for one in learnt if one.ndim >= 2 and id(one) not in norms]
    chosen = {id(one) for one in kernels}
    return kernels, [one for one in learnt if id(one) not in chosen]


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Gives every group this rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
