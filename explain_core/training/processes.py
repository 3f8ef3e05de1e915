"""Several processes that train one network: started by torchrun, one for each GPU, or none of it.

Each takes its share of every batch; gradients are summed, so that the step is that of the whole batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True)
class Processes:
    """This process's place among `world` of them; alone where nobody else was started."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def share(self, places: Sequence[int]) -> Sequence[int]:
        """The part of a batch that this process works on."""
        return places[self.rank :: self.world]

    def sum(self, values: Tensor) -> Tensor:
        """Over all processes, in place."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def mean(self, value: Tensor) -> Tensor:
        """Of one number a process."""
        return self.sum(value.clone()) / self.world if self.world > 1 else value

    def sum_all(self, tensors: Sequence[Tensor]) -> None:
        """Many tensors at once, in place; one message for each kind of number."""
        if self.world == 1:
            return
        for kind in {tensor.dtype for tensor in tensors}:
            some = [tensor for tensor in tensors if tensor.dtype == kind]
            flat = self.sum(torch.cat([tensor.reshape(-1) for tensor in some]))
            for tensor, part in zip(some, torch.split(flat, [tensor.numel() for tensor in some]), strict=True):
                tensor.copy_(part.view_as(tensor))

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            distributed.barrier()


def own_device(device: torch.device) -> torch.device:
    """The GPU of this process, by torchrun's number for it on this machine, where no number was asked for."""
    if device.type != "cuda" or device.index is not None or "LOCAL_RANK" not in os.environ:
        return device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The group that torchrun started this process in; NCCL on GPUs, gloo else."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes()
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
