"""What a node's load is: the metric, apart from the strategies that compare it (after tower's `Load`).

Loads count what is under way. The call to be placed is not among it: idle nodes are equal, and which of them gets the call is
decided by weight and success, not by which is a little better (docs/adr/0018).
"""

from collections.abc import Callable, Mapping
from math import exp
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .node import Node

LoadOf = Callable[["Node"], float]

_UNKNOWN_LATENCY = 2.0**47
"""Load of a node that has calls in flight and never answered one: it gets a single call (finagle's PeakEwma)."""


def peak_ewma(node: "Node") -> float:
    """Latency times calls in flight, the one to be placed included: idle nodes differ by latency."""
    calls = len(node.outstanding)
    if node.latency_s:
        return node.latency_s * (calls + 1)
    return _UNKNOWN_LATENCY + calls if calls else 0.0


def cost(node: "Node") -> float:
    """What the calls in flight weigh, as their callers say."""
    return node.cost if node.outstanding else 0.0


LOADS: Mapping[str, LoadOf | None] = MappingProxyType({"in_flight": None, "peak_ewma": peak_ewma, "cost": cost})
"""By the name that a policy uses; None: the node counts its calls in flight itself."""


def observe_latency(node: "Node", rtt_s: float, now: float, decay_s: float) -> None:
    """A call was answered after `rtt_s`: peaks count at once, better news as time passes (finagle's PeakEwma)."""
    if rtt_s > node.latency_s:
        node.latency_s = rtt_s
    else:
        kept = exp((node.latency_at - now) / decay_s)
        node.latency_s = node.latency_s * kept + rtt_s * (1.0 - kept)
    node.latency_at = now


def forget_latency(node: "Node", now: float, decay_s: float) -> None:
    """Time passes without calls: a peak is forgotten too where nobody calls, or one slow answer would keep calls away for good.

    finagle's PeakEwma observes 0 at every read. Here calls under way keep what is known: while they hang, nothing got better.
    """
    if node.latency_s and not node.outstanding:
        node.latency_s *= exp((node.latency_at - now) / decay_s)
        node.latency_at = now
