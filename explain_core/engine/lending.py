"""A model is lent, never taken: whoever computes with it gives it back exactly as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from weakref import WeakKeyDictionary, WeakSet

from torch import nn

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_ready: WeakSet[nn.Module] = WeakSet()
_guard = threading.Lock()
_borrowed = threading.local()
Model = TypeVar("Model", bound=nn.Module)


def keep_ready(model: Model) -> Model:
    """A model that nobody else has, in eval mode and frozen for good, so that lending it costs nothing."""
    for module in model.modules():
        module.training = False
    model.requires_grad_(False)
    _ready.add(model)
    return model


@contextmanager
def lend(model: nn.Module) -> Iterator[None]:
    """The model in eval mode with frozen parameters, for one borrower at a time.

    Every module's training flag and every parameter's `requires_grad` come back as they were, also
    after an exception.  Weights, `.grad` and the global random state are not touched.  The same
    thread may lend a model again inside; another thread waits for its turn.
    """
    with _lock_of(model), _noted(model) as anew:
        if not anew or model in _ready:
            yield
            return
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


@contextmanager
def _noted(model: nn.Module) -> Iterator[bool]:
    """Whether this thread borrows the model anew; inside a loan its flags are already as they must be."""
    mine: set[int] = _borrowed.__dict__.setdefault("models", set())
    if id(model) in mine:
        yield False
        return
    mine.add(id(model))
    try:
        yield True
    finally:
        mine.discard(id(model))


def _lock_of(model: nn.Module) -> threading.RLock:
    with _guard:
        return _locks.setdefault(model, threading.RLock())
