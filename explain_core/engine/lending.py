"""A model is lent, never taken: whoever computes with it gives it back exactly as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from torch import nn

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_guard = threading.Lock()


@contextmanager
def lend(model: nn.Module) -> Iterator[None]:
    """The model in eval mode with frozen parameters, for one borrower at a time.

    Every module's training flag and every parameter's `requires_grad` come back as they were, also
    after an exception.  Weights, `.grad` and the global random state are not touched.  The same
    thread may lend a model again inside; another thread waits for its turn.
    """
    with _lock_of(model):
        training = [module for module in model.modules() if module.training]
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        try:
            # Flags are set directly: a network may override train() with effects that eval() cannot undo.
            for module in training:
                module.training = False
            for parameter in learning:
                parameter.requires_grad_(False)
            yield
        finally:
            for module in training:
                module.training = True
            for parameter in learning:
                parameter.requires_grad_(True)


def _lock_of(model: nn.Module) -> threading.RLock:
    with _guard:
        return _locks.setdefault(model, threading.RLock())
