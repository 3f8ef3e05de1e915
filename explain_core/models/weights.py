"""Weights from files: safetensors only, and only into the very network they were saved from.

A pickle can run code as it is read, so none is read here.  What does not fit is named by its key,
with the shape that was found and the shape that was needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file
from torch import Tensor, nn

from explain_core.errors import WeightsError

Tensors = Mapping[str, Tensor]
PICKLES = (b"PK\x03\x04", b"\x80")
"""How torch.save's archives and bare pickles begin."""
HEADER = b"{"
"""What a safetensors file has after its first eight bytes, a length, which may look like a pickle's beginning."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by key, on the CPU; raises WeightsError."""
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    return _some(tensors, path)


def weights_from(content: bytes, name: str) -> dict[str, Tensor]:
    """The same of a file that is in memory, which messages call `name`; raises WeightsError."""
    try:
        tensors: dict[str, Tensor] = load(content)
    except (SafetensorError, ValueError) as error:
        raise _refused(Path(name), content[:9], error) from None
    return _some(tensors, Path(name))


def _some(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    if not tensors:
        raise WeightsError(f"{path} holds no weights; save the network's state dict into it.")
    return tensors


def _unreadable(path: Path, error: Exception) -> WeightsError:
    try:
        with path.open("rb") as file:
            return _refused(path, file.read(9), error)
    except OSError as missing:
        return WeightsError(f"{path}: {missing.strerror}; give the path of a safetensors file.")


def _refused(path: Path, start: bytes, error: Exception) -> WeightsError:
    if start.startswith(PICKLES) and start[8:] != HEADER:
        return WeightsError(
            f"{path} is a pickle, which can run code as it is read; convert it, in Python: safetensors.torch.save_file("
            f"torch.load('{path.name}', weights_only=True), '{path.stem}.safetensors')."
        )
    why = " ".join(str(error).split())
    return WeightsError(f"{path} is damaged, or is no safetensors file ({why}); save it again.")


def blank(build: Callable[[], nn.Module]) -> nn.Module:
    """A network whose weights are still to come, built without drawing from the global random state.

    On the meta device nothing is allocated; constructors that compute with tensors, or keep some
    outside the state dict, run on the CPU instead.
    """
    try:
        with torch.device("meta"):
            net = build()
    except (NotImplementedError, RuntimeError):
        return undrawn(build)
    kept = net.state_dict().keys()
    return net if all(name in kept for name, _ in net.named_buffers()) else undrawn(build)


def undrawn(build: Callable[[], nn.Module]) -> nn.Module:
    """What `build` builds; the global random state is given back as it was."""
    with torch.random.fork_rng(devices=[]):
        return build()


def class_axes(build: Callable[[int], nn.Module]) -> dict[str, int]:
    """Tensors whose shape depends on the number of classes, by key, and along which axis."""
    two, three = (blank(partial(build, count)).state_dict() for count in (2, 3))
    found = {}
    for key, tensor in two.items():
        depends = [axis for axis, pair in enumerate(zip(tensor.shape, three[key].shape, strict=True)) if pair == (2, 3)]
        if depends:
            found[key] = depends[0]
    return found


def count_classes(build: Callable[[int], nn.Module], tensors: Tensors, default: int) -> int:
    """For how many classes weights were made, from the first tensor whose shape depends on it."""
    for key, axis in class_axes(build).items():
        found = tensors.get(key)
        return found.shape[axis] if found is not None and found.ndim > axis else default
    return default


def fill(net: nn.Module, tensors: Tensors, source: str, network: str) -> nn.Module:
    """Copies weights into a network, in its own number type; returns it, in eval mode.

    `source` and `network` are what messages call the two.  Batch norms' counts of batches may be
    absent.  Raises WeightsError for missing and unexpected keys, other shapes, integers for floats,
    NaN and infinity.
    """
    expected = net.state_dict()
    counts = {key: torch.zeros((), dtype=torch.long) for key in expected if key.endswith("num_batches_tracked")}
    given = {**counts, **tensors}
    faults = _missing(expected, given) or _unexpected(expected, given) or _misfits(expected, given)
    if faults:
        more = f" (and {len(faults) - 1} more keys)" if len(faults) > 1 else ""
        raise WeightsError(f"{source}: {faults[0]}{more}; give weights saved from {network} itself.")
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise WeightsError(f"{source}: '{key}' {_shape(tensor)} holds NaN or infinity; train or save it again.")
    if any(tensor.is_meta for tensor in expected.values()):
        net.to_empty(device="cpu")
    net.load_state_dict(given)
    return net.eval()


def _missing(expected: Tensors, given: Tensors) -> list[str]:
    return [f"no key '{key}', expected with shape {_shape(expected[key])}" for key in expected if key not in given]


def _unexpected(expected: Tensors, given: Tensors) -> list[str]:
    return [f"unexpected key '{key}' with shape {_shape(given[key])}" for key in given if key not in expected]


def _misfits(expected: Tensors, given: Tensors) -> list[str]:
    faults = []
    for key, wanted in expected.items():
        found = given[key]
        if found.shape != wanted.shape:
            faults.append(f"'{key}' has shape {_shape(found)}, expected {_shape(wanted)}")
        elif wanted.is_floating_point() and not found.is_floating_point():
            faults.append(f"'{key}' has type {found.dtype}, expected {wanted.dtype}")
    return faults


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
