"""Torchvision's classifiers: with their default weights, or with a state dict from a file.

The family declares its kind, softmax, and the pictures' mean, std and sizes as torchvision does
for the chosen weights; for a file, as for the first weights that torchvision ever gave the name.
"""

from __future__ import annotations

from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from explain_core.data.names import numbered
from explain_core.errors import DownloadError, SpecError, WeightsError, suggest
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.weights import Tensors, blank, count_classes, fill, read_weights

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

IMAGENET = 1000
SMALLEST = {"alexnet": 63, "inception_v3": 75}
"""The smallest side the layers allow, where it is above 32; transformers allow their own size only."""
FIXED = ("vit_", "maxvit_")
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


def _models() -> Any:
    """Imported when it is needed: torchvision takes as long as torch, and most work does without."""
    from torchvision import models

    return models


def names() -> list[str]:
    """Every classifier that torchvision builds."""
    models = _models()
    return list(models.list_models(module=models))


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 names, from what torchvision says of its weights; nothing is downloaded."""
    return tuple(_models().ResNet18_Weights.DEFAULT.meta["categories"])


def classes_of(count: int, source: str) -> tuple[str, ...]:
    """ImageNet's names for 1,000 outputs, numbers for others; raises WeightsError for a single output."""
    if count < 2:
        raise WeightsError(
            f"{source}: {count} output, but this family means softmax over two classes or more; for one "
            f"logit, give a factory FILE.py:FUNCTION that declares the kind 'binary'."
        )
    return imagenet_classes() if count == IMAGENET else numbered(count)


def torchvision_classifier(spec: str, name: str, file: Path | None) -> Classifier:
    """The network of that name; raises SpecError, DownloadError or WeightsError."""
    weights = weights_named(name, first=file is not None)
    tensors = pretrained(name, file)
    source = spec if file is None else str(file)
    transform = weights.transforms()
    side = transform.crop_size[0]
    build = partial(network, name, side)
    count = count_classes(build, tensors, default=IMAGENET)
    classes = classes_of(count, source)
    net = fill(blank(lambda: build(count)), tensors, source, f"torchvision/{name}")
    return Classifier(
        net,
        classes=classes,
        kind="softmax",
        input=InputSpec(3, size=(side, side), resize=transform.resize_size[0], smallest=smallest_side(name, side)),
        mean=transform.mean,
        std=transform.std,
        spec=spec,
    )


def weights_named(name: str, *, first: bool = False) -> WeightsEnum:
    """What torchvision says of a name's default weights, or of its first ones; raises SpecError."""
    if name not in names():
        raise SpecError(f"No network {name!r} in torchvision: {suggest(name, names())}")
    known = _models().get_model_weights(name)
    return next(iter(known)) if first else known.DEFAULT


def pretrained(name: str, file: Path | None) -> Tensors:
    """Tensors from a file, or the default ones, downloaded; heads that only training uses are left out."""
    found = download(weights_named(name), name) if file is None else read_weights(file)
    return {key: tensor for key, tensor in found.items() if not key.startswith(AUXILIARY)}


def smallest_side(name: str, side: int) -> int:
    """The smallest side that the layers allow, for a network that was made for `side`."""
    return side if name.startswith(FIXED) else SMALLEST.get(name, 32)


def network(name: str, side: int, classes: int) -> nn.Module:
    """As torchvision builds it for its own weights; heads that only training uses are left out."""
    extra: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        extra = {"transform_input": True, "init_weights": False, "aux_logits": False}
    elif name.startswith("vit_"):
        extra = {"image_size": side}
    net: nn.Module = _models().get_model(name, weights=None, num_classes=classes, **extra)
    return net


def download(weights: WeightsEnum, name: str) -> Tensors:
    """Default weights from torchvision's cache or site; read with torch's restricted unpickler."""
    try:
        tensors: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise DownloadError(
            f"The weights of torchvision/{name} cannot be downloaded ({why}); give a file instead: "
            f"torchvision/{name}@FILE.safetensors."
        ) from None
    return tensors
