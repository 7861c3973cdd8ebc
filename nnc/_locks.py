"""Locks that are replaced in a forked child.

A fork copies every lock in its current state. One that another thread held would stay locked in the child
forever, because that thread does not exist there.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Owner(Protocol):
    """An object that owns a lock."""

    def renew_lock(self) -> None:
        """Replace the lock by a new one."""


# Weak references without callbacks, as a WeakSet has: an exception of a signal handler would be lost in one.
_owners: dict[int, weakref.ref[Owner]] = {}
_most = 64  # references before those to deleted owners are removed
_registering = threading.RLock()


def renewed_in_children(owner: Owner) -> None:
    """Create the lock of `owner`, and a new one in each child that is forked while `owner` exists."""
    global _most
    owner.renew_lock()
    with _registering:
        if len(_owners) >= _most:
            for key in [key for key, reference in _owners.items() if reference() is None]:
                del _owners[key]
            _most = 64 + 2 * len(_owners)
        _owners[id(owner)] = weakref.ref(owner)


def _renew() -> None:
    global _registering
    _registering = threading.RLock()
    for reference in list(_owners.values()):
        owner = reference()
        if owner is not None:
            owner.renew_lock()


class ModelLock:
    """A reentrant lock, used with ``with``; pickle and copy create a new one, which is free."""

    def __init__(self) -> None:
        renewed_in_children(self)

    def renew_lock(self) -> None:
        """Replace the lock by a free one, whoever held it."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[ModelLock], tuple[()]]:
        return ModelLock, ()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _registering.acquire(),
        after_in_parent=lambda: _registering.release(),
        after_in_child=_renew,
    )
