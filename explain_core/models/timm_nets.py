"""Networks of the timm library, where it is installed, with weights from a file.

Kind softmax; mean, std and sizes are those that timm itself declares for the name.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

from explain_core.errors import ModelError, SpecError, suggest
from explain_core.models.classifier import Classifier, InputSpec
from explain_core.models.torchvision_nets import IMAGENET, classes_of
from explain_core.models.weights import count_classes, fill, read_weights, undrawn


def timm_classifier(spec: str, name: str, file: Path) -> Classifier:
    """The network of that name; raises ModelError without timm, SpecError or WeightsError."""
    try:
        import timm
    except ImportError:
        raise ModelError(f"{spec}: timm is not installed; install it with: pip install timm.") from None
    if not timm.is_model(name):
        raise SpecError(f"No network {name!r} in timm: {suggest(name, timm.list_models())}")
    tensors = read_weights(file)

    def build(classes: int) -> Any:
        return timm.create_model(name, pretrained=False, num_classes=classes)

    count = count_classes(build, tensors, default=IMAGENET)
    classes = classes_of(count, str(file))
    net = fill(undrawn(partial(build, count)), tensors, str(file), f"timm/{name}")
    declared = cast(Any, net).pretrained_cfg
    channels, height, width = declared["input_size"]
    return Classifier(
        net,
        classes=classes,
        kind="softmax",
        input=InputSpec(
            channels,
            size=(height, width),
            resize=int(min(height, width) / declared["crop_pct"]),
            smallest=min(height, width) if declared.get("fixed_input_size") else 32,
        ),
        mean=declared["mean"],
        std=declared["std"],
        spec=spec,
    )
