"""Models by spec string: the one way in which the page, the command line and Python name a model.

    demo, demo-shortcut                    embedded
    shipped/NAME                           trained here by a recipe, and shipped
    torchvision/NAME                       default weights, downloaded on first use
    torchvision/NAME@FILE.safetensors      a state dict
    timm/NAME@FILE                         where timm is installed
    preact-resnet44@FILE, preact-resnet44-hhrelu@FILE
    trained:FOLDER                         trained here
    registry/NAME, registry/NAME@VERSION   registered, in the workspace
    FILE.py:FUNCTION, FILE.py:FUNCTION@WEIGHTS

To add a family: write its builder in `explain_core/models/`, and its row in MODELS.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from torch import nn

from explain_core.errors import SpecError, suggest
from explain_core.models.classifier import Classifier

Need = Literal["never", "may", "must"]
ANYWHERE: Final = "anywhere"
CODE = re.compile(r"(?P<file>[^@]+?\.py):(?P<function>[A-Za-z_]\w*)(?:@(?P<weights>.+))?")


@dataclass(frozen=True)
class Family:
    """A row of MODELS; `build` takes the spec, the NAME and the FILE (or FOLDER, or VERSION) where there is one."""

    form: str
    help: str
    build: Callable[[str, str, Path | None], Classifier]
    name: Need = "never"
    file: Need = "never"
    folder: Need = "never"


def _demo(spec: str, _name: str, _file: Path | None) -> Classifier:
    from explain_core.models.demo import demo_classifier

    return demo_classifier(shortcut=spec == "demo-shortcut")


def _shipped(_spec: str, name: str, _file: Path | None) -> Classifier:
    from explain_core.models.shipped import load_shipped

    return load_shipped(name)


def _torchvision(spec: str, name: str, file: Path | None) -> Classifier:
    from explain_core.models.torchvision_nets import torchvision_classifier

    return torchvision_classifier(spec, name, file)


def _timm(spec: str, name: str, file: Path | None) -> Classifier:
    from explain_core.models.timm_nets import timm_classifier

    return timm_classifier(spec, name, file or Path())


def _preact(spec: str, _name: str, file: Path | None) -> Classifier:
    from torch import nn

    from explain_core.models.hhrelu import HHReLU
    from explain_core.models.preact_resnet import preact_classifier

    activation = HHReLU if spec.startswith("preact-resnet44-hhrelu@") else nn.ReLU
    return preact_classifier(spec, file or Path(), activation)


def _trained(spec: str, _name: str, folder: Path | None) -> Classifier:
    from explain_core.models.trained import load_trained

    return load_trained(folder or Path(), spec)


def _registry(spec: str, name: str, version: Path | None) -> Classifier:
    from explain_core.models.registry import registry_classifier

    return registry_classifier(spec, name, str(version) if version else None)


MODELS: dict[str, Family] = {
    "demo": Family("demo", "Finds lesions in synthetic mammograms; ships with Rhoscope.", _demo),
    "demo-shortcut": Family("demo-shortcut", "The same, but trained to cheat by a film marker.", _demo),
    "shipped": Family(
        "shipped/NAME", "A network that ships with Rhoscope, trained by one of its recipes.", _shipped, name="must"
    ),
    "torchvision": Family(
        "torchvision/NAME[@FILE.safetensors]",
        "A torchvision classifier, with its default weights (downloaded on first use) or a state dict.",
        _torchvision,
        name="must",
        file="may",
    ),
    "timm": Family("timm/NAME@FILE", "A timm network, where timm is installed.", _timm, name="must", file="must"),
    "preact-resnet44": Family(
        "preact-resnet44@FILE", "The CIFAR-10 network of Adversarial Explanations, with ReLU.", _preact, file="must"
    ),
    "preact-resnet44-hhrelu": Family(
        "preact-resnet44-hhrelu@FILE", "The same, with the half-Huber ReLU.", _preact, file="must"
    ),
    "trained": Family(
        "trained:FOLDER", "A network trained here: a folder of weights and a card.", _trained, folder="must"
    ),
    "registry": Family(
        "registry/NAME[@VERSION]",
        "A registered model of the workspace; without a version, its newest.",
        _registry,
        name="must",
        file="may",
    ),
}

FORMS: dict[str, str] = {row.form: row.help for row in MODELS.values()} | {
    "FILE.py:FUNCTION[@WEIGHTS]": "Your own function, which returns an nn.Module or a Classifier; its code is run."
}
"""How each spec is written, and what it gives: for the command line and the docs."""


def known_specs() -> tuple[str, ...]:
    """Specs that can be chosen as they are: the embedded models, shipped and registered ones, torchvision's by name."""
    from explain_core.models.registry import registered
    from explain_core.models.shipped import shipped
    from explain_core.models.torchvision_nets import names

    embedded = [name for name, row in MODELS.items() if row.name == row.file == row.folder == "never"]
    newest = {entry.name: entry.spec for entry in registered()}
    ours = (f"shipped/{name}" for name in shipped())
    return (*embedded, *ours, *newest.values(), *(f"torchvision/{name}" for name in names()))


