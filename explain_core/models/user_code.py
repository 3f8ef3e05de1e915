"""A user's own factory, `FILE.py:FUNCTION`: any network, as long as it says what its output means.

The function takes no arguments and returns a `Classifier`, or an `nn.Module` that carries an
attribute `rhoscope`, a mapping with

    kind      softmax, sigmoid or binary (one logit); always needed, never guessed
    channels  1 or 3; always needed
    classes   names; left out, the outputs are numbered
    size      side, or (height, width), that the network takes; left out, any
    resize    short side before the centre crop
    smallest  smallest side that the layers allow
    mean, std per channel, of pixels in [0, 1]; left out, 0 and 1

Running the file is running its code: `check_code` restricts it to one folder, or forbids it.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from explain_core.data.names import numbered
from explain_core.errors import ModelError, RhoscopeError, SpecError, suggest
from explain_core.models.classifier import Classifier, InputSpec, Kind
from explain_core.models.weights import fill, read_weights, undrawn

EXAMPLE = "net.rhoscope = {'kind': 'softmax', 'channels': 3, 'classes': ['cat', 'dog'], 'size': 224}"
PROBE_SIDE = 64


@dataclass(frozen=True)
class Declared:
    """What a bare network says about itself; see the module's text."""

    kind: Kind
    channels: int
    classes: Sequence[str] | None = None
    size: int | Sequence[int] | None = None
    resize: int | None = None
    smallest: int = 1
    mean: Sequence[float] = (0.0,)
    std: Sequence[float] = (1.0,)

    @property
    def input(self) -> InputSpec:
        sides = (self.size, self.size) if isinstance(self.size, int) else self.size
        size = None if sides is None else (int(sides[0]), int(sides[1]))
        return InputSpec(self.channels, size, self.resize, self.smallest)


def check_code(spec: str, file: Path, folder: Path | None) -> None:
    """Raises SpecError unless the file, links followed, lies under the folder opened for code."""
    if folder is None:
        raise SpecError(f"{spec!r} is code: start the app with `rhoscope app --allow-code DIR` to open a folder of it.")
    if not file.resolve().is_relative_to(folder.resolve()):
        raise SpecError(f"{spec!r} lies outside the folder that was opened for code; put the file there.")


def user_classifier(spec: str, file: Path, function: str, weights: Path | None) -> Classifier:
    """What the function returns, with weights from a file where one is given; raises ModelError."""
    if not file.is_file():
        raise SpecError(f"{spec}: there is no file {file}; give the path of a Python file.")
    tensors = read_weights(weights) if weights else None
    made = undrawn(_factory(spec, file, function))
    if tensors is not None:
        net = made.net if isinstance(made, Classifier) else made
        fill(net, tensors, str(weights), f"{file.name}:{function}")
    made.eval()
    model = made if isinstance(made, Classifier) else _classifier(spec, made)
    model.spec = spec
    _run(spec, model.eval(), model.input)  # a Classifier says itself where outputs and names do not fit
    return model


def _factory(spec: str, file: Path, function: str) -> Callable[[], nn.Module]:
    """The function, so that whatever goes wrong in the user's code is one line."""

    def build() -> nn.Module:
        try:
            module = _module(file)
            if not callable(getattr(module, function, None)):
                known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
                raise SpecError(f"No function {function!r} in {file}: {suggest(function, known)}")
            made = getattr(module, function)()
        except RhoscopeError:
            raise
        except Exception as error:
            raise ModelError(f"{spec} failed: {_line(error)}; mend the file.") from error
        if not isinstance(made, nn.Module):
            raise ModelError(f"{spec} returned a {type(made).__name__}; return an nn.Module or a Classifier.")
        return made

    return build


def _module(file: Path) -> ModuleType:
    """The file's module, run anew, with its own folder importable while it runs."""
    source = file.read_bytes()
    module = ModuleType(f"rhoscope_user_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # dataclasses and type hints look their module up there
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        exec(compile(source, file, "exec"), module.__dict__)
    finally:
        sys.path.remove(folder)
    return module


def _classifier(spec: str, net: nn.Module) -> Classifier:
    declared = _declared(spec, getattr(net, "rhoscope", None))
    try:
        classes = declared.classes or _count(spec, net, declared)
        return Classifier(
            net,
            classes=tuple(classes),
            kind=declared.kind,
            input=declared.input,
            mean=declared.mean,
            std=declared.std,
            spec=spec,
        )
    except (TypeError, ValueError, IndexError) as error:
        raise ModelError(f"{spec}: what `rhoscope` declares has the wrong type ({_line(error)}); {EXAMPLE}") from None


def _declared(spec: str, given: Any) -> Declared:
    if not isinstance(given, Mapping):
        raise ModelError(f"{spec} does not say what its output means; let the module carry it: {EXAMPLE}")
    known = [field.name for field in fields(Declared)]
    for name in given:
        if name not in known:
            raise ModelError(f"{spec}: `rhoscope` declares {name!r}: {suggest(str(name), known)}")
    for name in ("kind", "channels"):
        if name not in given:
            raise ModelError(f"{spec}: `rhoscope` does not declare {name!r}, and it is never guessed; {EXAMPLE}")
    if given["channels"] not in (1, 3):
        raise ModelError(f"{spec}: {given['channels']} input channels: a classifier takes 1 or 3.")
    return Declared(**given)


def _count(spec: str, net: nn.Module, declared: Declared) -> tuple[str, ...]:
    """Names by number for as many outputs as the network turns out to have."""
    if declared.kind == "binary":
        return ("negative", "positive")
    output = _run(spec, net, declared.input)
    return numbered(output.shape[1] if output.ndim > 1 else 1)


def _run(spec: str, net: nn.Module, input: InputSpec) -> Tensor:
    """The output for one black picture."""
    side = max(PROBE_SIDE, input.smallest)
    shape = (1, input.channels, *(input.size or (side, side)))
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            output = net(torch.zeros(shape))
    except RhoscopeError:
        raise
    except Exception as error:
        raise ModelError(f"{spec} fails on an input of shape {shape}: {_line(error)}; declare its `size`.") from error
    if not isinstance(output, Tensor):
        raise ModelError(f"{spec} returned a {type(output).__name__} for a picture; return the logits alone.")
    return output


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
