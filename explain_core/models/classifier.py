"""A classifier as every method sees it: pixels in [0, 1] in, one row of logits a picture out.

Normalisation lives inside, so gradients, ρ and clipping are all in pixel space.  The kind of
output is declared, never guessed: it decides what a probability, a margin and a log-odds mean.

    kind      logits of the network   probability of t      log-odds of t             margin of t
    softmax   (n, v)                  softmax(y)_t          y_t − logsumexp_{j≠t} y   y_t − max_{j≠t} y
    sigmoid   (n, v), multi-label     σ(y_t)                y_t                       y_t (PB, Eq. 2)
    binary    (n, 1), one logit z     shown as two classes with logits (−z/2, z/2), then as softmax

Cross-entropy is softplus(−log-odds) for every kind.

A network may want each picture standardised by its own mean and deviation (AE §III-I4).  These are constants of the
picture before anything was done to it: whoever changes a picture asks `model.about(picture)` of it, which has them
as its mean and deviation.  A picture that is shown to the model itself is taken as it is, unchanged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from explain_core.errors import ImageError, ModelError, TargetError, suggest
from explain_core.params import fingerprint
from explain_core.types import Images, Labels, Logits, PerRow

Kind = Literal["softmax", "sigmoid", "binary"]
Views = Literal["as stored", "chest wall left"]
"""How films are turned for a network: not at all, or mirrored where their chest wall is on the right."""
Greys = Literal["stored range", "first window"]
"""What 0 and 1 are: the ends of what a film can store, or of the first window that its file names."""


@dataclass(frozen=True)
class InputSpec:
    """How a picture becomes this network's input.

    `size` (h, w) is what the network takes, None for any size as it is; `resize` is the short
    side before the centre crop (None: the picture is resized to cover `size`, then cropped);
    `smallest` is the smallest side that the network's layers allow.  `views` and `greys` are of mammograms and
    other films that are read from DICOM; bright is dense either way.
    """

    channels: int
    size: tuple[int, int] | None = None
    resize: int | None = None
    smallest: int = 1
    views: Views = "as stored"
    greys: Greys = "stored range"

    def values(self) -> dict[str, Any]:
        """For the model's hash; what is as it was before there were films is left out."""
        default = {"views": "as stored", "greys": "stored range"}
        return {name: value for name, value in asdict(self).items() if value != default.get(name, ...)}


FLATTEST = 1 / 255
"""The least deviation that a picture is divided by: one of 256 levels."""


