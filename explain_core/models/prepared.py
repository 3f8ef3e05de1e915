"""A network made ready for many passes: batch-norm folded into the convolutions before it, and memory laid out anew.

In eval mode batch-norm is an affine map of each channel, so the convolution can do its work:

    s (W x + b − μ) + β,  s = γ / √(σ² + ε)   is a convolution with the kernels s W.

A prepared network is a copy that shares no weights with the original, and every module keeps its name; the
folded batch-norm becomes an identity.  Only a pair is folded of which a trace of the network shows that nobody
else sees what lies between.  Networks that cannot be traced, and those whose logits would change by more than
rounding, stay as they are.

On a processor kernels are laid out once, and the channels of a pixel lie side by side, see `packed`.

Whoever looks at a folded convolution's map sees what came out of batch-norm, s A + t; see `unshifted`.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from explain_core.models.classifier import Classifier
from explain_core.models.packed import pack
from explain_core.types import Images

TOLERANCE = 1e-4
"""Largest deviation of a logit, as a share of the largest; folding makes about 1e-6."""
BY_AND_LARGE = 0.1
"""Largest deviation of a gradient, as a share of its norm; about 1e-6 where no activation moves over its kink."""
CONTRASTS = (0.1, 0.5, 1.0)
SIDE = 64

AS_IT_IS = "as it is"
SHIFT = "folded_shift"
"""The buffer of a folded convolution that holds t (k,)."""


def prepare(model: Classifier) -> Classifier:
    """The same classifier over a copy of its network that is faster; the model itself where nothing can be done.

    The model is in eval mode with frozen parameters, and stays as it is; so does the copy.
    """
    pairs = foldable(model.net)
    on_processor = model.mean.device.type == "cpu" and model.mean.dtype == torch.float32
    for packed in (True, False) if on_processor else (False,):
        if not packed and not pairs:
            break
        swift = copy.deepcopy(model)
        for convolution, norm in pairs:
            fold(swift.net, convolution, norm)
        swift.requires_grad_(False)
        swift.channels_last = packed and pack(swift.net) > 0
        if (pairs or swift.channels_last) and same(model, swift):
            return swift
    return model


def told(model: Classifier, prepared: Classifier) -> str:
    """In words what was done to the network."""
    if prepared is model:
        return AS_IT_IS
    folded = any(SHIFT in dict(module.named_buffers(recurse=False)) for module in prepared.net.modules())
    done = {"batch-norm folded": folded, "kernels laid out": prepared.channels_last}
    return ", ".join(what for what, was in done.items() if was)


def foldable(net: nn.Module) -> list[tuple[str, str]]:
    """Names of convolutions and of the batch-norms that alone take what they put out, each used once."""
    try:
        graph = fx.Tracer().trace(net)
    except Exception:  # a network's own code may fail in any way when it is traced: it stays as it is
        return []
    modules = dict(net.named_modules(remove_duplicate=False))
    used = [node.target for node in graph.nodes if node.op == "call_module"]
    pairs = []
    for node in graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        names = str(before.target), str(node.target)
        kinds = tuple(type(modules[name]) for name in names)
        once = all(_uses(modules, used, name) == 1 for name in names)
        if kinds == (nn.Conv2d, nn.BatchNorm2d) and once and modules[names[1]].running_mean is not None:
            pairs.append(names)
    return pairs


def _uses(modules: dict[str, nn.Module], used: list[object], name: str) -> int:
    """How often the module of that name runs in one pass, under whatever name."""
    return sum(modules[str(other)] is modules[name] for other in used)


def fold(net: nn.Module, convolution: str, norm: str) -> None:
    """Puts the folded convolution, and an identity, in the places of the two."""
    before, after = net.get_submodule(convolution), net.get_submodule(norm)
    if not isinstance(before, nn.Conv2d) or not isinstance(after, nn.BatchNorm2d):
        raise TypeError(f"{convolution}, {norm}: a convolution and its batch-norm are needed")
    folded = fuse_conv_bn_eval(before, after)
    mean, variance = after.running_mean, after.running_var
    if mean is None or variance is None:
        raise TypeError(f"{norm}: batch-norm without running statistics cannot be folded")
    scale = (variance + after.eps).rsqrt() * (1 if after.weight is None else after.weight)
    shift = (0 if after.bias is None else after.bias) - scale * mean
    folded.register_buffer(SHIFT, shift.detach(), persistent=False)
    net.set_submodule(convolution, folded)
    net.set_submodule(norm, nn.Identity())


@torch.no_grad()
def same(model: Classifier, swift: Classifier) -> bool:
    """Whether logits agree on noise of several contrasts, as far as rounding goes, and the gradient of the largest by
    and large; never where one is not finite, or where the network cannot take what the faster one hands on.

    Rounding may move an activation over its kink, folded or not, and its gradient with it: hence by and large.
    """
    side = max(SIDE, model.input.smallest)
    shape = (1, model.input.channels, *(model.input.size or (side, side)))
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(model.mean)
    pictures = [0.5 + contrast * (noise - 0.5) for contrast in CONTRASTS]
    exact, slope = torch.cat([model(picture) for picture in pictures]), gradient(model, noise)
    try:
        other, found = torch.cat([swift(picture) for picture in pictures]), gradient(swift, noise)
    except Exception:  # such as a view of a map whose memory lies in another order
        return False
    logits = bool((exact - other).abs().amax() <= TOLERANCE * exact.abs().amax())
    return logits and bool((slope - found).norm() <= BY_AND_LARGE * slope.norm())


def gradient(model: Classifier, picture: Images) -> Images:
    """Of the largest logit."""
    with torch.enable_grad():
        x = picture.detach().clone().requires_grad_()
        return torch.autograd.grad(model(x).amax(), x)[0]


def unshifted(module: nn.Module, output: Tensor) -> Tensor:
    """A folded convolution's map (n, k, h, w) less its shift: s A, A being the map of the convolution itself.

    A product with the gradient at the map is then as it was, since the gradient at A is s times the one here.
    """
    shift = getattr(module, SHIFT, None)
    return output if shift is None else output - shift.view(1, -1, 1, 1)
