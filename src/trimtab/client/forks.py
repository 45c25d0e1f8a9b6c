"""What becomes of channels when their process forks.

A child has none of its parent's threads, and its sockets are the parent's too. So channels from before the fork refuse calls in
the child. New ones work there if gRPC was told in time to prepare for forks, which it can for threads, not for asyncio; if it
was not it may hang or crash, and we say so instead. Channels made after the fork only, as in prefork servers, always work.
"""

import ctypes
import logging
import os
import weakref
from typing import Protocol

from ..errors import ForkError

logger = logging.getLogger(__name__)

_SUPPORT = os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower()
"""gRPC reads it when it is imported. Where it is not set, gRPC's core prepares for forks and its Python part does not: of children
of a process with threads one in eight crashed."""
_PREPARES = _SUPPORT in ("1", "true", "yes")
_REMEDY = "make channels after the fork: in each worker of a prefork server, or with multiprocessing's `spawn` or `forkserver`"
_hopeless: set[bool] = set()
"""For which worlds, asyncio or not, gRPC is not usable in this process."""


class Forkable(Protocol):
    """What is open when the process forks."""

    name: str
    closed: bool
    asynchronous: bool

    @property
    def started(self) -> bool: ...

    def orphan(self) -> object:
        """This is the child: refuse all calls from now on. Returns what must not be collected."""
        ...


_open: "weakref.WeakSet[Forkable]" = weakref.WeakSet()


def opening(channel: Forkable) -> None:
    """Keep an eye on `channel`. Raises ForkError if this process was forked and gRPC cannot be used in it."""
    if channel.asynchronous in _hopeless:
        advice = "" if channel.asynchronous else ", or set GRPC_ENABLE_FORK_SUPPORT=1 before the parent imports grpc"
        raise ForkError(
            f"process {os.getpid()} was forked from one with open channels, and gRPC does not survive that: {_REMEDY}{advice}"
        )
    _open.add(channel)


def refusal(name: str) -> ForkError:
    """Why a channel from before the fork takes no calls."""
    return ForkError(f"{name}: this channel was opened before process {os.getpid()} was forked: {_REMEDY}")


def _forking() -> None:
    if not _SUPPORT and (names := sorted(channel.name for channel in _open if channel.started and not channel.closed)):
        logger.warning(
            "process %d forks with open channels (%s), over which gRPC may crash in the child: %s, or set "
            "GRPC_ENABLE_FORK_SUPPORT to 1 before grpc is imported, or to 0 if the child calls nobody",
            os.getpid(),
            ", ".join(names),
            _REMEDY,
        )


def _forked() -> None:
    # A channel of asyncio that waits for its first call has nothing yet that would be lost.
    for channel in [channel for channel in _open if channel.started and not channel.closed]:
        _open.discard(channel)
        _keep(channel.orphan())
        if channel.asynchronous or not _PREPARES:
            _hopeless.add(channel.asynchronous)


def _keep(left_to_parent: object) -> None:
    """Never collect these, not even at exit: the parent goes on to use what they would close, and gRPC may crash over it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(left_to_parent))


os.register_at_fork(before=_forking, after_in_child=_forked)
