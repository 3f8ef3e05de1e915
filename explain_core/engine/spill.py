"""What autograd keeps for the way back: in memory as far as there is room, beyond that in a file.

A network's activations on a whole mammogram can be larger than memory.  They are written when they are made, and
read when their gradient is due, bit by bit as they were: no method and no network notices, and as nothing is cut
into tiles there is no margin that could be wrong.  The file has no name, nobody else can read it, and it is gone
with the run, however that ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from explain_core.errors import MemoryExhausted

SMALL = 1 << 20
"""Bytes below which a tensor stays where it is, and is not counted."""


class Spill:
    """Listens to autograd while one batch is computed; `written` counts the bytes that went to the file.

    Args:
        own: tensors that are there anyway, such as the network's weights.
        small: bytes below which a tensor stays where it is.
    """

    def __init__(self, own: Iterable[Tensor], small: int = SMALL) -> None:
        self.written = 0
        self.inside, self.parts, self.end = 0, 0, 0
        self._own, self._small = {tensor.untyped_storage().data_ptr() for tensor in own}, small
        self._room = 0
        self._last: tuple[Tensor, int, Kept] | None = None
        self._file: BufferedRandom | None = None

    def __del__(self) -> None:
        if self._file:
            self._file.close()

    @contextmanager
    def keeping(self, room: int) -> Iterator[None]:
        """While this is open, at most `room` bytes of what autograd keeps stay in memory."""
        self._room = room
        try:
            with saved_tensors_hooks(self._keep, lambda kept: kept.get()):
                yield
        finally:
            self._last = None

    def _keep(self, tensor: Tensor) -> Kept:
        if tensor.nbytes < self._small or tensor.untyped_storage().data_ptr() in self._own or not _dense(tensor):
            return Inside(tensor.detach(), tensor._version)
        if self._last and _same(tensor, *self._last[:2]):  # one operation's result, the next one's input
            return self._last[2]
        if self.inside + tensor.nbytes <= self._room:
            kept: Kept = Inside(tensor.detach(), tensor._version, self)
        else:
            kept = self._put_aside(tensor)
        # Held until the next one, so that its memory cannot be another tensor's by then.
        self._last = tensor.detach(), tensor._version, kept
        return kept

    def _put_aside(self, tensor: Tensor) -> Outside:
        offset = self.end if self.parts else 0  # when all parts are done with, the file begins anew
        try:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the run
            self._file.seek(offset)
            self._file.write(_bytes(tensor.cpu()))
        except OSError as error:
            raise MemoryExhausted(
                f"{tensor.nbytes >> 20} MiB beyond the memory limit cannot be put aside in a file ({error.strerror}): "
                f"raise the limit, set TMPDIR to a folder with room, or use a smaller picture."
            ) from None
        self.written += tensor.nbytes
        self.end = offset + tensor.nbytes
        return Outside(tensor.shape, tensor.stride(), tensor.dtype, tensor.device, offset, self)

    def fetch(self, into: Tensor, offset: int) -> None:
        """Reads a part of the file into a tensor in the processor's memory."""
        if self._file is None:
            raise RuntimeError("nothing was put aside")
        self._file.seek(offset)
        if self._file.readinto(_bytes(into)) != into.nbytes:
            raise RuntimeError("the file of what was put aside is cut off")


@dataclass(frozen=True, eq=False)
class Inside:
    """A tensor that stays in memory, counted by `spill` for as long as it is needed."""

    tensor: Tensor
    version: int
    spill: Spill | None = None

    def __post_init__(self) -> None:
        if self.spill:
            self.spill.inside += self.tensor.nbytes

    def __del__(self) -> None:
        if self.spill:
            self.spill.inside -= self.tensor.nbytes

    def get(self) -> Tensor:
        """Raises RuntimeError where the network has changed it: autograd looks only where nobody listens."""
        if self.tensor._version != self.version:
            raise RuntimeError("a value that the gradient needs was changed in place by the network")
        return self.tensor


@dataclass(frozen=True, eq=False)
class Outside:
    """A tensor in the file, from `offset` on."""

    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device
    offset: int
    spill: Spill

    def __post_init__(self) -> None:
        self.spill.parts += 1

    def __del__(self) -> None:
        self.spill.parts -= 1

    def get(self) -> Tensor:
        tensor = torch.empty_strided(self.shape, self.stride, dtype=self.dtype)
        self.spill.fetch(tensor, self.offset)
        return tensor.to(self.device)


Kept = Inside | Outside


def _dense(tensor: Tensor) -> bool:
    """Whether its values lie side by side in memory, in whatever order of axes."""
    layouts = (torch.contiguous_format, torch.channels_last) if tensor.ndim == 4 else (torch.contiguous_format,)
    return tensor.layout == torch.strided and any(tensor.is_contiguous(memory_format=layout) for layout in layouts)


def _same(tensor: Tensor, other: Tensor, version: int) -> bool:
    alike = (tensor.data_ptr(), tensor._version, tensor.shape, tensor.stride(), tensor.dtype)
    return alike == (other.data_ptr(), version, other.shape, other.stride(), other.dtype)


def _bytes(tensor: Tensor) -> memoryview:
    """The memory of a dense tensor of the processor's."""
    flat = tensor.detach().as_strided((tensor.numel(),), (1,))
    values: memoryview = flat.view(torch.uint8).numpy().data
    return values