class Classifier(nn.Module):
    """A network with its normalisation, class names, input handling and kind of output.

    Args:
        net: takes normalised (n, c, h, w), returns logits (n, v) or a map (n, v, h', w') of them,
            of which the largest over positions counts (PB, after Eq. 2).
        mean, std: per channel, of pixels in [0, 1].
        classes: one name per class; two for kind `binary` (negative, positive).
        spec: the text by which the model was asked for, shown and recorded.
        standardise: each picture is normalised by its own mean and deviation, not by `mean` and `std`.

    Raises ModelError where these do not fit together.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        net: nn.Module,
        *,
        classes: Sequence[str],
        kind: Kind,
        input: InputSpec,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        spec: str = "",
        standardise: bool = False,
    ) -> None:
        super().__init__()
        if kind not in get_args(Kind):
            raise ModelError(f"kind {kind!r}: it must be one of {', '.join(get_args(Kind))}.")
        if input.channels not in (1, 3):
            raise ModelError(f"{input.channels} input channels: a classifier takes 1 or 3.")
        if kind == "binary" and len(classes) != 2:
            raise ModelError(f"{len(classes)} class names: a binary classifier needs two (negative, positive).")
        if len(classes) < 2 and kind == "softmax":
            raise ModelError(f"{len(classes)} class names: a softmax classifier needs at least two.")
        for name, values in (("mean", mean), ("std", std)):
            if len(values) not in (1, input.channels):
                raise ModelError(f"{name} has {len(values)} values: give 1 or {input.channels}.")
        if min(std) <= 0:
            raise ModelError(f"std {tuple(std)}: it must be positive.")
        self.net = net
        self.classes = tuple(classes)
        self.kind: Kind = kind
        self.input = input
        self.spec = spec
        self.standardise = standardise
        self.channels_last = False
        self.register_buffer("mean", torch.tensor(list(mean)).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(list(std)).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Images) -> Logits:
        """Logits (n, v) of pixels in [0, 1]."""
        mean, std = standards(x) if self.standardise else (self.mean, self.std)
        normalised = (x - mean) / std
        return self.present(self.net(_ChannelsLast.apply(normalised) if self.channels_last else normalised))

    def about(self, pictures: Images) -> Classifier:
        """The same network for what becomes of these pictures (n, c, h, w), row by row, or of one.

        Their means and deviations are its own, (n, 1, 1, 1), for good; itself where pictures do not have any.
        """
        if not self.standardise:
            return self
        found = Classifier(self.net, classes=self.classes, kind=self.kind, input=self.input, spec=self.spec)
        found.mean, found.std = standards(pictures)
        found.training, found.channels_last = self.training, self.channels_last
        return found

    def present(self, y: Tensor) -> Logits:
        """The network's output as one row of logits a picture."""
        if y.ndim == 4:
            y = y.amax(dim=(2, 3))
        if self.kind == "binary":
            y = y.reshape(len(y), -1)
            if y.shape[1] != 1:
                raise ModelError(f"{self.spec}: {y.shape[1]} outputs, but a binary classifier has one logit.")
            return torch.cat([-y / 2, y / 2], dim=1)
        if y.ndim != 2 or y.shape[1] != len(self.classes):
            raise ModelError(
                f"{self.spec}: the output has shape {tuple(y.shape)}, but {len(self.classes)} classes "
                f"need (n, {len(self.classes)})."
            )
        return y

    def probabilities(self, logits: Logits) -> Logits:
        """(n, v), each row summing to 1 except for kind `sigmoid`."""
        return logits.sigmoid() if self.kind == "sigmoid" else logits.softmax(dim=1)

    def log_odds(self, logits: Logits, target: Labels) -> PerRow:
        """The class objective: like the logit and −cross-entropy in direction, but never saturated."""
        chosen = pick(logits, target)
        if self.kind == "sigmoid":
            return chosen
        return chosen - others(logits, target).logsumexp(dim=1)

    def margin(self, logits: Logits, target: Labels) -> PerRow:
        """How far the target leads (PB, Eqs. 1 and 2); below 0 the decision has changed."""
        chosen = pick(logits, target)
        if self.kind == "sigmoid":
            return chosen
        return chosen - others(logits, target).amax(dim=1)

    def cross_entropy(self, logits: Logits, target: Labels) -> PerRow:
        """−ln p of the target, per row."""
        return F.softplus(-self.log_odds(logits, target))

    def class_index(self, target: int | str) -> int:
        """The index of a class given by index or by name (case does not matter); raises TargetError."""
        if isinstance(target, str) and not target.lstrip("-").isdigit():
            names = [name.casefold() for name in self.classes]
            if target.casefold() in names:
                return names.index(target.casefold())
            raise TargetError(f"No class {target!r} in {self.spec}: {suggest(target, self.classes)}")
        index = int(target)
        if not 0 <= index < len(self.classes):
            raise TargetError(f"Target {index} is out of range: {self.spec} has classes 0 to {len(self.classes) - 1}.")
        return index

    def check_images(self, shape: Sequence[int]) -> None:
        """Raises ImageError unless (…, c, h, w) suits the network."""
        *_, channels, height, width = shape
        if channels != self.input.channels:
            raise ImageError(f"{channels} channels: {self.spec} takes {self.input.channels}.")
        if min(height, width) < self.input.smallest:
            raise ImageError(
                f"{width} × {height} pixels: {self.spec} needs at least {self.input.smallest} on each side; "
                f"enlarge the picture."
            )

    def sha256(self) -> str:
        """Of the weights, the architecture's text and the input handling; names the model in records."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.net.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        normalisation = (self.mean.flatten().tolist(), self.std.flatten().tolist())
        handling = (*(("each",) if self.standardise else normalisation), self.kind, self.input.values())
        digest.update(fingerprint(str(self.net), handling).encode())
        return digest.hexdigest()


class _ChannelsLast(torch.autograd.Function):
    """The same values with the channels of a pixel side by side in memory; gradients come back as they were."""

    @staticmethod
    def forward(_ctx: Any, x: Images) -> Images:
        return x.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        return grads[0].contiguous()


@torch.no_grad()
def standards(pictures: Images) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each picture over all its values, (n, 1, 1, 1); constants, whatever depends on them."""
    flat = pictures.double().flatten(1)
    mean, std = flat.mean(1), flat.std(1, correction=0).clamp_min(FLATTEST)
    return mean.to(pictures).view(-1, 1, 1, 1), std.to(pictures).view(-1, 1, 1, 1)


def pick(logits: Logits, target: Labels) -> PerRow:
    """Each row's target logit."""
    return logits.gather(1, target[:, None])[:, 0]


def others(logits: Logits, target: Labels) -> Logits:
    """The logits with each row's target put out of the race."""
    return logits.scatter(1, target[:, None], float("-inf"))
