"""A call that waits for a node: before the first assignment, or while connections come up.

The waiting rules, after gRPC's own: a call waits as long as waiting can help and its deadline allows. Without a deadline
and without wait-for-ready it waits 15 s, as long as gRPC and Envoy wait for a resource. wait-for-ready outlasts every
refusal.
"""

import time
from collections.abc import Callable

import grpc

from ..balance import Connectivity, Pick, Request
from ..errors import ControlPlaneUnreachable, TooManyRequests, Unavailable
from .cluster import Cluster
from .loop import Loop, Timer

MAX_WAIT_S = 15.0
"""gRPC's xDS resource timer (gRFC A88) and Envoy's default initial_fetch_timeout."""


_READY = Connectivity.READY


class Refusal(Exception):
    """Why a call got no node, in gRPC's terms."""

    def __init__(self, code: grpc.StatusCode, details: str, cause: Exception | None = None) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.cause = cause


class Deadline:
    """When a call must be over. `at` is None for never, else in seconds of `time.monotonic`."""

    __slots__ = ("at",)

    def __init__(self, timeout_s: float | None) -> None:
        self.at = None if timeout_s is None else time.monotonic() + timeout_s

    def remaining_s(self) -> float | None:
        """Seconds left, not less than 0; None: no end."""
        return None if self.at is None else max(0.0, self.at - time.monotonic())


class Placement:
    """Tries to place one call at every change of its cluster, until it is placed, refused or cancelled.

    Runs in the cluster's loop; exactly one of `placed` and `refused` is called, unless it is cancelled before.
    """

    def __init__(
        self,
        cluster: Cluster,
        request: Request,
        deadline: Deadline,
        wait_for_ready: bool,
        placed: Callable[[Pick], object],
        refused: Callable[[Refusal], object],
    ) -> None:
        self._cluster = cluster
        self._request = request
        self._deadline = deadline
        self._wait_for_ready = wait_for_ready
        self._placed = placed
        self._refused = refused
        self._started_at = time.monotonic()
        self._timer: Timer | None = None
        self._over = False

    def start(self, loop: Loop) -> None:
        """Try now, and go on trying. In the loop."""
        if self._over:
            return
        limit_s = self._deadline.remaining_s()
        if limit_s is None and not self._wait_for_ready:
            limit_s = MAX_WAIT_S
        if limit_s is not None:
            self._timer = loop.call_later(limit_s, self._timed_out)
        self._try()

    def cancel(self) -> None:
        """Stop trying; again is harmless. In the loop."""
        self._over = True
        self._cluster.remove_waiter(self._try)
        if self._timer is not None:
            self._timer.cancel()

    def _try(self) -> None:
        if self._over:
            return
        try:
            pick = self._cluster.pick(self._request)
        except TooManyRequests as error:
            # Not even who waits for ready waits for this: there are endpoints, and they have enough to do.
            self._refuse(Refusal(grpc.StatusCode.UNAVAILABLE, str(error), error))
            return
        except Exception as error:  # noqa: BLE001 - it is told to whose call it is
            # A strategy, key or cost of the user's own. This call must not wait for ever, nor anybody else who waits.
            self._refuse(Refusal(grpc.StatusCode.UNKNOWN, f"the call could not be placed: {error!r}", error))
            return
        if self._wait_for_ready:
            pick = unless_unready(pick)
        if pick is not None:
            self.cancel()
            self._placed(pick)
        elif (refusal := self._pointless()) is not None:
            self._refuse(refusal)
        else:
            self._cluster.add_waiter(self._try)

    def _refuse(self, refusal: Refusal) -> None:
        self.cancel()
        self._refused(refusal)

    def _pointless(self) -> Refusal | None:
        if self._cluster.closed:
            return Refusal(grpc.StatusCode.CANCELLED, "Channel closed!")
        error = None if self._wait_for_ready else self._cluster.refusal(self._request)
        return None if error is None else Refusal(grpc.StatusCode.UNAVAILABLE, str(error), error)

    def _timed_out(self) -> None:
        if self._over:
            return
        waited_s = time.monotonic() - self._started_at
        error = _unreachable(self._cluster, self._request, waited_s)
        expired = self._deadline.at is not None
        code = grpc.StatusCode.DEADLINE_EXCEEDED if expired else grpc.StatusCode.UNAVAILABLE
        self._refuse(Refusal(code, str(error), error))


def unless_unready(picked: Pick | None) -> Pick | None:
    """The pick, if a call that waits for ready may start with it.

    When nothing can be reached the balancer offers a failing endpoint, so that the caller learns gRPC's own error; a call
    that waits for ready is not interested in it.
    """
    if picked is None or picked.node.connectivity is _READY:
        return picked
    picked.abandon()
    return None


def _unreachable(cluster: Cluster, request: Request, waited_s: float) -> Unavailable:
    waited = f"waited {waited_s:.1f} s for an endpoint. {cluster.awaited()}"
    refusal = cluster.refusal(request)
    if refusal is not None:
        return type(refusal)(f"{waited}. {refusal}")
    unreachable = not cluster.assigned and not cluster.control_plane_answers
    return ControlPlaneUnreachable(waited) if unreachable else Unavailable(waited)
