"""Success as a moving average: failing endpoints are avoided smoothly and come back by themselves.

An endpoint that fails every call answers faster than those that work; by calls in flight alone it would draw all traffic.
"""

from collections.abc import Iterable
from math import exp

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


def failed(node: Node, now: float, settings: SuccessRate) -> None:
    """A call failed. Each failure in a row weighs more than the one before: one is noise, ten are not."""
    recover(node, now, settings)
    node.success = max(settings.floor, node.success * (1.0 - settings.step) ** node.failures_in_row)


def succeeded(node: Node, now: float, settings: SuccessRate) -> None:
    """A call was answered."""
    recover(node, now, settings)
    node.success += settings.step * (1.0 - node.success)


def recover(node: Node, now: float, settings: SuccessRate) -> None:
    """Failures are forgotten as time passes, or an endpoint that nobody calls could never come back."""
    if node.success < 1.0:
        node.success = 1.0 - (1.0 - node.success) * exp((node.success_at - now) / settings.recovery_s)
        if node.success > _AS_GOOD_AS_NEW:
            node.success = 1.0
    node.success_at = now


_AS_GOOD_AS_NEW = 0.999


def odds(success: float) -> float:
    """How many times its fair share a node may have at most: unlimited for success, half and half at 0.5, next to nothing at 0.

    A limit is needed beside the score: a node that fails at once is always idle, and idle has the score 0.
    """
    return success / (1.0 - success) if success < 1.0 else float("inf")
