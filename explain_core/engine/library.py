"""Models at hand: loaded once, tried once, shared by everyone who asks."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from explain_core.engine.faults import one_line
from explain_core.engine.lending import keep_ready, lend
from explain_core.errors import ModelError, RhoscopeError, WeightsError
from explain_core.methods.base import Method
from explain_core.models.classifier import Classifier, InputSpec, Kind
from explain_core.models.prepared import AS_IT_IS, prepare, told
from explain_core.models.zoo import load_model


@dataclass(frozen=True)
class ModelCard:
    """What a page needs to know of a model; `cannot` says why a method does not apply, by its name."""

    spec: str
    sha256: str
    classes: tuple[str, ...]
    kind: Kind
    input: InputSpec
    cannot: Mapping[str, str]


@dataclass(frozen=True)
class Held:
    """A model on its device, and the same made ready for many passes, which may be the model itself.

    For each value of an input, autograd keeps `density` bytes, of which `widest` belong to the largest tensor.
    """

    model: Classifier
    prepared: Classifier
    card: ModelCard
    density: float
    widest: float
    device: torch.device
    dtype: torch.dtype

    def for_method(self, method: Method) -> tuple[Classifier, str]:
        """The network that the method is given, and in words what was done to it."""
        return (self.prepared, self._done) if method.prepared else (self.model, AS_IT_IS)

    @cached_property
    def _done(self) -> str:
        """Looking through a network's modules takes as long as a third of a small one's pass."""
        return told(self.model, self.prepared)


class Library:
    """The models of one engine, by name; many threads may open them at once."""

    def __init__(self, device: torch.device, methods: Mapping[str, Method]) -> None:
        self._device, self._methods = device, methods
        self._held: dict[str, Held] = {}
        self._gates: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def open(self, spec: str, allow_code: Path | None = None) -> Held:
        """The model of that name, loaded at the first call; raises ModelError."""
        with self._guard:
            gate = self._gates.setdefault(spec, threading.Lock())
        with gate:
            if spec not in self._held:
                model = keep_ready(load_model(spec, allow_code=allow_code))
                self._held[spec] = hold(model, spec, self._device, self._methods)
            return self._held[spec]

    def add(self, name: str, model: Classifier) -> Held:
        """A ready classifier under a name of its own; its weights must not change from here on."""
        held = hold(model, name, self._device, self._methods)
        with self._guard:
            self._held[name] = held
        return held

    def get(self, name: str) -> Held:
        """A model that was opened or added before; raises ModelError."""
        try:
            return self._held[name]
        except KeyError:
            raise ModelError(f"The model {name!r} is not open here: open it first.") from None


def choose_device(device: str) -> torch.device:
    """`auto` is an accelerator where there is one, `cuda:N` that of this number; raises ModelError for others."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise ModelError(f"device {device!r}: it must be one of auto, cpu, cuda, cuda:N.")
    kind, _, number = device.partition(":")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == "cuda" and count <= int(number or 0):
        raise ModelError(f"device {device!r}: there {_are(count)} here; use one of auto, {', '.join(devices())}.")
    return torch.device(device if kind != "auto" else "cuda" if count else "cpu")


def devices() -> list[str]:
    """Where work can be spread to: every accelerator by its name, or the processor where there is none."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [f"cuda:{number}" for number in range(count)] or ["cpu"]


def _are(count: int) -> str:
    return "is none" if count == 0 else "is only one" if count == 1 else f"are only {count}"


def hold(
    model: Classifier, name: str, device: torch.device, methods: Mapping[str, Method], *, ready: bool = True
) -> Held:
    """A model tried out on its device (a copy, where the original lives elsewhere); raises ModelError.

    It is prepared if it is to be `ready` for many passes: that takes as long as some ten of them.
    """
    weights = [*model.parameters(), *model.buffers()]
    if any(_elsewhere(tensor, device) for tensor in weights):
        model = copy.deepcopy(model).to(device)
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), model.mean.dtype)
    density, widest = _try_out(model, name, device, dtype)
    with lend(model):
        reasons = {method.name: method.cannot(model) for method in methods.values()}
        prepared = prepare(model) if ready else model
    if prepared is not model:
        keep_ready(prepared)
    cannot = {method: why for method, why in reasons.items() if why}
    card = ModelCard(name, model.sha256(), model.classes, model.kind, model.input, cannot)
    return Held(model, prepared, card, density, widest, device, dtype)


def _elsewhere(tensor: Tensor, device: torch.device) -> bool:
    """`cuda` is wherever it is on an accelerator, `cuda:N` only there."""
    return tensor.device.type != device.type or (device.index is not None and tensor.device.index != device.index)


def _try_out(model: Classifier, name: str, device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """Bytes kept for the backward pass per input value, in all and by the largest tensor, from one grey picture.

    What a convolutional network keeps grows with the area, so one small picture tells for all sizes.
    """
    side = max(64, model.input.smallest)
    height, width = model.input.size or (side, side)
    own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    grey = torch.full((1, model.input.channels, height, width), 0.5, dtype=dtype, device=device, requires_grad=True)
    try:
        with lend(model), torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
            logits = model(grey)
    except RhoscopeError:
        raise
    except Exception as error:
        size = f"{width} × {height}"
        raise ModelError(f"{name}: a picture of {size} does not pass through ({one_line(error)}).") from error
    if not torch.isfinite(logits).all():
        raise WeightsError(f"{name} gives logits that are not finite; use weights without NaN or overflow.")
    return sum(kept.values()) / grey.numel(), max(kept.values(), default=0) / grey.numel()
