"""Locks that a forked child has anew.

A fork takes a copy of every lock as it is. One that another thread held stays locked in the child for ever,
as that thread is not there.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Owner(Protocol):
    """What has a lock."""

    def renew_lock(self) -> None:
        """Put a new lock in the place of the old one."""


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()


def renewed_in_children(owner: Owner) -> None:
    """Give `owner` a lock now, and another one in each child that is forked while it lives."""
    owner.renew_lock()
    _owners.add(owner)


def _renew() -> None:
    for owner in list(_owners):
        owner.renew_lock()


class ModelLock:
    """A lock that its thread may take again, with ``with``; pickle and copy make another, which is free."""

    def __init__(self) -> None:
        renewed_in_children(self)

    def renew_lock(self) -> None:
        """Be free, whoever held it."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[ModelLock], tuple[()]]:
        return ModelLock, ()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