def load_model(spec: str | Classifier, *, allow_code: Path | Literal["anywhere"] | None = ANYWHERE) -> Classifier:
    """The classifier that a spec names, on the CPU, in eval mode; a Classifier is returned as it is.

    `allow_code` is the folder whose `FILE.py:FUNCTION` may be run; None runs no user's code.
    Raises SpecError, WeightsError, DownloadError, or another ModelError.
    """
    if isinstance(spec, Classifier):
        return spec
    if not isinstance(spec, str):
        raise SpecError(f"A {type(spec).__name__} is no model spec; give a text, or wrap the network in a Classifier.")
    family, _, folder = spec.partition(":")
    if folder and family in MODELS and MODELS[family].folder == "must":
        return channels_last(MODELS[family].build(spec, "", _path(folder)))
    code = CODE.fullmatch(spec)
    if code:
        return _load_code(spec, code, allow_code)
    head, at, file = spec.partition("@")
    family, slash, name = head.partition("/")
    if family not in MODELS:
        raise _unknown(spec, family)
    row = MODELS[family]
    for need, given, full in ((row.name, slash, name), (row.file, at, file), (row.folder, "", "")):
        if (need == "must" and not full) or (need == "never" and given) or (given and not full):
            raise SpecError(f"Model {spec!r}: the form is {row.form}.")
    return channels_last(row.build(spec, name, _path(file) if at else None).eval())


def channels_last(model: Classifier) -> Classifier:
    """The same classifier, the weights of its convolutions laid out with channels last; values stay.

    On a processor, all that it computes follows: 0.8 to 0.9 of the time of a pass on ResNet, VGG and the
    embedded networks, 0.65 on SqueezeNet.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return model


def _load_code(spec: str, code: re.Match[str], allow_code: Path | Literal["anywhere"] | None) -> Classifier:
    from explain_core.models.user_code import check_code, user_classifier

    file, weights = _path(code["file"]), code["weights"]
    if not isinstance(allow_code, str):
        check_code(spec, file, allow_code)
    return channels_last(user_classifier(spec, file, code["function"], _path(weights) if weights else None))


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _unknown(spec: str, family: str) -> SpecError:
    path = spec.rpartition("@")[2]
    if path.endswith(".py"):
        return SpecError(f"Model {spec!r}: say which function of the file makes the network: {spec}:FUNCTION.")
    if Path(path).suffix in (".safetensors", ".pt", ".pth", ".ckpt", ".bin") and "@" not in spec:
        return SpecError(f"Model {spec!r} is weights without a network: write for example torchvision/resnet18@{spec}.")
    return SpecError(f"No model {family!r}: {suggest(family, MODELS)}")
