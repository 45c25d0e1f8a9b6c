"""Success as a moving average: failing endpoints are avoided smoothly and come back by themselves.

An endpoint that fails every call answers faster than those that work; by calls in flight alone it would draw all traffic.
"""

from collections.abc import Iterable
from math import exp, inf, log

from ..model import SuccessRate
from .node import Node

NO_EVIDENCE = frozenset({"CANCELLED"})
"""The caller lost interest; that says nothing about the endpoint."""


def failing(failures: Iterable[str]) -> frozenset[str]:
    """The statuses that `SuccessRate.failures` stands for, `5xx` written out."""
    statuses: set[str] = set()
    for failure in failures:
        statuses |= {f"{failure[0]}{rest:02}" for rest in range(100)} if failure.endswith("xx") else {failure}
    return frozenset(statuses)


class FailureRun:
    """Calls that failed one after the other, and how well chance explains that."""

    __slots__ = ("average", "chance", "known_at", "likelihood")

    def __init__(self, average: float) -> None:
        self.average = average
        """Moving average of the calls that succeeded."""
        self.chance = max(_RARE, 1.0 - average)
        """How often calls failed before."""
        self.likelihood = _PLAUSIBLE
        """Of such a run by chance, relative to what is just plausible; below 1 the node is taken to be down."""
        self.known_at = -inf
        """When the last failure that counts was known."""

    @property
    def down(self) -> bool:
        """Whether chance does not explain it."""
        return self.likelihood < 1.0

    def go_on(self, now: float, floor: float) -> None:
        """One more failure."""
        self.likelihood = max(floor, self.likelihood * (_BACK_OFF if self.down else self.chance))
        self.known_at = now

    def success(self, now: float, settings: SuccessRate) -> float:
        """What follows for the node's share."""
        if not self.down:
            return self.average
        regained = min(1.0, (now - self.known_at) / (_REGAINED * settings.recovery_s))
        grown = exp(-log(settings.floor) * regained)
        return max(settings.floor, min(self.average, self.likelihood * grown))


_PLAUSIBLE = 1000.0
"""One run in so many may be mistaken for more than chance."""
_RARE = 0.007
"""Any endpoint may fail so often: two failures in a row are then one in 20,000."""
_REGAINED = 2.0
"""In so many times `recovery_s` a node that is down comes from the floor to a full share, if it is not called."""
_BACK_OFF = 0.25
"""With each failure more of a node that is down the next call waits longer, until the floor is reached."""


def failed(node: Node, started_at: float, now: float, settings: SuccessRate) -> None:
    """A call that started at `started_at` failed.

    The average falls by each failure in a row more than by the one before: one is noise, ten are not. And from the failure that
    makes the run less likely than 1 in 1,000, at the rate at which calls failed before, the node is taken to be down. For one that
    hardly ever failed that is the second, for one that fails every fifth call the fifth. Only calls count that started when the
    failure before was known: those under way together, as on a connection that breaks, fail together.
    """
    recover(node, now, settings)
    if (run := node.failure_run) is None:
        node.failure_run = run = FailureRun(node.success)
    run.average = max(settings.floor, run.average * (1.0 - settings.step) ** node.failures_in_row)
    if started_at >= run.known_at:
        run.go_on(now, settings.floor)
    node.success = run.success(now, settings)


def succeeded(node: Node, started_at: float, now: float, settings: SuccessRate) -> None:
    """A call that started at `started_at` was answered. Who was taken to be down is not: what counts is the average again.

    Unless the call is older than the last failure: a node that refuses new calls may still answer those it has.
    """
    recover(node, now, settings)
    if (run := node.failure_run) is None:
        node.success += settings.step * (1.0 - node.success)
        return
    run.average += settings.step * (1.0 - run.average)
    if not run.down or started_at >= run.known_at:
        node.success, node.failure_run = run.average, None
    else:
        node.success = run.success(now, settings)


def excuse(node: Node, run: FailureRun) -> None:
    """The failures of `run` say nothing about the node: what was known before them counts, unless it has failed since."""
    if node.failure_run is None or node.failure_run is run:
        node.success, node.failure_run = max(node.success, 1.0 - run.chance), None


def recover(node: Node, now: float, settings: SuccessRate) -> None:
    """Failures are forgotten as time passes, or an endpoint that nobody calls could never come back.

    The average comes back with the time constant `recovery_s`. What a node that is down may have grows by a constant factor per
    second, from the floor to a full share in twice that time. It is granted `odds(success) × fair share` of the `r` calls that
    a client makes per second, so from the floor the next one comes after about

        t = T × ln(1 + 1 / (r × fair share × floor × T)), T = 2 × recovery_s / ln(1 / floor)

    seconds: seldom where calls are few, soon where they are many, and about once a minute however few they are. Before the floor
    is reached it is sooner, with the likelihood in its place: the return from a short outage is found soon.
    """
    # Another thread may have read the clock later and been here before.
    kept = exp(min(0.0, node.success_at - now) / settings.recovery_s)
    if (run := node.failure_run) is not None:
        run.average = 1.0 - (1.0 - run.average) * kept
        node.success = run.success(now, settings)
    elif node.success < 1.0:
        node.success = 1.0 - (1.0 - node.success) * kept
    if node.success > _AS_GOOD_AS_NEW:
        node.success, node.failure_run = 1.0, None
    node.success_at = max(node.success_at, now)


_AS_GOOD_AS_NEW = 0.999


def odds(success: float) -> float:
    """How many times its fair share a node may have at most: unlimited for success, half and half at 0.5, next to nothing at 0.

    A limit is needed beside the score: a node that fails at once is always idle, and idle has the score 0.
    """
    return success / (1.0 - success) if success < 1.0 else float("inf")
